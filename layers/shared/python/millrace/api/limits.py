"""Limits, usage and stops over HTTP: FastAPI, part of the management API."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field, StringConstraints

from millrace.api.json_route import Caller, JsonRouter
from millrace.api.operation import EMPTY
from millrace.domain.ids import valid_id, valid_user
from millrace.domain.limits import AllLimits, Level, LevelLimits, OrganizationLimits, Stop, UserLimits
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest
from millrace.services.limits import ManagedLimits

AgentId = Annotated[str | None, Query(alias="agentId", description="The agent; by default the organization")]
UserId = Annotated[str | None, Query(alias="userId", description="Another user, with organization:manage")]
ShownAgent = Annotated[
    str | None, Query(alias="agentId", description="Include an agent, with organization:manage")
]


class LimitChanges(WireModel):
    """The limits to change, by level. Limits that are not named do not change; null removes one."""

    organization: OrganizationLimits | None = None
    user: UserLimits | None = None
    agent: LevelLimits | None = None

    def changes(self) -> dict[Level, dict[str, Any]]:
        """Return the given limits of each level."""
        parts: dict[Level, LevelLimits | None] = {
            "organization": self.organization,
            "user": self.user,
            "agent": self.agent,
        }
        return {level: part.model_dump(exclude_unset=True) for level, part in parts.items() if part}


class NewStop(WireModel):
    """The body of a request that stops an agent or, without `agentId`, the whole organization."""

    agent_id: str | None = Field(default=None, max_length=128)
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def limits_router(limits: ManagedLimits) -> JsonRouter:
    """Return the router of `/api/limits` and `/api/usage`."""
    router = JsonRouter("/api")

    @router.operation(
        "GET",
        "/limits",
        "Read the limits of the organization",
        "organization:manage",
        answers={200: "AllLimits"},
    )
    async def get_limits(caller: Caller) -> AllLimits:
        return (await limits.read(caller)).limits

    @router.operation(
        "PATCH",
        "/limits",
        "Change the given limits; null removes a limit",
        "organization:manage",
        answers={200: "AllLimits"},
        body=LimitChanges,
    )
    async def change_limits(caller: Caller, given: LimitChanges) -> AllLimits:
        return await limits.change(caller, given.changes())

    @router.operation(
        "GET",
        "/limits/stops",
        "List the stops of agents and of the organization",
        "observe",
        answers={200: "StopList"},
    )
    async def list_stops(caller: Caller) -> dict[str, Any]:
        return {"items": [one.to_wire() for one in (await limits.read(caller)).stops]}

    @router.operation(
        "POST",
        "/limits/stops",
        "Stop all runs of an agent, or of the organization, and refuse new ones until the stop is removed",
        "conversations:manage",
        answers={201: "Stop"},
        errors=("invalid_id", "too_many_stops"),
        body=NewStop,
    )
    async def create_stop(caller: Caller, given: NewStop) -> Stop:
        return await limits.stop(caller, _agent(given.agent_id), given.reason)

    @router.operation(
        "DELETE",
        "/limits/stops",
        "Remove the stop of an agent, or of the organization",
        "conversations:manage",
        answers={204: EMPTY},
        errors=("invalid_id", "stop_not_found"),
    )
    async def lift_stop(caller: Caller, agent_id: AgentId = None) -> None:
        await limits.lift(caller, _agent(agent_id))

    @router.operation(
        "GET",
        "/usage",
        "Read your own limits and usage; with organization:manage, those of others",
        "chat",
        answers={200: "UsageToday"},
        errors=("invalid_id", "invalid_query"),
    )
    async def get_usage(
        caller: Caller,
        user_id: UserId = None,
        agent_id: ShownAgent = None,
    ) -> dict[str, Any]:
        user = user_id or caller.id
        if not valid_user(user):
            raise InvalidRequest("userId must name a user.", code="invalid_query")
        if user != caller.id or agent_id:
            caller.require("organization:manage")
        return await limits.usage(caller, user, _agent(agent_id))

    return router


def _agent(agent_id: str | None) -> str | None:
    """Return the id of an agent. Raises `InvalidRequest` if the text cannot be one."""
    if agent_id and not valid_id(agent_id):
        raise InvalidRequest("agentId must name an agent.", code="invalid_id")
    return agent_id or None
