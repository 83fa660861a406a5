"""A message that a client sends, and what has become of it."""

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
    """A message as a client sends it. `if_busy` says what happens when a run is active; `send` sets
    `created_by`. The default agent answers in a new conversation for which no agent was chosen. `client_data`
    is kept with the message for the client's protocol, by its name, and shown to nobody else; `writes` gives
    what is stored together with the beginning of the run. The message follows the one of its `branch`, by
    default the end of the active branch. `is_edit`: the same message once more is a new one where another
    run has been there since. `head_start` puts the run to work while it is being stored."""

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
        """True where a question that is stored already is answered once more: the content is empty then."""
        return self.branch is not None and self.branch.again

    def once_more(self, run_id: str) -> "NewMessage":
        """The same message, sent again after the run that it began is no longer the newest."""
        key = hashlib.sha256(f"{self.idempotency_key}\0{run_id}".encode()).hexdigest()
        return replace(self, idempotency_key=key)

    def marker(self) -> Marker | None:
        """The idempotency key with a fingerprint that is the same for the same request."""
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
    """A run that this process now holds and must execute, in the name of `user`. The large messages of the
    `history` are read while the run begins. `pending_live_messages`: live messages that
    an earlier run ended without may still wait. The `session` is there where the run had a head start."""

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
    """The idempotency key was used before: its run is there to follow."""

    run: Run


class AcceptedMessage(Struct, frozen=True):
    """The message went to the active run (`ifBusy: inject`)."""

    injection: Injection
    run_id: str
