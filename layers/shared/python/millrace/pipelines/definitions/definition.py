"""A pipeline's definition: source, transforms, destinations."""

from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidationInfo, model_validator

from millrace.domain.replacement import ManagedBy
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.destinations import TYPES, Destination, secret_names
from millrace.pipelines.definitions.model import Model, Name
from millrace.pipelines.definitions.problems import problem
from millrace.pipelines.definitions.sources import TYPES as SOURCES
from millrace.pipelines.definitions.sources import Source
from millrace.pipelines.definitions.steps import AggregateStep, BatchStep, Step, WindowStep
from millrace.pipelines.definitions.written import STORED, is_stored, misplaced
from millrace.pipelines.limits import DESTINATIONS, STEPS
from millrace.pipelines.together import mixed_fields

Destinations = Annotated[list[Destination], Field(min_length=1, max_length=DESTINATIONS)]
_UNBOUNDED = ("countDistinct", "percentile", "p50", "p90", "p95", "p99")


class PipelineDefinition(Model):
    """A definition as a user writes it, with one `destination`, or several as `destinations`."""

    name: Name
    description: Annotated[str, Field(max_length=2_000)] | None = None
    source: Source
    transforms: Annotated[list[Step], Field(max_length=STEPS)] = Field(default_factory=list)
    destination: Destination | None = None
    destinations: Destinations | None = None
    managed_by: ManagedBy | None = None

    @model_validator(mode="after")
    def _whole(self) -> "PipelineDefinition":
        if (self.destination is None) == (self.destinations is None):
            raise ValueError("Use either `destination` or `destinations`.")
        for index, step in enumerate(self.transforms):
            _check_place(step, index, self.transforms)
        return self

    @model_validator(mode="after")
    def _destinations_differ(self, info: ValidationInfo) -> "PipelineDefinition":
        names = [target.name for target in self.targets if target.name is not None]
        if len(set(names)) < len(names) and not is_stored(info):
            raise misplaced(
                "destinations", "Two destinations have the same name: receivers could not tell them apart."
            )
        return self

    @model_validator(mode="after")
    def _templates_fit_batches(self, info: ValidationInfo) -> "PipelineDefinition":
        for at, target in enumerate(self.targets):
            mixed = [] if is_stored(info) else mixed_fields(self.transforms, target)
            if mixed:
                prefix = "destination" if self.destination else f"destinations.{at}"
                raise misplaced(
                    f"{prefix}.config.template",
                    f"After `batch`, there are `items` and `count`, but no `{mixed[0]}`: write "
                    f"{{{{items[0].{mixed[0]}}}}}, "
                    "or omit `items` and `count` to get a line for each item.",
                )
        return self

    @property
    def targets(self) -> list[Destination]:
        """All destinations."""
        return self.destinations or ([self.destination] if self.destination else [])

    @property
    def secrets(self) -> set[str]:
        """The names of all secrets in the definition."""
        return secret_names([self.source.model_dump(), *(each.model_dump() for each in self.targets)])


def _check_place(step: Step, index: int, steps: list[Step]) -> None:
    """Raise ValueError for a step that cannot be at its position."""
    before = steps[index - 1] if index else None
    after = steps[index + 1] if index + 1 < len(steps) else None
    if isinstance(step, WindowStep) and not step.config.aggregations and not isinstance(after, AggregateStep):
        raise ValueError(
            f"transforms.{index}: a window without `aggregations` needs an `aggregate` step after it."
        )
    if isinstance(step, AggregateStep):
        _check_aggregate(step, index, before)
    joined = isinstance(step, AggregateStep) and isinstance(before, WindowStep | BatchStep)
    totals = isinstance(step, WindowStep | AggregateStep) and not joined
    if totals and any(isinstance(each, WindowStep) for each in steps[:index]):
        raise ValueError(
            f"transforms.{index}: a window's revised result would count twice here: use a second pipeline."
        )


def _check_aggregate(step: AggregateStep, index: int, before: Step | None) -> None:
    if isinstance(before, WindowStep):
        if before.config.aggregations:
            raise ValueError(f"transforms.{index}: the window before it has `aggregations` already.")
        if step.config.group_by and before.config.group_by:
            raise ValueError(f"transforms.{index}: the window already has `groupBy`.")
        if step.when is not None:
            raise ValueError(f"transforms.{index}: put `when` on the window, which this step belongs to.")
        return
    if isinstance(before, BatchStep):
        return
    unbounded = [each.function for each in step.config.aggregations if each.function in _UNBOUNDED]
    if unbounded:
        raise ValueError(
            f"transforms.{index}: `{unbounded[0]}` over all time needs unbounded memory: put it in a window."
        )


class InvalidDefinition(InvalidRequest):
    """A definition has mistakes.

    `details["problems"]` lists all of them: path, message and, for expressions, line and column.
    """

    code = "invalid_definition"


def parse_definition(data: Any) -> PipelineDefinition:
    """Return a validated definition from decoded JSON. Raises `InvalidDefinition` with each invalid field."""
    return _parsed(data, None)


def stored_definition(data: Any) -> PipelineDefinition:
    """Return a definition that was accepted before, perhaps by an earlier release with fewer checks."""
    return _parsed(data, STORED)


def _parsed(data: Any, context: str | None) -> PipelineDefinition:
    try:
        return _model_of(data, context).model_validate(data, context=context)
    except ValidationError as error:
        problems = [problem(data, each) for each in error.errors(include_url=False, include_input=False)]
    except RecursionError:
        problems = [{"path": "", "message": "The definition is nested too deeply."}]
    raise invalid(problems)


def _model_of(data: Any, context: str | None) -> type[PipelineDefinition]:
    """Return the model, extended if the definition has a destination of another package."""
    if not isinstance(data, dict):
        return PipelineDefinition
    several = data.get("destinations")
    targets = _types(data.get("destination"), *(several if isinstance(several, list) else ())) - TYPES
    sources = _types(data.get("source")) - SOURCES
    if not targets and not sources:
        return PipelineDefinition
    from millrace.pipelines.definitions.extensions import model_with

    return model_with(targets, sources) if context == STORED else model_with()


def _types(*parts: Any) -> frozenset[str]:
    """Return the types of parts of a definition, which may be missing."""
    return frozenset(
        one["type"] for one in parts if isinstance(one, dict) and isinstance(one.get("type"), str)
    )


def invalid(problems: list[dict[str, Any]]) -> InvalidDefinition:
    """Return the error for mistakes given as path and message."""
    lines = " ".join(f"{each['path'] or 'definition'}: {each['message']}" for each in problems[:5])
    return InvalidDefinition(lines, problems=problems)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a definition, as published at /api/streaming/schema, with installed
    extensions."""
    from millrace.pipelines.definitions.extensions import model_with

    return model_with().model_json_schema(by_alias=True)
