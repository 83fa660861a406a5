"""Limits of an organization, of each of its users and of each of its agents; and stops of agents."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from msgspec import Struct, field
from pydantic import Field

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.token_bucket import Rate
from millrace.domain.wire import WireModel
from millrace.errors import Forbidden, TooManyRequests, Unauthenticated

DAY_MS = 24 * 3600 * 1000
MICRO = 1_000_000
Level = Literal["organization", "user", "agent"]
Name = Literal[
    "tokensPerDay",
    "costPerDay",
    "requestsPerMinute",
    "concurrentRuns",
    "agents",
    "conversations",
    "secrets",
    "storageBytes",
]
MOST_CONCURRENT = 1000
SOON_SECONDS = 2
"""The seconds after which a caller may retry if too many runs are active."""
LATER_SECONDS = 3600
"""The seconds after which a caller may retry if something must be deleted first."""
_Count = Annotated[int, Field(strict=True, ge=0, le=10**9)]


class LevelLimits(WireModel):
    """The limits of a level; null is no limit. Days are in UTC, the cost is in US dollars."""

    tokens_per_day: Annotated[int, Field(strict=True, ge=0, le=10**15)] | None = None
    cost_per_day: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    requests_per_minute: Annotated[int, Field(strict=True, ge=1, le=60_000)] | None = None
    concurrent_runs: Annotated[int, Field(strict=True, ge=1, le=MOST_CONCURRENT)] | None = None

    @property
    def any(self) -> bool:
        """True if a limit is set for which runs must be counted."""
        return self.daily or self.requests_per_minute is not None or self.concurrent_runs is not None

    @property
    def daily(self) -> bool:
        """True if a limit per day is set."""
        return self.tokens_per_day is not None or self.cost_per_day is not None

    @property
    def rate(self) -> Rate | None:
        """The limit of requests as a bucket for a minute; None without a limit."""
        if self.requests_per_minute is None:
            return None
        return Rate(self.requests_per_minute / 60, self.requests_per_minute)


class UserLimits(LevelLimits):
    """The limits of each user."""

    conversations: _Count | None = None
    storage_bytes: Annotated[int, Field(strict=True, ge=0, le=10**15)] | None = None


class OrganizationLimits(UserLimits):
    """The limits of the whole organization."""

    agents: _Count | None = None
    secrets: _Count | None = None


class AllLimits(WireModel):
    """The limits of an organization: in total, for each user, and for each agent."""

    organization: OrganizationLimits = OrganizationLimits.known()
    user: UserLimits = UserLimits.known()
    agent: LevelLimits = LevelLimits.known()

    def of(self, level: Level) -> LevelLimits:
        """Return the limits of a level."""
        found: LevelLimits = getattr(self, level)
        return found

    def conversations(self, level: Level) -> int | None:
        """Return the maximum number of conversations at a level."""
        found = self.of(level)
        return found.conversations if isinstance(found, UserLimits) else None

    def over(self, defaults: "AllLimits") -> "AllLimits":
        """Return these limits, with the defaults for those that are not set."""
        parts: dict[str, Any] = {level: self._filled(level, defaults) for level in LEVELS}
        return self.model_copy(update=parts)

    def _filled(self, level: Level, defaults: "AllLimits") -> LevelLimits:
        # Not `model_dump`, for which pydantic would have to build the models: most organizations set no
        # limit.
        own = {name: value for name, value in self.of(level) if value is not None}
        return defaults.of(level).model_copy(update=own)


LEVELS: tuple[Level, ...] = get_args(Level)


def default_limits(text: str) -> AllLimits:
    """Return the deployment's limits for every organization, written `level.limit=number level.limit=number`.
    Raises `ValueError`."""
    found: dict[str, dict[str, float]] = {level: {} for level in LEVELS}
    for entry in text.split():
        name, equals, number = entry.partition("=")
        level, dot, limit = name.partition(".")
        if not (equals and dot and level in found) or not _NUMBER.fullmatch(number):
            raise ValueError(f"DEFAULT_LIMITS must be level.limit=number ...; {entry!r} is not.")
        found[level][limit] = float(number) if "." in number else int(number)
    return AllLimits.model_validate(found) if text else AllLimits.known()


_NUMBER = re.compile(r"[0-9]{1,15}([.][0-9]{1,6})?")


class Stop(WireModel):
    """A stop: nothing of the agent or, without `agentId`, of the organization runs until it is removed."""

    agent_id: str | None
    reason: str
    created_by: str
    created_at: str


class Revocation(WireModel):
    """A revocation of the tokens of a user or, without `userId`, of everybody, that were issued before a
    time."""

    user_id: str | None
    not_before: int
    created_by: str
    created_at: str


class Control(WireModel):
    """Everything that restricts the runs of an organization.

    `version` counts changes; conversations are counted since the version that set their limit. While it is
    `erasing`, nobody is admitted. Conversations without activity for `conversation_days` are deleted.
    """

    version: int = 0
    counting_since: int = 0
    limits: AllLimits = AllLimits.known()
    stops: tuple[Stop, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    erasing: bool = False
    conversation_days: int | None = None

    def stop_of(self, agent_id: str) -> Stop | None:
        """Return the stop that applies to an agent."""
        return next((one for one in self.stops if one.agent_id in (None, agent_id)), None)

    def check_caller(self, caller: Principal) -> None:
        """Raise `Forbidden` while the organization is being erased, `Unauthenticated` for a revoked token."""
        if self.erasing:
            raise Forbidden("The organization is being erased.", code="organization_erased")
        self.check_token(caller)

    def check_token(self, caller: Principal) -> None:
        """Raise `Unauthenticated` if the caller's token was revoked."""
        if caller.issued_ms is None:
            return
        for one in self.revocations:
            if one.user_id in (None, caller.id) and caller.issued_ms < one.not_before:
                raise Unauthenticated("The token was revoked; sign in again.", code="token_revoked")

    def check(self, agent_id: str) -> None:
        """Raise `Forbidden` if the agent is stopped."""
        if stop := self.stop_of(agent_id):
            what = "All agents of the organization are" if stop.agent_id is None else "The agent is"
            raise Forbidden(f"{what} stopped: {stop.reason}", code="agent_stopped", agentId=stop.agent_id)


