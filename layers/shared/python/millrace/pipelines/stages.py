"""The compiled steps without state: each processes a chunk of events and returns those that continue."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.definitions.steps import FilterStep, MapStep, SampleStep, SplitStep
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.compiler import or_null
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.fields import Keys, field_of, keys_of
from millrace.pipelines.expressions.values import kind
from millrace.pipelines.filters import compile_filter
from millrace.pipelines.limits import EXPANDED_BYTES, LIST_ITEMS, PARTS
from millrace.pipelines.mapping import Mapping
from millrace.pipelines.outcome import Outcome
from millrace.pipelines.sizes import TooLarge, expanded_size
from millrace.pipelines.state.rows import canonical
from millrace.pipelines.work import TooMuchWork, charge

Stage = Callable[[Chunk, Outcome], Chunk]
_FEW_PARTS = 8
Each = Callable[[Payload, Event], list[tuple[Payload, Event]]]


def each_event(step: int, on_error: str, expand: Each) -> Stage:
    """Return a stage that processes events one by one.

    One that fails ends here; one without results is dropped.
    """

    def stage(chunk: Chunk, outcome: Outcome) -> Chunk:
        passed: list[tuple[Payload, Event]] = []
        for payload, event in chunk.pairs():
            outcome.work.event(event.split_into)
            try:
                taken = expand(payload, event)
            except EvaluationError as error:
                outcome.fail(step, on_error, payload, event, error)
                continue
            outcome.counts[step].dropped += not taken
            passed += taken
        return Chunk([payload for payload, _ in passed], [event for _, event in passed])

    return stage


def filter_stage(index: int, step: FilterStep) -> Stage:
    """Filter a chunk at once, or one by one if that is too much work."""
    passes = compile_filter(step.config)

    def one(payload: Payload, event: Event) -> list[tuple[Payload, Event]]:
        return [(payload, event)] if passes(Chunk([payload], [event]))[0] else []

    slow = each_event(index, step.on_error, one)

    def stage(chunk: Chunk, outcome: Outcome) -> Chunk:
        try:
            passed = chunk.where(passes(chunk))
        except TooMuchWork:
            return slow(chunk, outcome)
        outcome.counts[index].dropped += len(chunk) - len(passed)
        return passed

    return stage


def map_stage(index: int, step: MapStep) -> Stage:
    """Map a chunk at once, or one by one if an event fails or may have become too large."""
    mapping = Mapping(step.config.expression, step.on_error == "null")

    def one(payload: Payload, event: Event) -> list[tuple[Payload, Event]]:
        row = mapping.row(payload, event)
        _check_size(row)
        return [(row, event)]

    slow = each_event(index, step.on_error, one)

    def stage(chunk: Chunk, outcome: Outcome) -> Chunk:
        work = outcome.work
        try:
            mapped = mapping.over(chunk)
            size = mapping.bound(mapped, work.bytes)
            if size > EXPANDED_BYTES:
                size = max(map(_check_size, mapped.payloads))
        except EvaluationError:
            mapped, size = slow(chunk, outcome), EXPANDED_BYTES
        work.bytes = size
        return mapped

    return stage


def _check_size(payload: Payload) -> int:
    """Return the size of a payload as JSON, counting the work of encoding it later. Raises `TooLarge`."""
    size = expanded_size(payload)
    if size > EXPANDED_BYTES:
        raise TooLarge(f"The event would have {size:,} bytes as JSON; {EXPANDED_BYTES:,} are allowed.")
    charge(size >> 4)
    return size


def sample_stage(index: int, step: SampleStep) -> Stage:
    """Sample by a hash of the key, so that the same keys are kept everywhere and always."""
    limit = int(step.config.rate * 2**64)
    key = compile_expression(step.config.key).evaluate if step.config.key else _identity
    if step.on_error == "null":
        key = or_null(key)

    def expand(payload: Payload, event: Event) -> list[tuple[Payload, Event]]:
        digest = blake2b(canonical(key(payload, event)), digest_size=8).digest()
        return [(payload, event)] if int.from_bytes(digest, "little") < limit else []

    return each_event(index, step.on_error, expand)


def _identity(payload: Payload, event: Event) -> list[str]:
    return [event.source, event.id]


def split_stage(index: int, step: SplitStep) -> Stage:
    """Split an event into one for each element. If the list is missing, null or empty, the event is dropped.

    The new ids end in `#0`, `#1`, ...
    """
    field = field_of(step.config.field)
    keys = keys_of(step.config.field)

    def expand(payload: Payload, event: Event) -> list[tuple[Payload, Event]]:
        items = field(payload, event)
        if items is None:
            return []
        if type(items) is not list or len(items) > LIST_ITEMS:
            if step.on_error == "null":
                return [(_with(payload, keys, None), event)]
            raise EvaluationError(f"`split` needs a list of at most {LIST_ITEMS:,} items, not {kind(items)}.")
        parts = event.split_into * len(items)
        if parts > PARTS:
            raise TooLarge(f"The event would become {parts:,} events; {PARTS:,} are allowed.")
        _charge_parts(payload, items)
        return [(_with(payload, keys, item), _part(event, at, parts)) for at, item in enumerate(items)]

    return each_event(index, step.on_error, expand)


def _part(event: Event, at: int, parts: int) -> Event:
    part = event.with_payload(event.payload, f"{event.id}#{at}")
    part.split_into = parts
    return part


def _charge_parts(payload: Payload, items: list[Any]) -> None:
    """Charge the work of a split, in which each part repeats the rest of the payload.

    Raises as `charge` does.
    """
    if len(items) > _FEW_PARTS:
        listed = expanded_size(items)
        charge(((expanded_size(payload) - listed) * len(items) + listed) >> 4)


def _with(container: Any, keys: Keys, value: object) -> Any:
    """Return a copy of the payload, or of a part of it, with another value at an existing path."""
    first, *rest = keys
    changed = _with(container[first], tuple(rest), value) if rest else value
    if isinstance(first, int):
        return [*container[:first], changed, *container[first + 1 :]]
    return {**container, first: changed}
