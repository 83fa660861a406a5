"""A message from a client, and its result."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import orjson
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from millrace.agent.model import Provider
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.branches import BranchPoint
from millrace.domain.content import Content, fingerprint
from millrace.domain.conversations import StoredMessage
from millrace.domain.run_definitions import ClientTool
from millrace.domain.runs import Run
from millrace.services.runs.run_options import RunOptions
from millrace.stores.dynamo import TransactItem
from millrace.stores.idempotency import Marker
from millrace.stores.injections import Injection
from millrace.stores.lease_record import Lease

if TYPE_CHECKING:
    from millrace.services.runs.run_session import RunSession

IfBusy = Literal["reject", "inject", "interrupt"]


class NewMessage(Struct, frozen=True):
    """A message from a client.

    `if_busy` decides what happens while a run is active. `send` sets `created_by`. The default agent answers
    in a new conversation without a chosen agent. `client_data` is stored with the message for the client's
    protocol, by its name, and shown to nobody else. `writes` returns what to store together with the
    beginning of the run. The message follows the one of its `branch`, by default the end of the active
    branch. With `is_edit`, repeating the message creates a new one if another run was there since.
    `head_start` starts the run while it is being stored.
    """

    content: Content
    agent_id: str | None = None
    thread_id: str | None = None
    idempotency_key: str | None = None
    if_busy: IfBusy = "reject"
    created_by: str = ""
    response_schema: dict[str, Any] | None = None
    options: RunOptions = field(default_factory=RunOptions)
    default_agent_id: str | None = None
    client_data: dict[str, Any] | None = None
    writes: Callable[[Run], Awaitable[Sequence[TransactItem]]] | None = None
    branch: BranchPoint | None = None
    is_edit: bool = False
    head_start: "Callable[[StartedRun, Awaitable[bool]], RunSession] | None" = None

    @property
    def asks_again(self) -> bool:
        """True if a stored question is answered again; then the content is empty."""
        return self.branch is not None and self.branch.again

    def once_more(self, run_id: str) -> "NewMessage":
        """Return the same message for another use, when the run that it began is no longer the newest."""
        key = hashlib.sha256(f"{self.idempotency_key}\0{run_id}".encode()).hexdigest()
        return replace(self, idempotency_key=key)

    def marker(self) -> Marker | None:
        """Return the idempotency key with a fingerprint of the request."""
        if not self.idempotency_key:
            return None
        parts = "\0".join((fingerprint(self.content), self.agent_id or "", self.thread_id or ""))
        if self.response_schema is not None:
            parts += "\0" + orjson.dumps(self.response_schema, option=orjson.OPT_SORT_KEYS).decode()
        if self.branch is not None:
            parts += "\0" + orjson.dumps(asdict(self.branch)).decode()
        parts += self.options.fingerprint()
        return Marker(self.idempotency_key, hashlib.sha256(parts.encode()).hexdigest())


class StartedRun(Struct, frozen=True):
    """A run that this process holds and must execute on behalf of `user`.

    The large messages of the `history` are read while the run begins. `pending_live_messages` means that live
    messages of an earlier run may still wait. `session` is set if the run had a head start.
    """

    lease: Lease
    user: Principal
    agent: Agent
    provider: Provider
    model: str
    history: Awaitable[list[StoredMessage]]
    pending_live_messages: bool
    client_tools: Sequence[ClientTool] = ()
    session: "RunSession | None" = None


class ReplayedRun(Struct, frozen=True):
    """The idempotency key was used before, and its run can be followed."""

    run: Run


class AcceptedMessage(Struct, frozen=True):
    """The message was added to the active run (`ifBusy: inject`)."""

    injection: Injection
    run_id: str
