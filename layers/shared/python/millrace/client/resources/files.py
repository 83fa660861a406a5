"""Files, and tickets for clients that cannot send a token."""

from dataclasses import dataclass
from typing import Any

import httpx

from millrace.api.schemas.files import File, FileDownload, FilePage, FileUpload
from millrace.api.schemas.voice import Ticket
from millrace.client.actions import Send, Steps
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, Sender, given, lost, path
from millrace.client.errors import error_of
from millrace.client.operations import IO, Listing, Resource, listing, operation

BASE = "/api/files"


@dataclass(frozen=True, slots=True)
class Upload(Call[FileUpload]):
    """A file that is uploaded directly to S3."""

    content: bytes = b""

    def steps(self, sender: Sender) -> Steps[FileUpload]:
        """Announce the file, and send its bytes to the returned address. Raises `MillraceError`."""
        file = yield from sender.call(self)
        form = file.upload
        request = httpx.Request(
            "POST",
            sender.addresses.absolute(form.url),
            data=form.fields,
            files={"file": (file.name, self.content, file.media_type)},
            extensions={"timeout": httpx.Timeout(sender.policy.timeout, connect=10.0).as_dict()},
        )
        try:
            response = yield Send(request)
        except httpx.TransportError as error:
            raise lost(error) from error
        if not response.is_success:
            raise error_of(response)
        return file


class Files(Resource[IO]):
    """`client.files`"""

    @operation
    def upload(self, name: str, content: bytes, media_type: str) -> Call[FileUpload]:
        """Upload a file for messages: `{"type": "file", "fileId": file.file_id}` is then a part of a
        message."""
        body = {"name": name, "mediaType": media_type, "size": len(content)}
        return Upload(Request("POST", BASE, body=body), model(FileUpload), content=content)

    @listing
    def list(self, *, limit: int | None = None) -> Listing[File]:
        """List your files, latest first."""
        return Listing(Request("GET", BASE, given(limit=limit)), model(FilePage))

    @operation
    def get(self, file_id: str) -> Call[FileDownload]:
        """Read a file's details, with a download URL that is valid for 15 minutes."""
        return Call(Request("GET", path(BASE + "/{}", file_id)), model(FileDownload))

    @operation
    def delete(self, file_id: str) -> Call[None]:
        """Delete a file; messages keep a note."""
        return Call(Request("DELETE", path(BASE + "/{}", file_id)), nothing)


class Tickets(Resource[IO]):
    """`client.tickets`"""

    @operation
    def create(self, path: str, *, body: dict[str, Any] | None = None) -> Call[Ticket]:
        """Get a URL for one GET request without a token, for `EventSource` and `<audio>`."""
        return Call(Request("POST", "/api/stream-tickets", body=given(path=path, body=body)), model(Ticket))