class Used(Struct, frozen=True):
    """The usage on a day; `cost` is in millionths of a US dollar."""

    tokens: int = 0
    cost: int = 0


class Reached(Struct, frozen=True):
    """A limit that is reached. `limit` and `used` are in its unit; `retry_after` is in seconds, for limits
    per day until the next day."""

    level: Level
    name: Name
    limit: float
    used: float
    retry_after: float | None = None

    @property
    def finish_reason(self) -> str:
        """The finish reason of a run that ends because of this limit."""
        return "max_cost" if self.name == "costPerDay" else "max_tokens"

    def describe(self) -> str:
        """Return a description of the limit."""
        return f"The {self.level}'s limit {self.name} of {self.limit:g} is reached ({self.used:g} used)."

    def error(self, now: int) -> TooManyRequests:
        """Return the error for a caller at the limit."""
        return TooManyRequests(
            f"{self.describe()} {self._advice(now)}",
            code="limit_reached",
            retry_after=(next_day(now) - now) / 1000 if self.retry_after is None else self.retry_after,
            level=self.level,
            limit=self.name,
            limitValue=self.limit,
            used=self.used,
        )

    def _advice(self, now: int) -> str:
        if self.retry_after is None:
            return f"It starts again at {iso(next_day(now))}."
        if self.retry_after >= LATER_SECONDS:
            return "Delete some that are no longer needed, or ask an admin to raise the limit."
        return "Try again later."


def check_count(name: Name, limit: int | None, used: int, level: Level = "organization") -> None:
    """Raise `TooManyRequests` if the maximum number of something exists."""
    if limit is not None and used >= limit:
        raise Reached(level, name, limit, used, LATER_SECONDS).error(0)


class Standing(Struct, frozen=True):
    """The limits and usage that apply to a caller: the usage of each level today (absent: not counted), and
    the limit of requests or runs that has refused this one."""

    control: Control
    used: Mapping[Level, Used] = field(default_factory=dict)
    refused: Reached | None = None

    def reached(self) -> Reached | None:
        """Return the first limit per day that is reached."""
        for level, used in self.used.items():
            limits = self.control.limits.of(level)
            if limits.tokens_per_day is not None and used.tokens >= limits.tokens_per_day:
                return Reached(level, "tokensPerDay", limits.tokens_per_day, used.tokens)
            if limits.cost_per_day is not None and used.cost >= limits.cost_per_day * MICRO:
                return Reached(level, "costPerDay", limits.cost_per_day, used.cost / MICRO)
        return None

    def check(self, agent_id: str, now: int, *, replaces: bool = False) -> None:
        """Raise `Forbidden` if the agent is stopped, `TooManyRequests` if a limit is reached. A run that
        `replaces` another one is not refused because of active runs."""
        self.control.check(agent_id)
        refused = self.refused
        if refused and replaces and refused.name == "concurrentRuns":
            refused = None
        if found := self.reached() or refused:
            raise found.error(now)


def day_of(now: int) -> str:
    """Return the day of a moment, in UTC."""
    return iso(now)[:10]


def next_day(now: int) -> int:
    """Return the beginning of the next day, in UTC."""
    return (now // DAY_MS + 1) * DAY_MS
