"""Answers about erasures."""

from typing import Literal

from pydantic import Field

from millrace.api.schemas.base import Listing, Shape

__all__ = ["ErasureList", "ErasureView", "RetentionView"]


class ErasureView(Shape):
    """The deletion of all that a user, or the organization, has left."""

    user_id: str | None = Field(description="null: the organization")
    state: Literal["running", "done"]
    step: str = Field(description="what is deleted now")
    removed: int = Field(description="conversations, files, objects and items that were deleted so far")
    created_by: str
    created_at: str
    done_at: str | None


class ErasureList(Listing[ErasureView]):
    """The erasures that run, or were done of late."""


class RetentionView(Shape):
    """The time for which conversations are kept after their latest run."""

    conversation_days: int | None = Field(description="in days; null: for ever")
