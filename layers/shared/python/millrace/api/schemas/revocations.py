"""Answers about revocations of tokens."""

from pydantic import Field

from millrace.api.schemas.base import Listing, Shape

__all__ = ["RevocationList", "RevocationView"]


class RevocationView(Shape):
    """Tokens that are no longer valid."""

    user_id: str | None = Field(description="null: those of everybody")
    not_before: str = Field(description="tokens issued before this time are refused")
    created_by: str
    created_at: str


class RevocationList(Listing[RevocationView]):
    """The current revocations, latest first."""
