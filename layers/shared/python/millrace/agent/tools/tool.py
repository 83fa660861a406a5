"""The tool interface: a name, a schema for the model, and a function that runs in the context of a run."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct
from msgspec.structs import force_setattr

from millrace.agent.emitter import emit
from millrace.agent.model import ToolSpec
from millrace.agent.said import OF_TOOLS, checked
from millrace.domain.access import Principal
from millrace.domain.agents import ToolUse
from millrace.domain.events import Event
from millrace.domain.memories import Memory
from millrace.settings import Settings

if TYPE_CHECKING:
    import httpx

    from millrace.agent.code.values import Values

SUMMARY_LIMIT = 120

Repeat = Literal["safe", "never"]
"""Says whether a call that had started when its process died may run again: `safe` if it only reads, or if
its service recognizes it by `ToolContext.idempotency_key`."""


class SearchHit(Struct, frozen=True):
    """A message that a search of the organization's conversations found; `created_at` is ISO 8601."""

    conversation_id: str
    created_at: str
    role: str
    text: str


SearchConversations = Callable[[str, int], Awaitable[Sequence[SearchHit]]]
"""Searches the conversations that the run's user may read, given a query and the maximum number of hits."""


class Memories(Protocol):
    """The memories that an agent keeps about the user for whom it works."""

    async def remember(self, agent_id: str, text: str, id: str) -> Memory:
        """Store a memory, replacing the one with this id. Without an id, one is generated."""
        ...

    async def recall(self, agent_id: str, query: str, limit: int) -> Sequence[Memory]:
        """Return the memories that match a query best, or the latest."""
        ...

    async def forget(self, agent_id: str, id: str) -> bool:
        """Delete a memory; return False if it does not exist."""
        ...


class Secrets(Protocol):
    """The secrets that the functions may read in AWS Secrets Manager, by name or ARN. Values are cached for
    five minutes."""

    def text(self, name: str) -> str:
        """Return a secret's text. Blocks; for functions that run in a thread."""
        ...

    async def read(self, name: str) -> str:
        """Return a secret's text."""
        ...


log = logging.getLogger("millrace.app")
"""The log of tools and agents of a deployment's own; its lines name the run."""


class ToolContext(Struct, frozen=True):
    """The run for which a tool works, filled in by the service that starts the run.

    `user` is the user who started the run, with id, claims, roles and scopes; sub-agents work for the same
    user. `http` returns the process's guarded client (`millrace.net.client`); without it, a tool creates its
    own. `call_id` is the id of the call and `tool` its name, set by the toolbox; the id stays the same if the
    call runs again after its process died. `secrets` reads the deployment's secrets. `values` are those that
    agents in code keep.
    """

    organization: str
    conversation_id: str
    run_id: str
    agent_id: str
    settings: Settings
    user: Principal
    search_conversations: SearchConversations | None = None
    memories: Memories | None = None
    http: "Callable[[], httpx.AsyncClient] | None" = None
    call_id: str = ""
    tool: str = ""
    secrets: Secrets | None = None
    values: "Values | None" = None

    @property
    def log(self) -> logging.Logger:
        """A logger for tools, whose lines name the organization, the conversation and the run."""
        return log

    def emit(self, event: Event) -> None:
        """Show a `status` or a `thought` to users while the tool works; may be called from any thread. Raises
        `TypeError` for other events."""
        emit(checked(event, OF_TOOLS))

    @property
    def idempotency_key(self) -> str:
        """A key for services that ignore repeated requests: unique to the call, and the same when it runs
        again."""
        return f"{self.run_id}.{self.call_id}"


class ToolResult(Struct, frozen=True):
    """The result of a tool call.

    `text` is for the model, `summary` one line for users (at most 120 characters). The toolbox cuts `text`,
    keeping the complete text in `full`, which is empty otherwise, and sets `duration_ms`.
    """

    ok: bool
    text: str
    summary: str
    full: str = ""
    duration_ms: int = 0

    def __post_init__(self) -> None:
        force_setattr(self, "summary", one_line(self.summary))


class Tool(Struct, frozen=True):
    """A tool that an agent may call. `parameters` is a JSON Schema of type object.

    `run` receives the model's arguments unchecked. It raises `InvalidRequest` for wrong ones, and any other
    exception for a failure, whose message the model reads. If the tool has a `scope`, it runs only for users
    who have it; the toolbox refuses others before `run`. `repeat` says whether a call may run again if its
    outcome is unknown. A `client` tool is run by the client, and the run waits for its result. A tool that is
    not `timed` may take as long as its run. `rule` is the tool's own approval rule, for agents that have none
    for it.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    run: Callable[[dict[str, Any], ToolContext], Awaitable[ToolResult]]
    scope: str = ""
    repeat: Repeat = "never"
    client: bool = False
    timed: bool = True
    rule: ToolUse | None = None

    def spec(self) -> ToolSpec:
        """Return the tool as the model sees it."""
        return ToolSpec(self.name, self.description, self.parameters, self.client)


def one_line(text: str, limit: int = SUMMARY_LIMIT) -> str:
    """Return the text on one line, cut to `limit` characters."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
