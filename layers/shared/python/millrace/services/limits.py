"""Limits and stops of an organization: read and change them, and read the usage."""

import asyncio
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import Clock, iso
from millrace.domain.limits import LEVELS, MICRO, AllLimits, Control, Level, Standing, Stop, next_day
from millrace.errors import Conflict, NotFound
from millrace.stores.limits import LimitStore

MOST_STOPS = 100


class ManagedLimits:
    """Operations on limits, for callers that the API has authorized."""

    def __init__(self, store: LimitStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def read(self, caller: Principal) -> Control:
        """Return the current limits and stops."""
        return await self._store.read_control(caller.organization)

    async def change(self, caller: Principal, changes: dict[Level, dict[str, Any]]) -> AllLimits:
        """Change the given limits; null removes one."""

        def changed(seen: Control) -> Control:
            limits = seen.limits
            for level, more in changes.items():
                limits = limits.model_copy(update={level: limits.of(level).model_copy(update=more)})
            begins = any(_counts(limits, level) and not _counts(seen.limits, level) for level in LEVELS)
            since = seen.version + 1 if begins else seen.counting_since
            return seen.model_copy(update={"limits": limits, "counting_since": since})

        return (await self._store.change(caller.organization, changed)).limits

    async def stop(self, caller: Principal, agent_id: str | None, reason: str) -> Stop:
        """Stop an agent, or the whole organization. A repeated stop keeps the first one."""
        made = Stop(agent_id=agent_id, reason=reason, created_by=caller.id, created_at=iso(self._clock()))

        def stopped(seen: Control) -> Control:
            if any(one.agent_id == agent_id for one in seen.stops):
                return seen
            if len(seen.stops) >= MOST_STOPS:
                raise Conflict(
                    f"There are already {MOST_STOPS} stops, which is the maximum; remove one.",
                    code="too_many_stops",
                )
            return seen.model_copy(update={"stops": (*seen.stops, made)})

        control = await self._store.change(caller.organization, stopped)
        return next(one for one in control.stops if one.agent_id == agent_id)

    async def lift(self, caller: Principal, agent_id: str | None) -> None:
        """Let an agent, or the organization, run again. Raises `NotFound`."""

        def lifted(seen: Control) -> Control:
            left = tuple(one for one in seen.stops if one.agent_id != agent_id)
            if len(left) == len(seen.stops):
                raise NotFound("There is no such stop.", code="stop_not_found")
            return seen.model_copy(update={"stops": left})

        await self._store.change(caller.organization, lifted)

    async def usage(self, caller: Principal, user_id: str, agent_id: str | None) -> dict[str, Any]:
        """Return the limits and today's usage at the levels that the caller may see.

        Usage that is not limited is not counted, so it is unknown.
        """
        whole = caller.may("organization:manage")
        keys: dict[Level, str] = {"user": user_id}
        if whole:
            keys["organization"] = ""
            if agent_id:
                keys["agent"] = agent_id
        standing, runs = await asyncio.gather(
            self._store.standing(caller.organization, keys), self._store.under_way(caller.organization, keys)
        )
        rows = [_row(level, keys[level], standing, runs.get(level)) for level in keys]
        return {"items": rows, "resetsAt": iso(next_day(self._clock()))}


def _counts(limits: AllLimits, level: Level) -> bool:
    return limits.conversations(level) is not None


def _row(level: Level, id: str, standing: Standing, runs: int | None) -> dict[str, Any]:
    limits, used = standing.control.limits.of(level), standing.used.get(level)
    return {
        "level": level,
        "id": id or None,
        "limits": limits.to_wire(),
        "tokensPerDay": limits.tokens_per_day,
        "costPerDay": limits.cost_per_day,
        "tokens": used.tokens if used else None,
        "cost": used.cost / MICRO if used else None,
        "runs": (runs or 0) if limits.concurrent_runs is not None else None,
    }
