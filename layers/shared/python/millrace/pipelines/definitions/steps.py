"""The transforms of a definition as users write them."""

from math import gcd
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from typing_extensions import TypeAliasType

from millrace.pipelines.definitions.conditions import ConditionTree
from millrace.pipelines.definitions.model import ExpressionText, FieldPath, Milliseconds, Model, Name, OnError
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.expressions.values import check_depth
from millrace.pipelines.limits import (
    AGGREGATIONS,
    DEPTH,
    GROUP_FIELDS,
    MAP_FIELDS,
    PANES_PER_WINDOW,
    WINDOWS_PER_EVENT,
)

AggregateFunction = Literal[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "first",
    "last",
    "stddev",
    "countDistinct",
    "percentile",
    "p50",
    "p90",
    "p95",
    "p99",
]


class Aggregation(Model):
    """`alias` names the result. The default is `sum_cost` and the like (`count` for `*`)."""

    field: FieldPath = "*"
    function: AggregateFunction
    alias: Name | None = None
    p: Annotated[float, Field(ge=0, le=100)] | None = None

    @model_validator(mode="after")
    def _arguments_fit(self) -> "Aggregation":
        if self.field == "*" and self.function != "count":
            raise ValueError(f"`{self.function}` needs a field; only `count` accepts `*`.")
        if (self.function == "percentile") != (self.p is not None):
            raise ValueError("`p` (0 to 100) is required for `percentile`, and not allowed otherwise.")
        return self

    @property
    def name(self) -> str:
        if self.alias:
            return self.alias
        return "count" if self.field == "*" else f"{self.function}_{self.field}"


GroupBy = Annotated[list[FieldPath], Field(max_length=GROUP_FIELDS)]
Aggregations = Annotated[list[Aggregation], Field(max_length=AGGREGATIONS)]


def _check_names(aggregations: list[Aggregation]) -> None:
    names = [aggregation.name for aggregation in aggregations]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Two aggregations are named {', '.join(twice)}: give each its own `alias`.")


