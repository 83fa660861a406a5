"""Answers about limits, use and stops."""

from pydantic import Field

from millrace.api.schemas.base import Listing, Shape
from millrace.domain.limits import AllLimits, Level, LevelLimits, OrganizationLimits, Stop, UserLimits

__all__ = ["AllLimits", "Stop", "StopList", "UsageToday"]


class StopList(Listing[Stop]):
    """All that is stopped."""


class UsageOfLevel(Shape):
    """The limits of one level, and what was used of them since the day began."""

    level: Level
    id: str | None = Field(description="the user or the agent; null for the organization")
    limits: OrganizationLimits | UserLimits | LevelLimits = Field(description="null: not limited")
    tokens_per_day: int | None = Field(description="null: not limited")
    cost_per_day: float | None = Field(description="in US dollars; null: not limited")
    tokens: int | None = Field(description="null: not counted, since nothing is limited")
    cost: float | None = Field(description="in US dollars; null: not counted")
    runs: int | None = Field(description="under way now; null: not counted, since they are not limited")


class UsageToday(Listing[UsageOfLevel]):
    """Today's use, in UTC."""

    resets_at: str
