"""Agents: their settings, and the agents that are always available."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator

from millrace.domain.approvals import OWNER, Approvers, OnExpired, Policy
from millrace.domain.events import Detail
from millrace.domain.replacement import ManagedBy
from millrace.domain.wire import WireModel

_MODEL = re.compile(r"[a-z][a-z0-9-]{0,31}:.*", re.DOTALL)


class AgentLimits(WireModel):
    """Limits of a run. Tokens are the model's output tokens over the whole run. The cost is in US dollars,
    and limited only if the model's price is known."""

    max_iterations: int = Field(default=20, ge=1, le=200)
    max_tokens: int = Field(default=8192, ge=1, le=1_000_000)
    max_seconds: int = Field(default=600, ge=1, le=86_400)
    max_cost: float | None = Field(default=None, gt=0)


DialectName = Literal["plain", "harmony", "hermes", "mistral", "llama", "deepseek", "kimi", "minimax"]

ToolSource = Literal["builtin", "app", "agent", "mcp", "a2a"]
"""The origin of a tool; `app` is the deployment's own code."""
CODE = "code:"
"""The prefix of the model of an agent in code, followed by the agent's id."""

Starter = Annotated[str, Field(min_length=1, max_length=200)]
ToolName = Annotated[str, Field(min_length=1, max_length=140)]


class ToolUse(WireModel):
    """A tool of an agent with its approval rule. The tools of MCP servers are named as the model sees them,
    `<server>__<tool>`; listing one here only sets its rule."""

    name: ToolName
    policy: Policy = Field(
        default="auto",
        description="auto, ask, or {ask: an expression over the arguments, such as amount > 50}",
    )
    approvers: Approvers | None = Field(
        default=None, description="the people who may answer; by default the user for whom the run works"
    )
    expires: int | None = Field(
        default=None, ge=1, description="seconds to wait; by default as long as the deployment allows"
    )

    @property
    def asks(self) -> bool:
        """True if the tool may need an approval."""
        return self.policy != "auto"

    def who(self) -> Approvers:
        """Return the people who may answer."""
        return self.approvers or OWNER


HIDDEN = "[hidden]"
"""Replaces a stored secret in an answer. When sent back in a change, it keeps the secret."""
QUERY = "?"
"""The key among a stored server's headers for the query of its URL, which may be a secret."""
AGENT_BYTES = 256 * 1024
"""The maximum size of an agent as JSON, since it is one item of a table."""


class RemoteServer(WireModel):
    """A server whose tools appear as `<name>__<tool>`."""

    # When stored, the values of `headers` and the query of `url` are encrypted (`services.mcp_secrets`).

    name: str = Field(pattern=r"^[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*$", max_length=24)
    url: str = Field(max_length=2048)
    headers: dict[str, str] = Field(default_factory=dict, max_length=20)
    scope: str = Field(
        default="",
        max_length=100,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._:-]*)?$",
        description="the scope that the run's user needs for the server's tools; empty for none",
    )

    def redacted(self) -> Self:
        """Return the server for clients: with the names of its headers but not their values."""
        headers = {name: HIDDEN for name in self.headers if name != QUERY}
        base, separator, _ = self.url.partition("?")
        return self.model_copy(update={"url": f"{base}?{HIDDEN}" if separator else base, "headers": headers})


class A2aAgent(RemoteServer):
    """A remote A2A agent, by the address of its card or one above it. Its tool is `<name>__send_message`."""


class McpServer(RemoteServer):
    """An MCP server (streamable HTTP); its tools appear as `<name>__<tool>`."""

    tools: list[Annotated[str, Field(min_length=1, max_length=128)]] | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="the tools that the agent gets, by the server's own names; null: all",
    )


