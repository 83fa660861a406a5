"""Answers about limits, usage and stops."""

from pydantic import Field

from millrace.api.schemas.base import Listing, Shape
from millrace.domain.limits import AllLimits, Level, LevelLimits, OrganizationLimits, Stop, UserLimits

__all__ = ["AllLimits", "Stop", "StopList", "UsageToday"]


class StopList(Listing[Stop]):
    """Everything that is stopped."""


class UsageOfLevel(Shape):
    """The limits of one level, and their usage since the beginning of the day."""

    level: Level
    id: str | None = Field(description="the user or the agent; null for the organization")
    limits: OrganizationLimits | UserLimits | LevelLimits = Field(description="null: not limited")
    tokens_per_day: int | None = Field(description="null: not limited")
    cost_per_day: float | None = Field(description="in US dollars; null: not limited")
    tokens: int | None = Field(description="null: not counted, since nothing is limited")
    cost: float | None = Field(description="in US dollars; null: not counted")
    runs: int | None = Field(description="currently active; null: not counted, since they are not limited")


class UsageToday(Listing[UsageOfLevel]):
    """Today's usage, in UTC."""

    resets_at: str
