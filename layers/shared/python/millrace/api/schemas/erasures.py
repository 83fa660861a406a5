"""Answers about erasures."""

from typing import Literal

from pydantic import Field

from millrace.api.schemas.base import Listing, Shape

__all__ = ["ErasureList", "ErasureView", "RetentionView"]


class ErasureView(Shape):
    """The deletion of everything that belongs to a user or the organization."""

    user_id: str | None = Field(description="null: the organization")
    state: Literal["running", "done"]
    step: str = Field(description="the kind of data that is being deleted")
    removed: int = Field(description="conversations, files, objects and items that were deleted so far")
    created_by: str
    created_at: str
    done_at: str | None


class ErasureList(Listing[ErasureView]):
    """The erasures that are in progress or ended recently."""


class RetentionView(Shape):
    """The time for which conversations are kept after their latest run."""

    conversation_days: int | None = Field(description="in days; null: forever")
