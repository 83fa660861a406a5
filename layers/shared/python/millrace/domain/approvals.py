"""Calls that wait for a person: tools that need an approval, and questions to the user.

A run with such a call stops working until it is answered. The agent or the flow decides who may answer
(`Approvers`), never the content of an answer.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from msgspec import Struct, field
from pydantic import ConfigDict, Field, model_validator

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.runs import Run
from millrace.domain.wire import WireModel

Kind = Literal["approval", "question", "input", "client"]
"""A tool call to approve, a question of an agent, a step of a flow that waits for input, or a call of a tool
that the client runs itself."""
Decision = Literal["approve", "reject", "answer"]
OnExpired = Literal["continue", "fail"]

ASK_USER = "ask_user"
"""The built-in tool that asks a question."""
EXPIRED = "expired"
"""The reason for the rejection of a call that nobody answered in time."""
MAX_SECONDS = 365 * 24 * 3600
ARGUMENTS_BYTES = 64 * 1024
"""The maximum size of the arguments of a call that needs an approval, as JSON: people have to read them."""
SCHEMA_BYTES = 16 * 1024
CONTENT_BYTES = 64 * 1024
REASON_CHARACTERS = 2000
CALLS_AT_ONCE = 16
"""The maximum number of calls that may wait in one run at the same time."""


class Approvers(WireModel):
    """The people who may answer; matching one of these is enough."""

    model_config = ConfigDict(frozen=True)

    scope: str | None = Field(default=None, min_length=1, max_length=100, description="users with this scope")
    role: str | None = Field(default=None, min_length=1, max_length=100, description="users with this role")
    users: list[Annotated[str, Field(min_length=1, max_length=255)]] | None = Field(
        default=None, min_length=1, max_length=100, description="users by their id (the token's sub)"
    )
    owner: bool = Field(default=False, description="the user for whom the run works")

    @model_validator(mode="after")
    def _somebody(self) -> "Approvers":
        if not (self.scope or self.role or self.users or self.owner):
            raise ValueError("must have a scope, a role, users, or owner: true")
        return self

    def admit(self, caller: Principal, run_user: str) -> bool:
        """Return whether a caller of the same organization may answer."""
        if self.owner and run_user and caller.id == run_user:
            return True
        if self.scope is not None and caller.may(self.scope):
            return True
        return self.role in caller.roles or caller.id in (self.users or ())


OWNER = Approvers.known(owner=True)
"""The default approvers: the run's own user."""


class AskWhen(WireModel):
    """Ask if the expression over the call's arguments returns anything but `false`."""

    ask: str = Field(min_length=1, max_length=2000)


Policy = Literal["auto", "ask"] | AskWhen


class Answer(Struct, frozen=True):
    """An answer to a call. `by` is the user who gave it; empty if the call expired. `arguments` are the
    edited ones of an approval; None if they are unchanged."""

    decision: Decision
    by: str
    at: str
    arguments: dict[str, Any] | None = None
    content: Any = None
    reason: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "decision": self.decision,
            "arguments": self.arguments,
            "content": self.content,
            "reason": self.reason,
            "answeredBy": self.by or None,
            "answeredAt": self.at,
        }

    @property
    def expired(self) -> bool:
        """True if nobody answered in time."""
        return self.decision == "reject" and not self.by

    def says_the_same(self, other: "Answer") -> bool:
        """Return whether another answer makes the same decision, whoever gave it and when."""
        return self._decides() == other._decides()

    def _decides(self) -> bytes:
        parts = [self.decision, self.arguments, self.content, self.reason]
        return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


class GivenAnswer(Struct, frozen=True):
    """An answer as the caller gave it."""

    call_id: str
    decision: Decision
    arguments: dict[str, Any] | None = None
    content: Any = None
    reason: str | None = None


def expired_answer(now_ms: int) -> Answer:
    """Return the answer to a call that nobody answered in time."""
    return Answer("reject", "", iso(now_ms), reason=EXPIRED)


class WaitingCall(Struct, frozen=True):
    """A call that waits for an answer, or has one.

    `name` is that of the tool or step. `schema` is the JSON Schema of an approval's arguments, or of the
    content of an answer; None if anything is accepted. `user` is the one for whom the run works, and
    `position` the index of the call in its turn. A call is `settled` once its run has continued or ended.
    `path` leads from the run's agent, or the flow's step, to the agent that asks; it is empty if that is the
    run's own agent.
    """

    slot: Slot
    run_id: str
    call_id: str
    kind: Kind
    name: str
    user: str
    agent_id: str
    agent_name: str
    requested_ms: int
    expires_ms: int
    arguments: dict[str, Any] = field(default_factory=dict)
    prompt: str = ""
    options: Sequence[str] = ()
    schema: dict[str, Any] | None = None
    approvers: Approvers = OWNER
    visibility: Literal["answer", "steps", "full"] = "full"
    on_expired: OnExpired = "continue"
    position: int = 0
    path: Sequence[dict[str, str]] = ()
    answer: Answer | None = None
    settled: bool = False

    @classmethod
    def of(
        cls, run: Run, now_ms: int, call_id: str, kind: Kind, name: str, seconds: int, **asked: Any
    ) -> "WaitingCall":
        """Return a call of a run that waits for this many seconds from now. `asked` has the remaining
        fields."""
        return cls(
            slot=run.slot,
            run_id=run.id,
            call_id=call_id,
            kind=kind,
            name=name,
            user=run.created_by,
            agent_id=run.agent_id,
            agent_name=run.agent_name,
            requested_ms=now_ms,
            expires_ms=now_ms + 1000 * seconds,
            **{"visibility": run.visibility} | asked,
        )

    @property
    def state(self) -> Literal["waiting", "answered", "closed"]:
        """The state of the call. A closed call was never answered, and its run has ended."""
        if self.answer is not None:
            return "answered"
        return "closed" if self.settled else "waiting"

    def admits(self, caller: Principal) -> bool:
        """Return whether the caller may answer."""
        same = caller.organization == self.slot.organization
        return same and self.approvers.admit(caller, self.user)

    def to_wire(self) -> dict[str, Any]:
        """Return the complete call as JSON, for those who may answer."""
        return {
            "runId": self.run_id,
            "callId": self.call_id,
            "conversationId": self.slot.conversation_id,
            "threadId": self.slot.thread_id,
            "agentId": self.agent_id,
            "agentName": self.agent_name,
            "path": list(self.path),
            "kind": self.kind,
            "name": self.name,
            "arguments": self.arguments,
            "prompt": self.prompt or None,
            "options": list(self.options),
            "schema": self.schema,
            "approvers": self.approvers.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "requestedBy": self.user or None,
            "requestedAt": iso(self.requested_ms),
            "expiresAt": iso(self.expires_ms),
            "state": self.state,
            "answer": self.answer.to_wire() if self.answer else None,
        }

    def seen_by(self, caller: Principal) -> dict[str, Any]:
        """Return the call for a caller: everything for those who may answer, otherwise what the agent's
        visibility allows."""
        able = self.admits(caller)
        seen = self.to_wire() | {"canAnswer": able}
        if able or self.visibility == "full" or self.kind != "approval":
            return seen
        hidden: dict[str, Any] = {"arguments": {}, "schema": None}
        if self.visibility == "answer":
            hidden |= {"name": None, "path": []}
        if self.answer and self.answer.arguments:
            hidden |= {"answer": self.answer.to_wire() | {"arguments": {}}}
        return seen | hidden
