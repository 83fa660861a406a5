"""The fields of events between the steps of a definition, as far as the definition determines them.

`map`, `window` and `batch` produce events with known fields. Reading another field there always gives null.
This is not an error (a guard may intend it), but deserves a warning.
"""

from collections.abc import Iterator, Sequence

from millrace.pipelines.definitions.conditions import AllOf, AnyOf, ConditionTree, NotOf
from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.definitions.destinations import Destination
from millrace.pipelines.definitions.steps import (
    AggregateStep,
    Aggregation,
    BatchStep,
    DedupeStep,
    FilterStep,
    MapStep,
    SampleStep,
    SplitStep,
    Step,
    WindowStep,
)
from millrace.pipelines.expressions.fields import keys_of
from millrace.pipelines.expressions.fields_read import WHOLE, expression_fields, template_fields
from millrace.pipelines.together import sends_items

Shape = frozenset[str] | None
"""Names of fields, or None if any may exist."""
Read = tuple[str, str]
"""The path at which a field is read, and its name."""
_WINDOW = frozenset(
    {"id", "revision", "windowStart", "windowEnd", "group", "values", "count", "skipped", "window"}
)
_BATCH = frozenset({"id", "items", "count"})
_EXPRESSIONS = ("event", "distinct_id")
_TEMPLATES = ("template", "subject", "body")


def output_shape(definition: PipelineDefinition) -> Shape:
    """Return the fields of the last step's output."""
    return _shapes(definition.transforms)[-1]


def unknown_fields(definition: PipelineDefinition) -> Iterator[Read]:
    """Yield fields that are read where they cannot exist."""
    steps = definition.transforms
    shapes = _shapes(steps)
    for at, step in enumerate(steps):
        before = steps[at - 1] if at else None
        for path, field in _read_by(step, before):
            if _is_unknown(field, shapes[at]):
                yield f"transforms.{at}.{path}", field
    for at, target in enumerate(definition.targets):
        prefix = "destination" if definition.destination else f"destinations.{at}"
        for path, field in _read_at(target, sends_items(steps, target)):
            if _is_unknown(field, shapes[-1]):
                yield f"{prefix}.{path}", field


def needed_fields(definition: PipelineDefinition) -> frozenset[str] | None:
    """Return the fields that the steps read until one creates new events.

    Return None if other parts of an event may be read, or may leave.
    """
    fields: set[str] = set()
    steps = definition.transforms
    for at, step in enumerate(steps):
        fields.update(field for _, field in _read_by(step, None))
        if isinstance(step, WindowStep) and at + 1 < len(steps):
            # Its aggregations may be in the next step.
            fields.update(field for _, field in _read_by(steps[at + 1], None))
        if isinstance(step, MapStep | WindowStep) and step.when is None:
            return None if WHOLE in fields else frozenset(fields - {"$meta"})
        if not isinstance(step, FilterStep | DedupeStep | SampleStep):
            return None
    return None


def _is_unknown(field: str, shape: Shape) -> bool:
    return shape is not None and field not in shape and field not in (WHOLE, "$meta", "*")


def _shapes(steps: Sequence[Step]) -> list[Shape]:
    """Return the shape before each step, and after the last."""
    shapes: list[Shape] = [None]
    for step in steps:
        after = _after(step, shapes[-1])
        shapes.append(after if step.when is None or after == shapes[-1] else None)
    return shapes


def _after(step: Step, before: Shape) -> Shape:
    match step:
        case MapStep():
            return frozenset(step.config.expression)
        case WindowStep():
            return _WINDOW
        case BatchStep():
            return _BATCH
        case AggregateStep():
            return before if before == _WINDOW else None
    return before


def _read_by(step: Step, before: Step | None) -> Iterator[Read]:
    if step.when:
        yield from (("when", field) for field in expression_fields(step.when))
    match step:
        case FilterStep():
            yield from _of_filter(step.config)
        case MapStep():
            for name, value in step.config.expression.items():
                yield from ((f"config.expression.{name}", field) for field in _of_value(value))
        case DedupeStep() | SampleStep():
            yield from (("config.key", field) for field in expression_fields(step.config.key or "null"))
        case SplitStep():
            yield "config.field", _first(step.config.field)
        case WindowStep():
            yield from _of_groups(step.config.group_by, step.config.aggregations)
            if step.config.time_field:
                yield "config.timeField", _first(step.config.time_field)
        case AggregateStep() if not isinstance(before, WindowStep | BatchStep):
            yield from _of_groups(step.config.group_by, step.config.aggregations)


def _of_filter(tree: ConditionTree, path: str = "config") -> Iterator[Read]:
    match tree:
        case AllOf(all_of=parts) | AnyOf(any_of=parts):
            name = "and" if isinstance(tree, AllOf) else "or"
            for at, part in enumerate(parts):
                yield from _of_filter(part, f"{path}.{name}.{at}")
        case NotOf(not_of=part):
            yield from _of_filter(part, f"{path}.not")
        case _:
            yield f"{path}.field", _first(tree.field)


def _of_value(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from expression_fields(value)
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _of_value(each)


def _of_groups(group_by: Sequence[str], aggregations: Sequence[Aggregation]) -> Iterator[Read]:
    yield from ((f"config.groupBy.{at}", _first(field)) for at, field in enumerate(group_by))
    yield from ((f"config.aggregations.{at}.field", _first(one.field)) for at, one in enumerate(aggregations))


def _read_at(target: Destination, items: bool) -> Iterator[Read]:
    """Yield the fields that a destination reads.

    With a batch's items, it reads those, but its guard sees the batch.
    """
    if target.when:
        yield from (("when", field) for field in expression_fields(target.when))
    if items:
        return
    for name in _EXPRESSIONS:
        text = getattr(target.config, name, None)
        yield from ((f"config.{name}", field) for field in expression_fields(text or "null"))
    for name in _TEMPLATES:
        text = getattr(target.config, name, None)
        yield from ((f"config.{name}", field) for field in template_fields(text or ""))


def _first(field: str) -> str:
    keys = keys_of(field)
    return str(keys[1] if keys[0] == WHOLE and len(keys) > 1 else keys[0])
