"""The compiled steps with state: windows, batches, running totals and dedupe."""

from array import array
from collections.abc import Callable

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.definitions.steps import AggregateStep, BatchStep, DedupeStep, WindowStep
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.compiler import or_null
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.fields import field_column, field_of
from millrace.pipelines.expressions.times import instant
from millrace.pipelines.expressions.values import Value
from millrace.pipelines.limits import FUTURE_MS
from millrace.pipelines.outcome import Change, Outcome
from millrace.pipelines.state.aggregates import Grouping, check_row, group_key, read_key
from millrace.pipelines.state.batches import Batch, BatchItem, item_of
from millrace.pipelines.state.dedupe import passing, place_of
from millrace.pipelines.state.outputs import output_id
from millrace.pipelines.state.rows import Rows, identities
from millrace.pipelines.state.sessions import SessionWindow
from millrace.pipelines.state.store import Key, Store
from millrace.pipelines.state.totals import Change as TotalChange
from millrace.pipelines.state.totals import add_changes
from millrace.pipelines.state.windows import Scope, Window

StatefulStage = Callable[[Chunk, Outcome, Store, int, bool], Chunk]
_NONE = Chunk([], [])


def window_stage(index: int, step: WindowStep, window: Window | SessionWindow) -> StatefulStage:
    """Keep rows for the window's buckets. Nothing passes before it fires."""
    clock = _clock(step)

    def kept(chunk: Chunk, outcome: Outcome, backfill: bool) -> list[Change]:
        times = clock(chunk)
        rows = window.grouping.rows(chunk, identities(chunk.events), times)
        rows.hops = max([event.hops for event in chunk.events])
        late = set() if backfill else _late(window, chunk, times)
        for at in sorted(late):
            outcome.is_late(index, step.config.late, chunk.payloads[at], chunk.events[at])
        buckets = window.buckets(rows)
        if late:
            buckets = {
                bucket: [at for at in members if at not in late] for bucket, members in buckets.items()
            }
        return [
            Change(index, bucket, rows.at(members) if len(members) < len(rows) else rows, chunk, members)
            for bucket, members in buckets.items()
            if members
        ]

    def stage(chunk: Chunk, outcome: Outcome, store: Store, now: int, backfill: bool) -> Chunk:
        try:
            changes = kept(chunk, outcome, backfill)
        except EvaluationError as error:
            if len(chunk) > 1:
                return _one_by_one(chunk, outcome, lambda one: stage(one, outcome, store, now, backfill))
            outcome.fail(index, step.on_error, chunk.payloads[0], chunk.events[0], error)
            return _NONE
        return _hold(outcome, index, changes)

    return stage


def _one_by_one(chunk: Chunk, outcome: Outcome, expand: Callable[[Chunk], Chunk]) -> Chunk:
    """Process events one by one, because one of the chunk's events fails."""
    for payload, event in chunk.pairs():
        outcome.work.event(event.split_into)
        expand(Chunk([payload], [event]))
    return _NONE


def _late(window: Window | SessionWindow, chunk: Chunk, times: list[int]) -> set[int]:
    """Return the positions of the events whose window is closed."""
    # One comparison for the whole chunk, because usually none of its events is late.
    if max([event.ingested for event in chunk.events]) - min(times) <= window.allowed_lateness:
        return set()
    pairs = enumerate(zip(times, chunk.events, strict=True))
    return {at for at, (time, event) in pairs if window.is_late(time, event.ingested)}


def _hold(outcome: Outcome, index: int, changes: list[Change]) -> Chunk:
    outcome.counts[index].held += sum(len(change.members) for change in changes)
    outcome.changes += changes
    return _NONE


def _clock(step: WindowStep) -> Callable[[Chunk], list[int]]:
    """Return the time of each event for its window.

    A time that is missing, unreadable or more than a day after its acceptance raises `EvaluationError`. With
    `onError: null`, the event's own time is used instead.
    """
    if step.config.time_field is None:
        return _own_times
    field, forgiving = field_column(step.config.time_field), step.on_error == "null"

    def time(value: Value, event: Event) -> int:
        try:
            return _not_ahead(instant(value), event)
        except EvaluationError:  # reads one value, which is never too much work
            if forgiving:
                return event.time
            raise

    return lambda chunk: list(map(time, field(chunk), chunk.events))


def _own_times(chunk: Chunk) -> list[int]:
    times = [event.time for event in chunk.events]
    if max(times) > min([event.ingested for event in chunk.events]) + FUTURE_MS:
        return list(map(_not_ahead, times, chunk.events))
    return times


def _not_ahead(time: int, event: Event) -> int:
    if time > event.ingested + FUTURE_MS:
        raise EvaluationError("The event's time is more than a day ahead.", code="future_time")
    return time


