"""Limits, their usage, and stops."""

from collections.abc import Mapping
from typing import Any

from millrace.api.schemas.limits import AllLimits, Stop, StopList, UsageToday
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, given
from millrace.client.operations import IO, Resource, operation

BASE = "/api/limits"
STOPS = BASE + "/stops"

Changes = Mapping[str, Any]
"""Limits by name, such as `tokensPerDay`. None removes a limit; those that are not given do not change."""


class UsageLimits(Resource[IO]):
    """`client.limits`"""

    @operation
    def get(self) -> Call[AllLimits]:
        """Read the limits of the organization, of each user and of each agent."""
        return Call(Request("GET", BASE), model(AllLimits))

    @operation
    def change(
        self,
        *,
        organization: Changes | None = None,
        user: Changes | None = None,
        agent: Changes | None = None,
    ) -> Call[AllLimits]:
        """Change the given limits, and return all limits."""
        body = given(organization=organization, user=user, agent=agent)
        return Call(Request("PATCH", BASE, body=body), model(AllLimits))

    @operation
    def usage(self, *, user_id: str | None = None, agent_id: str | None = None) -> Call[UsageToday]:
        """Read your own limits and usage, or those of others with `organization:manage`."""
        query = given(userId=user_id, agentId=agent_id)
        return Call(Request("GET", "/api/usage", query), model(UsageToday))

    @operation
    def stops(self) -> Call[StopList]:
        """List the stops, with who made them and why."""
        return Call(Request("GET", STOPS), model(StopList))

    @operation
    def stop(self, reason: str, *, agent_id: str | None = None) -> Call[Stop]:
        """End all runs of an agent, or of the organization, and refuse new ones until the stop is removed."""
        return Call(Request("POST", STOPS, body=given(agentId=agent_id, reason=reason)), model(Stop))

    @operation
    def lift(self, *, agent_id: str | None = None) -> Call[None]:
        """Remove the stop of an agent, or of the organization."""
        return Call(Request("DELETE", STOPS, given(agentId=agent_id)), nothing)
