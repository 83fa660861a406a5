"""Answers about exports."""

from typing import Literal

from pydantic import Field

from millrace.api.schemas.base import Listing, Page, Shape

__all__ = ["ExportList", "ExportPartPage", "ExportPartView", "ExportView"]


class ExportView(Shape):
    """Everything that is stored about a user or the organization, as zip archives."""

    id: str
    user_id: str | None = Field(description="null: the organization")
    state: Literal["running", "done"]
    step: str = Field(description="the kind of data that is being read")
    items: int = Field(description="records and files that were written so far")
    parts: int = Field(description="archives that were completed so far")
    size: int = Field(description="their bytes")
    created_by: str
    created_at: str
    done_at: str | None
    expires_at: str = Field(description="it can be downloaded until then")


class ExportList(Listing[ExportView]):
    """The exports that are in progress or can be downloaded."""


class ExportPartView(Shape):
    """One archive of an export, with a download URL that is valid for 15 minutes."""

    number: int
    name: str
    size: int = Field(description="in bytes")
    download_url: str


class ExportPartPage(Page[ExportPartView]):
    """A page of the archives of an export."""
