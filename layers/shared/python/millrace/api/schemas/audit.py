"""Answers about the audit log."""

from pydantic import Field

from millrace.api.schemas.base import Page, Shape
from millrace.domain.audit import Kind

__all__ = ["AuditEntryView", "AuditPage"]


class AuditEntryView(Shape):
    """An entry of the audit log."""

    id: str
    at: str
    kind: Kind = Field(description="a change, a read of another user's data, or a refused call")
    user_id: str = Field(description="the `sub` of a token, or `key:` and the id of an API key")
    action: str = Field(description="the operation, such as `DELETE /api/keys/{key_id}`")
    target: dict[str, str] = Field(description="the ids of what it was about")
    created: str | None = Field(description="the path of what it created")
    status: int | None = Field(
        description="of the answer; null: the process ended before that, so the outcome must be checked"
    )
    request_id: str


class AuditPage(Page[AuditEntryView]):
    """Entries of the audit log, latest first."""
