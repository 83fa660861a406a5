"""The definition of a run: what another process needs to continue it, as it was when the run began."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import asdict

from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.content import Attachment

Kind = Literal["agent", "flow"]
STEP = "step:"
"""Begins the name of the work of an agent for a step of a flow; no id of a call has a colon."""
DEEPEST = 3
"""Agents may ask agents that ask agents, and no deeper."""


class ClientTool(Struct, frozen=True):
    """A tool that the client of a run gave, and runs itself; `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]


class EarlierMessage(Struct, frozen=True):
    """A message that was said elsewhere before: a client that keeps its own history sends all of it."""

    role: Literal["user", "assistant"]
    content: list[dict[str, Any]]
    attached: Sequence[Attachment] = ()


class RunDefinition(Struct, frozen=True):
    """The agent as it was defined when the run began (secrets of its MCP servers encrypted, as they are
    stored), and the user in whose name it works: an edit, a deploy or a new role changes no run in
    mid-flight. `first` is the position of the message that began the run. `work` is what else runs of this
    `kind` need, as a JSON object, `client_tools` the tools that came with the message."""

    kind: Kind
    agent: Agent
    user: Principal
    first: int = 1
    work: dict[str, Any] = field(default_factory=dict)
    client_tools: Sequence[ClientTool] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON object that is stored."""
        user = self.user
        return {
            "kind": self.kind,
            "agent": self.agent.to_wire(),
            "user": {
                "organization": user.organization,
                "id": user.id,
                "scopes": sorted(user.scopes),
                "roles": sorted(user.roles),
                "claims": dict(user.claims),
            },
            "first": self.first,
            "work": self.work,
            "clientTools": [asdict(one) for one in self.client_tools],
        }

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "RunDefinition":
        """The definition that a JSON object holds."""
        user = stored["user"]
        principal = Principal(
            user["organization"],
            user["id"],
            frozenset(user["scopes"]),
            frozenset(user["roles"]),
            user["claims"],
        )
        agent = Agent.model_validate(stored["agent"])
        tools = tuple(ClientTool(**one) for one in stored.get("clientTools", ()))
        return cls(stored["kind"], agent, principal, stored["first"], stored["work"], tools)
