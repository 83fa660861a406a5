"""Entries of the audit log: who did what, when, to what, and what came of it. They name things by their ids:
none has a secret, or a word of a message."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Literal

from msgspec import Struct, field

from millrace.domain.clock import iso

Kind = Literal["act", "access", "refusal"]
"""A call that changes something; one that reads what belongs to somebody else; one that was not allowed."""


class AuditEntry(Struct, frozen=True):
    """An entry. `action` is an operation of the API as its document names it, `target` the ids that it was
    about, `created` the path of what it made. `status` is that of its answer; None where its process ended
    before."""

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
        """The entry as admins see it."""
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
    """The call that is being answered: its operation and its id."""

    action: str = ""
    request_id: str = ""


_CURRENT: ContextVar[CurrentCall] = ContextVar("call", default=CurrentCall())  # noqa: B039


def current_call() -> CurrentCall:
    """The call that is being answered; an empty one outside of one."""
    return _CURRENT.get()


def set_call(call: CurrentCall) -> None:
    """For the current task, and those that it starts."""
    _CURRENT.set(call)
