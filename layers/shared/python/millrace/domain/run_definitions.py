"""The definition of a run: what another process needs to continue it, as it was when the run started."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import asdict

from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.content import Attachment

Kind = Literal["agent", "flow"]
STEP = "step:"
"""The prefix of the name of an agent's work for a step of a flow; no id of a call contains a colon."""
DEEPEST = 3
"""The maximum depth to which agents may ask agents that ask agents."""


class ClientTool(Struct, frozen=True):
    """A tool that the client of a run provides and runs itself. `parameters` is a JSON Schema of type
    object."""

    name: str
    description: str
    parameters: dict[str, Any]


class EarlierMessage(Struct, frozen=True):
    """A message from before the conversation, sent by a client that keeps its own history."""

    role: Literal["user", "assistant"]
    content: list[dict[str, Any]]
    attached: Sequence[Attachment] = ()


class RunDefinition(Struct, frozen=True):
    """The agent as it was defined when the run started (with the secrets of its MCP servers encrypted, as
    they are stored), and the user for whom it works, so that an edit, a deployment or a new role does not
    change an active run.

    `first` is the position of the message that started the run. `work` is what runs of this `kind` need in
    addition, as a JSON object. `client_tools` are the tools that came with the message.
    """

    kind: Kind
    agent: Agent
    user: Principal
    first: int = 1
    work: dict[str, Any] = field(default_factory=dict)
    client_tools: Sequence[ClientTool] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that is stored."""
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
        """Return the definition in a stored JSON object."""
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