class AggregateConfig(Model):
    group_by: GroupBy = Field(default_factory=list)
    aggregations: Annotated[Aggregations, Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> "AggregateConfig":
        _check_names(self.aggregations)
        return self


class WindowConfig(Model):
    """Times in milliseconds. Without `aggregations`, an `aggregate` step has to follow."""

    type: Literal["tumbling", "sliding", "session"]
    size: Annotated[Milliseconds, Field(ge=100)] | None = None
    slide: Annotated[Milliseconds, Field(ge=100)] | None = None
    gap: Annotated[Milliseconds, Field(ge=100)] | None = None
    offset: Milliseconds = 0
    max_duration: Annotated[Milliseconds, Field(ge=1_000)] = 86_400_000
    group_by: GroupBy = Field(default_factory=list)
    aggregations: Aggregations = Field(default_factory=list)
    time_field: FieldPath | None = None
    grace: Annotated[Milliseconds, Field(le=3_600_000)] = 10_000
    allowed_lateness: Annotated[Milliseconds, Field(le=7 * 86_400_000)] = 300_000
    late: Literal["drop", "dlq"] = "drop"

    @property
    def interval(self) -> int:
        """Milliseconds between the starts of two windows: `slide`, by default half of `size`."""
        size = self.size or 0
        return (self.slide or max(size // 2, 100)) if self.type == "sliding" else size

    @property
    def silence(self) -> int:
        """Milliseconds without events that end a session: `gap`, by default `size`."""
        return self.gap or self.size or 0

    @model_validator(mode="after")
    def _sizes_fit(self) -> "WindowConfig":
        given = {name for name in ("size", "slide", "gap") if getattr(self, name) is not None}
        if given not in _SIZES[self.type]:
            raise ValueError(_SIZES_NAMED[self.type])
        if self.type == "sliding" and self.size:
            _check_sliding(self.size, self.interval)
        _check_names(self.aggregations)
        return self


_SIZES: dict[str, tuple[set[str], ...]] = {
    "tumbling": ({"size"},),
    "sliding": ({"size", "slide"}, {"size"}),
    "session": ({"gap"}, {"size"}),
}
_SIZES_NAMED = {
    "tumbling": "A tumbling window takes size and no other size.",
    "sliding": "A sliding window takes size and slide (half of size by default) and no other size.",
    "session": "A session window takes gap (or size, which then is the gap) and no other size.",
}


def _check_sliding(size: int, slide: int) -> None:
    if slide > size:
        raise ValueError("`slide` must not exceed `size`, because events between the windows would be lost.")
    if -(-size // slide) > WINDOWS_PER_EVENT:
        raise ValueError(f"An event would be in more than {WINDOWS_PER_EVENT} windows: make `slide` larger.")
    if size // gcd(size, slide) > PANES_PER_WINDOW:
        raise ValueError(
            f"`size` and `slide` share no divisor above 1/{PANES_PER_WINDOW} of `size`: "
            "choose a `slide` that divides `size`."
        )


def _value_shape(value: Any) -> str:
    if isinstance(value, str):
        return "<expression>"
    return "<object>" if isinstance(value, dict) else "<list>" if isinstance(value, list) else "<literal>"


if TYPE_CHECKING:  # mypy has no recursive aliases made at run time
    MapValue = Any
else:
    MapValue = TypeAliasType(
        "MapValue",
        Annotated[
            Annotated[ExpressionText, Tag("<expression>")]
            | Annotated[dict[Name, "MapValue"], Tag("<object>")]
            | Annotated[list["MapValue"], Tag("<list>"), Field(max_length=MAP_FIELDS)]
            | Annotated[bool | int | float | None, Tag("<literal>")],
            Discriminator(_value_shape),
        ],
    )


class MapConfig(Model):
    """Strings are expressions; numbers, booleans and null stand for themselves; objects and lists nest."""

    expression: Annotated[dict[Name, MapValue], Field(min_length=1, max_length=MAP_FIELDS)]

    @model_validator(mode="after")
    def _not_too_deep(self) -> "MapConfig":
        try:
            check_depth(self.expression, DEPTH)
        except EvaluationError as error:
            raise ValueError(error.message) from None
        return self


class BatchConfig(Model):
    """`size` items, or those collected within `timeout` milliseconds."""

    size: Annotated[int, Field(ge=1, le=10_000)]
    timeout: Annotated[int, Field(ge=100, le=900_000)]


class DedupeConfig(Model):
    """Only the first event of each key within `ttl` milliseconds passes."""

    key: ExpressionText
    ttl: Annotated[int, Field(ge=1_000, le=30 * 86_400_000)] = 86_400_000


class SampleConfig(Model):
    """Keeps a share (`rate`, 0 to 1) of all keys, always the same ones. Without `key`, of all events."""

    rate: Annotated[float, Field(ge=0, le=1)]
    key: ExpressionText | None = None


class SplitConfig(Model):
    """One event for each element of the list in `field`, which then contains the element."""

    field: FieldPath


class _Step(Model):
    name: Name | None = None
    when: ExpressionText | None = None
    on_error: OnError = "dlq"


class FilterStep(_Step):
    type: Literal["filter"]
    config: ConditionTree


class MapStep(_Step):
    type: Literal["map"]
    config: MapConfig


class AggregateStep(_Step):
    type: Literal["aggregate"]
    config: AggregateConfig


class WindowStep(_Step):
    type: Literal["window"]
    config: WindowConfig


class BatchStep(_Step):
    type: Literal["batch"]
    config: BatchConfig


class DedupeStep(_Step):
    type: Literal["dedupe"]
    config: DedupeConfig


class SampleStep(_Step):
    type: Literal["sample"]
    config: SampleConfig


class SplitStep(_Step):
    type: Literal["split"]
    config: SplitConfig


Step = Annotated[
    FilterStep | MapStep | AggregateStep | WindowStep | BatchStep | DedupeStep | SampleStep | SplitStep,
    Field(discriminator="type"),
]
