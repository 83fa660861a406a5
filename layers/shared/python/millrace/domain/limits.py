"""Limits of a day for an organization, each of its users and each of its agents; and stops of agents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from millrace.domain.clock import iso
from millrace.domain.wire import WireModel
from millrace.errors import Forbidden, TooManyRequests

DAY_MS = 24 * 3600 * 1000
MICRO = 1_000_000
Level = Literal["organization", "user", "agent"]
Name = Literal["tokensPerDay", "costPerDay"]


class LevelLimits(WireModel):
    """The most of a day, in UTC; null is no limit. The cost is in US dollars."""

    tokens_per_day: Annotated[int, Field(strict=True, ge=0, le=10**15)] | None = None
    cost_per_day: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None

    @property
    def any(self) -> bool:
        """True where something is limited."""
        return self.tokens_per_day is not None or self.cost_per_day is not None


class DailyLimits(WireModel):
    """The limits of an organization: of all that it does, of each user, and of each agent."""

    organization: LevelLimits = LevelLimits()
    user: LevelLimits = LevelLimits()
    agent: LevelLimits = LevelLimits()

    def of(self, level: Level) -> LevelLimits:
        """The limits of a level."""
        found: LevelLimits = getattr(self, level)
        return found


class Stop(WireModel):
    """A stop: nothing of the agent, or of the organization without an `agentId`, runs until it is lifted."""

    agent_id: str | None
    reason: str
    created_by: str
    created_at: str


class Control(WireModel):
    """All that holds up runs of an organization. `version` counts its changes."""

    version: int = 0
    limits: DailyLimits = DailyLimits()
    stops: tuple[Stop, ...] = ()

    def stop_of(self, agent_id: str) -> Stop | None:
        """Return the stop that holds up an agent."""
        return next((one for one in self.stops if one.agent_id in (None, agent_id)), None)

    def check(self, agent_id: str) -> None:
        """Raises `Forbidden` for an agent that is stopped."""
        if stop := self.stop_of(agent_id):
            what = "All agents of the organization are" if stop.agent_id is None else "The agent is"
            raise Forbidden(f"{what} stopped: {stop.reason}", code="agent_stopped", agentId=stop.agent_id)


@dataclass(frozen=True, slots=True)
class Used:
    """The use of a day's limits; `cost` in millionths of a US dollar."""

    tokens: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that is reached. `limit` and `used` in tokens or US dollars."""

    level: Level
    name: Name
    limit: float
    used: float

    @property
    def finish_reason(self) -> str:
        """The finish reason of a run that ends at this limit."""
        return "max_cost" if self.name == "costPerDay" else "max_tokens"

    def describe(self) -> str:
        """Say which limit it is."""
        whose = {"organization": "organization", "user": "user", "agent": "agent"}[self.level]
        return f"The {whose}'s limit {self.name} of {self.limit:g} is reached ({self.used:g} used)."


@dataclass(frozen=True, slots=True)
class Standing:
    """A caller's standing: the limits, and the use of each level today (absent: not counted)."""

    control: Control
    used: Mapping[Level, Used] = field(default_factory=dict)

    def reached(self) -> Reached | None:
        """Return the first limit that is reached."""
        for level, used in self.used.items():
            limits = self.control.limits.of(level)
            if limits.tokens_per_day is not None and used.tokens >= limits.tokens_per_day:
                return Reached(level, "tokensPerDay", limits.tokens_per_day, used.tokens)
            if limits.cost_per_day is not None and used.cost >= limits.cost_per_day * MICRO:
                return Reached(level, "costPerDay", limits.cost_per_day, used.cost / MICRO)
        return None

    def check(self, agent_id: str, now: int) -> None:
        """Raises `Forbidden` for an agent that is stopped, `TooManyRequests` where a limit is reached."""
        self.control.check(agent_id)
        if found := self.reached():
            raise TooManyRequests(
                f"{found.describe()} It begins anew at {iso(next_day(now))}.",
                code="limit_reached",
                retry_after=(next_day(now) - now) / 1000,
                level=found.level,
                limit=found.name,
                limitValue=found.limit,
                used=found.used,
            )


def day_of(now: int) -> str:
    """Return the day of a moment, in UTC."""
    return iso(now)[:10]


def next_day(now: int) -> int:
    """Return the beginning of the day after a moment, in UTC."""
    return (now // DAY_MS + 1) * DAY_MS
