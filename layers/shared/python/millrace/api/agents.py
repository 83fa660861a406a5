"""Agents over HTTP: FastAPI, part of the management API."""

from typing import Annotated, Any

from fastapi import Body, Query, Response
from pydantic import Field, ValidationError

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.endpoint import invalid
from millrace.api.json_route import Caller, JsonRouter, Options, UnchangedSince
from millrace.api.operation import EMPTY, Answer, any_of
from millrace.api.schemas.agents import AgentPage, AgentToolEntry, AgentToolPage, LeftOutTools
from millrace.domain.access import Principal
from millrace.domain.agents import Agent, AgentReplacement, AgentSettings, AgentSummary
from millrace.services.agents import Agents
from millrace.services.runs.agent_tools import AgentTools
from millrace.services.search import LONGEST_QUERY

SEES = any_of("chat", "agents:read", "agents:write")
"""The caller may see that an agent exists with any of these scopes."""
NOT_FOUND = ("agent_not_found",)
SETTINGS_ERRORS = (
    "agent_too_large",
    "cannot_think",
    "invalid_id",
    "invalid_schema",
    "invalid_tools",
    "not_configured",
    "thinking_too_long",
    "unknown_tool",
)


class NewAgent(AgentSettings):
    """The body of a request that creates an agent. Without an id, one is generated."""

    id: str | None = Field(default=None, max_length=128)


def _tool_page(found: AgentTools) -> AgentToolPage:
    return AgentToolPage(
        items=[
            AgentToolEntry(
                name=one.name,
                description=one.description,
                parameters=one.parameters,
                source=source,
                server=one.name.partition("__")[0] if source in ("mcp", "a2a") else None,
            )
            for source, one in found.sources
        ],
        left_out=[LeftOutTools(server=a.server, reason=a.reason, names=a.names) for a in found.left_out],
        problems=found.problems,
    )


def _view(agent: Agent, caller: Principal) -> Agent | AgentSummary:
    """Return the agent, or only its summary: instructions, tools and server addresses are not for every
    user."""
    return agent.redacted() if caller.may("agents:read") or caller.may("agents:write") else agent.summary()


def agents_router(agents: Agents) -> JsonRouter:
    """Return the router of `/api/agents`."""
    router = JsonRouter("/api/agents")

    @router.operation(
        "GET",
        "",
        "List agents, the built-in ones first; without agents:read, as summaries",
        SEES,
        answers={200: "AgentPage"},
    )
    async def list_agents(
        caller: Caller,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: str | None = None,
        q: Annotated[str, Query(max_length=LONGEST_QUERY, description="words of the name or id")] = "",
    ) -> AgentPage:
        after = from_cursor(cursor, "id") or {"id": ""}
        found, more = await agents.page(caller, after["id"], limit, q)
        return AgentPage(
            items=[_view(agent, caller) for agent in found],
            next_cursor=to_cursor({"id": more}) if more else None,
        )

    @router.operation(
        "POST",
        "",
        "Create an agent",
        "agents:write",
        answers={201: Answer("Agent", headers=("location",))},
        errors=("agent_exists", "limit_reached", *SETTINGS_ERRORS),
        body=NewAgent,
    )
    async def create_agent(caller: Caller, given: NewAgent, response: Response) -> Agent:
        settings = AgentSettings(**{name: getattr(given, name) for name in AgentSettings.model_fields})
        made = await agents.create(caller, settings, given.id)
        response.headers["location"] = f"/api/agents/{made.id}"
        return made.redacted()

    @router.operation(
        "GET",
        "/{agent_id}",
        "Read an agent; without agents:read, as a summary",
        SEES,
        answers={200: "AgentView"},
        errors=NOT_FOUND,
    )
    async def get_agent(caller: Caller, agent_id: str) -> Agent | AgentSummary:
        return _view(await agents.get(caller, agent_id), caller)

    @router.operation(
        "GET",
        "/{agent_id}/tools",
        "List the tools that an agent has now, including those of its MCP servers",
        "agents:write",
        answers={200: "AgentToolPage"},
        errors=NOT_FOUND,
    )
    async def list_tools(caller: Caller, agent_id: str) -> AgentToolPage:
        return _tool_page(await agents.tools(caller, agent_id))

    @router.operation(
        "PUT",
        "/{agent_id}",
        "Replace an agent, or create it",
        "agents:write",
        answers={200: "Agent", 201: "Agent"},
        errors=(
            *NOT_FOUND,
            "agent_builtin",
            "agent_exists",
            "changed",
            "id_mismatch",
            "limit_reached",
            *SETTINGS_ERRORS,
        ),
        body=AgentReplacement,
    )
    async def put_agent(
        caller: Caller, agent_id: str, given: AgentReplacement, options: Options, response: Response
    ) -> Agent:
        made, is_new = await agents.put(caller, agent_id, given, options)
        response.status_code = 201 if is_new else 200
        return made.redacted()

    @router.operation(
        "PATCH",
        "/{agent_id}",
        "Change the given fields of an agent",
        "agents:write",
        answers={200: "Agent"},
        errors=(*NOT_FOUND, "agent_builtin", "changed", *SETTINGS_ERRORS),
        body="AgentChanges",
    )
    async def change_agent(
        caller: Caller, agent_id: str, changes: Annotated[dict[str, Any], Body()]
    ) -> Agent:
        try:
            return (await agents.change(caller, agent_id, changes)).redacted()
        except ValidationError as error:
            raise invalid(error) from error

    @router.operation(
        "DELETE",
        "/{agent_id}",
        "Delete an agent; its conversations are kept",
        "agents:write",
        answers={204: EMPTY},
        errors=(*NOT_FOUND, "agent_builtin", "changed"),
    )
    async def delete_agent(caller: Caller, agent_id: str, unchanged_since: UnchangedSince = None) -> None:
        await agents.delete(caller, agent_id, unchanged_since)

    return router
