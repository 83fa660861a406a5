"""Entries of the audit log: who did what, when, to what, and with what outcome. They refer to things by their
ids and never contain a secret or the content of a message."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Literal

from msgspec import Struct, field

from millrace.domain.clock import iso

Kind = Literal["act", "access", "refusal"]
"""A call that changes something, a read of another user's data, or a refused call."""


class AuditEntry(Struct, frozen=True):
    """An entry. `action` is an operation of the API as its document names it, `target` the ids of what it was
    about, `created` the path of what it created. `status` is that of the answer; None if the process ended
    before that."""

    id: str
    at_ms: int
    kind: Kind
    user_id: str
    action: str
    target: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    status: int | None = None
    created: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the entry as admins see it."""
        return {
            "id": self.id,
            "at": iso(self.at_ms),
            "kind": self.kind,
            "userId": self.user_id,
            "action": self.action,
            "target": dict(self.target),
            "created": self.created,
            "status": self.status,
            "requestId": self.request_id,
        }


class CurrentCall(Struct, frozen=True):
    """The current call of the API: its operation and its id."""

    action: str = ""
    request_id: str = ""


_CURRENT: ContextVar[CurrentCall] = ContextVar("call", default=CurrentCall())  # noqa: B039


def current_call() -> CurrentCall:
    """Return the current call; an empty one outside of a call."""
    return _CURRENT.get()


def set_call(call: CurrentCall) -> None:
    """Set the current call for the current task and those that it starts."""
    _CURRENT.set(call)