class AgentSettings(WireModel):
    """The settings of an agent that clients can set and change."""

    name: str = Field(min_length=1, max_length=120)
    description: str = Field(default="", max_length=1000)
    model: str = Field(default="", max_length=2048, description="provider:model; empty for the default")
    instructions: str = Field(default="", max_length=100_000)
    tools: list[ToolName | ToolUse] = Field(
        default_factory=list,
        max_length=64,
        description="names of tools, or a tool with its rule for approvals",
    )
    mcp_servers: list[McpServer] = Field(default_factory=list, max_length=8)
    a2a_agents: list[A2aAgent] = Field(
        default_factory=list,
        max_length=8,
        alias="a2aAgents",
        description="remote A2A agents that the agent may send messages to",
    )
    visibility: Detail = Field(default="full", description="the highest detail that a viewer may see")
    react: bool = Field(default=False, description="the model writes ReAct lines (Action:, Observation:)")
    dialect: DialectName | None = Field(
        default=None,
        description="the format in which the model writes thinking and tool calls into its text, if its "
        "server leaves them there; null: by the model's name",
    )
    starts_in_thinking: bool | None = Field(
        default=None,
        description="the model's text starts in thinking and only closes it; null: by the model's name",
    )
    response_schema: dict[str, Any] | None = Field(
        default=None,
        description="a JSON Schema (2020-12, 32 KB) that answers must match; done has the value as output",
    )
    thinking_tokens: int | None = Field(
        default=None,
        ge=1024,
        le=64_000,
        description="the tokens that a Claude model may think before each answer; less than limits.maxTokens",
    )
    context_tokens: int | None = Field(
        default=None,
        ge=1000,
        le=10_000_000,
        description="the context window of the model in tokens, prompt and answer together; null: by the "
        "model's name, if it is known",
    )
    accepts: list[Literal["image", "pdf"]] | None = Field(
        default=None,
        max_length=2,
        description="the attachments that the model accepts; null: by the model's name, if it is known",
    )
    compaction_model: str = Field(
        default="",
        max_length=2048,
        description="provider:model that summarizes what no longer fits into the context window; empty for "
        "the agent's own",
    )
    on_expired: OnExpired = Field(
        default="continue",
        description="if nobody answers a call in time: the agent continues without it, or the run fails",
    )
    limits: AgentLimits = Field(default_factory=AgentLimits.known)
    starters: list[Starter] = Field(
        default_factory=list,
        max_length=3,
        description="suggested first messages, shown before the conversation begins and sent as they are",
    )
    expose_a2a: bool = Field(
        default=False,
        alias="exposeA2A",
        description="whether A2A clients of the organization can find the agent and send it tasks",
    )
    managed_by: ManagedBy = ""

    @property
    def tool_uses(self) -> list[ToolUse]:
        """Every tool with its rule."""
        return [one if isinstance(one, ToolUse) else ToolUse.known(name=one) for one in self.tools]

    @property
    def tool_names(self) -> list[str]:
        """The names of the tools."""
        return [one.name for one in self.tool_uses]

    @field_validator("model", "compaction_model")
    @classmethod
    def _known_provider(cls, model: str) -> str:
        if model and not _MODEL.fullmatch(model):
            raise ValueError("must be <provider>:<model>, for example bedrock:us.amazon.nova-lite-v1:0")
        return model


class AgentSummary(WireModel):
    """An agent without instructions, tools and limits, for those who only use it."""

    id: str
    name: str
    description: str
    model: str
    visibility: Detail
    starters: list[Starter]
    builtin: bool


class AgentReplacement(AgentSettings):
    """An agent as GET returns it, with edits; `id`, `builtin`, `createdAt` and `updatedAt` are ignored."""

    id: str | None = None
    builtin: bool | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Agent(AgentSettings):
    """An agent of an organization; `builtin` ones can be neither changed nor deleted."""

    id: str
    builtin: bool = False
    created_at: str | None = None
    updated_at: str | None = None

    def redacted(self) -> "Agent":
        """Return the agent without the secrets of its MCP servers and A2A agents."""
        servers = [server.redacted() for server in self.mcp_servers]
        agents = [agent.redacted() for agent in self.a2a_agents]
        return self.model_copy(update={"mcp_servers": servers, "a2a_agents": agents})

    def summary(self) -> AgentSummary:
        """Return the agent for those who only use it."""
        return AgentSummary(**{name: getattr(self, name) for name in AgentSummary.model_fields})


DEMO = Agent.known(
    id="demo",
    name="Demo",
    description="Needs no API key: it follows rules instead of asking a language model. Ask for a sum, "
    "the time in Tokyo, a web page, or how Millrace works.",
    model="demo:",
    tools=["calculator", "current_time", "http_fetch", "search_conversations"],
    starters=[
        "What is 17.5% of 2,340?",
        "What time is it in Tokyo?",
        "How does Millrace survive a crash?",
    ],
    builtin=True,
)
ECHO = Agent.known(
    id="echo",
    name="Echo",
    description="Deterministic, for tests and load: thinks once, calls a tool, streams your text back.",
    model="echo:",
    tools=["echo_tool"],
    builtin=True,
    limits=AgentLimits.known(max_tokens=1_000_000, max_seconds=840, max_iterations=200),
)
ASSISTANT = Agent.known(
    id="assistant",
    name="Assistant",
    description="The deployment's default model with the built-in tools.",
    instructions="You are a helpful assistant. Use your tools where they help; answer briefly, in Markdown.",
    tools=["calculator", "current_time", "http_fetch", "search_conversations"],
    builtin=True,
)
CONFORMANCE = Agent.known(
    id="conformance",
    name="Conformance",
    description="Does what A2A's official conformance kit asks for by the ids of its messages.",
    model="conformance:",
    tools=["conformance_artifact", "conformance_message", "ask_user"],
    builtin=True,
)
"""Only where the deployment switches it on."""
BUILTIN_AGENTS: dict[str, Agent] = {agent.id: agent for agent in (ASSISTANT, DEMO, ECHO, CONFORMANCE)}


OWN_AGENTS: dict[str, Agent] = {}
"""The deployment's agents in code (see `millrace.agent.own`)."""


def fixed_agent(agent_id: str) -> Agent | None:
    """Return the agent with this id that every organization has and nobody can change; None if there is
    none."""
    return BUILTIN_AGENTS.get(agent_id) or OWN_AGENTS.get(agent_id)


def listed_agents(default_model: str, default_agent: str = "") -> list[Agent]:
    """Return the fixed agents that a deployment lists: first the default agent, if it is one of them, then
    the agents in code. The assistant is listed only if a model is configured."""
    has_model = not default_model.startswith(("demo:", "echo:"))
    listed = [*OWN_AGENTS.values(), *([ASSISTANT] if has_model else []), DEMO, ECHO]
    return sorted(listed, key=lambda agent: agent.id != default_agent)
