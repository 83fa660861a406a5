"""Answers about images and files."""

from pydantic import Field

from millrace.api.schemas.base import Page, Shape


class File(Shape):
    """A file of a user. `conversationId` is the conversation that keeps it; a file that no message has used
    expires."""

    file_id: str
    name: str
    media_type: str
    size: int = Field(description="in bytes")
    conversation_id: str | None
    created_at: str
    expires_at: str | None


class FilePage(Page[File]):
    """A page of files, latest first."""


class UploadForm(Shape):
    """A form that uploads one file within 15 minutes: POST `fields`, followed by the file as `file`, as
    multipart/form-data."""

    url: str
    fields: dict[str, str]


class FileUpload(File):
    """A file to upload, with its form."""

    upload: UploadForm


class FileDownload(File):
    """A file, with a download URL that is valid for 15 minutes."""

    download_url: str