def batch_stage(index: int, step: BatchStep, batch: Batch) -> StatefulStage:
    """Keep items for the batch's slots. Nothing passes before it is full or its time is up."""

    def stage(chunk: Chunk, outcome: Outcome, store: Store, now: int, backfill: bool) -> Chunk:
        slots: dict[int, tuple[list[BatchItem], list[int]]] = {}
        for at, (payload, event) in enumerate(chunk.pairs()):
            outcome.work.event(event.split_into)
            try:
                item = item_of(event, payload)
            except EvaluationError as error:
                outcome.fail(index, step.on_error, payload, event, error)
                continue
            items, members = slots.setdefault(batch.bucket(event.ingested), ([], []))
            items.append(item)
            members.append(at)
        changes = [Change(index, slot, items, chunk, members) for slot, (items, members) in slots.items()]
        return _hold(outcome, index, changes)

    return stage


def batch_aggregate_stage(index: int, step: AggregateStep, scope: Scope) -> StatefulStage:
    """`aggregate` after `batch`: one event for each group of a batch's items."""
    grouping = Grouping(step.config.group_by, step.config.aggregations)

    def of_batch(payload: Payload, event: Event) -> list[tuple[Payload, Event]]:
        items: list[Payload] = payload["items"]
        # Padded with zeros, because `first` and `last` break ties by comparing ids as text.
        inner = [Event(item, f"{event.id}#{at:06d}", time=event.time) for at, item in enumerate(items)]
        times = [event.time] * len(items)
        rows = grouping.rows(Chunk(items, inner), array("Q", range(len(items))), times)
        return [_batch_group(grouping, rows, key, rows_of, event) for key, rows_of in rows.by_group().items()]

    def stage(chunk: Chunk, outcome: Outcome, store: Store, now: int, backfill: bool) -> Chunk:
        passed: list[tuple[Payload, Event]] = []
        for payload, event in chunk.pairs():
            outcome.work.event(event.split_into)
            try:
                passed += of_batch(payload, event)
            except EvaluationError as error:
                outcome.fail(index, step.on_error, payload, event, error)
        return Chunk([payload for payload, _ in passed], [event for _, event in passed])

    return stage


def _batch_group(
    grouping: Grouping, rows: Rows, key: bytes, members: list[int], event: Event
) -> tuple[Payload, Event]:
    values, skipped = grouping.values(rows, members)
    id = output_id(event.id, key)
    payload: Payload = {"id": id, "group": grouping.group(key), "values": values, "count": len(members)}
    return (payload | {"skipped": skipped} if skipped else payload), event.with_payload(payload, id)


def total_stage(index: int, step: AggregateStep, scope: Scope) -> StatefulStage:
    """`aggregate` alone: the running total of the event's group, for each event."""
    fields = [field_of(field) for field in step.config.group_by]
    cells = [field_of(each.field) if each.field != "*" else None for each in step.config.aggregations]
    is_kept = [each.function in ("first", "last") for each in step.config.aggregations]

    def change(payload: Payload, event: Event) -> TotalChange:
        key = group_key([field(payload, event) for field in fields])
        group = dict(zip(step.config.group_by, read_key(key), strict=True))
        values = [cell(payload, event) if cell else None for cell in cells]
        check_row(value for value, kept in zip(values, is_kept, strict=True) if kept)
        return TotalChange(event, key, group, values)

    def stage(chunk: Chunk, outcome: Outcome, store: Store, now: int, backfill: bool) -> Chunk:
        changes: list[TotalChange] = []
        for payload, event in chunk.pairs():
            outcome.work.event(event.split_into)
            try:
                changes.append(change(payload, event))
            except EvaluationError as error:
                outcome.fail(index, step.on_error, payload, event, error)
        totals = add_changes(scope, step.config.aggregations, changes, store, now)
        return Chunk([total.payload for total in totals], totals)

    return stage


def dedupe_stage(index: int, step: DedupeStep, scope: Scope) -> StatefulStage:
    """Pass the first event of each key within `ttl`, whenever it is delivered, and all with a null key."""
    key = compile_expression(step.config.key).evaluate
    if step.on_error == "null":
        key = or_null(key)

    def stage(chunk: Chunk, outcome: Outcome, store: Store, now: int, backfill: bool) -> Chunk:
        mask = [False] * len(chunk)
        members: dict[Key, list[int]] = {}
        for at, (payload, event) in enumerate(chunk.pairs()):
            outcome.work.event(event.split_into)
            try:
                value = key(payload, event)
                if value is None:
                    mask[at] = True
                else:
                    members.setdefault(place_of(scope, value), []).append(at)
            except EvaluationError as error:
                outcome.fail(index, step.on_error, payload, event, error)
        events = {bucket: [chunk.events[at] for at in numbers] for bucket, numbers in members.items()}
        for bucket, passes in passing(events, step.config.ttl, store).items():
            outcome.counts[index].dropped += passes.count(False)
            for at, one in zip(members[bucket], passes, strict=True):
                mask[at] = one
        return chunk.where(mask)

    return stage
