"""Events through a plan, and the resulting state.

`transform` processes events. It changes only registers of dedupe and running totals, which recognize
repetitions. `keep` writes what a window or batch holds; timers call `fire`. Callers may crash between any two
calls and begin again with the same events.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby

from millrace.errors import is_transient
from millrace.pipelines.chunk import Chunk
from millrace.pipelines.errors import EvaluationError, unexpected
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.outcome import Change, Outcome, StepCount
from millrace.pipelines.plan import Plan, PlanStep
from millrace.pipelines.projection import payloads_of
from millrace.pipelines.state.batches import Batch, fire_batch, write_batch
from millrace.pipelines.state.firing import fire_sessions, fire_window
from millrace.pipelines.state.sessions import SessionWindow
from millrace.pipelines.state.store import Key, Outputs, Store
from millrace.pipelines.state.writing import write_window
from millrace.pipelines.work import OutOfWork, TooMuchWork, Unfinished, Work


def transform(
    plan: Plan,
    events: list[Event],
    state: Store,
    now: int,
    start: int = 0,
    backfill: bool = False,
    work: Work | None = None,
) -> Outcome:
    """Run events through the steps from `start` on. In a backfill no event is late.

    Raises `OutOfWork` if several events need more than `work` allows, so repeat the call with fewer. Raises
    `Contended` if the state changed during every attempt, so repeat the call.
    """
    outcome = Outcome([StepCount() for _ in plan.steps], work=work or Work(len(events)), events=len(events))
    payloads = payloads_of if start else plan.payloads
    chunk = Chunk(payloads(events), events)
    with outcome.work:
        for step in plan.steps[start:]:
            chunk = run_step(step, chunk, outcome, state, now, backfill)
    outcome.outputs = [event.with_payload(payload) for payload, event in chunk.pairs()]
    return outcome


def transform_all(
    plan: Plan,
    events: list[Event],
    state: Store,
    now: int,
    start: int = 0,
    backfill: bool = False,
    budget: Callable[[int], Work] = Work,
) -> Iterator[Outcome]:
    """Yield outcomes of `transform`, of all events at once or of as few as necessary.

    `budget` returns the work for a number of events. Raises `Unfinished` with the remaining events when the
    time is up.
    """
    left = [events]
    while left:
        portion = left.pop()
        work = budget(len(portion))
        try:
            outcome = transform(plan, portion, state, now, start, backfill, work)
        except OutOfWork:
            if work.is_over():
                raise Unfinished([*portion, *chain.from_iterable(reversed(left))]) from None
            middle = len(portion) // 2
            # The earlier half is on top of the stack, so that outcomes keep the order of the events.
            left += [portion[middle:], portion[:middle]]
        else:
            yield outcome


def run_step(
    step: PlanStep, chunk: Chunk, outcome: Outcome, state: Store, now: int, backfill: bool = False
) -> Chunk:
    """Run one step with its guard. Events for which `when` is not true bypass it, keeping their position."""
    if not len(chunk):
        return chunk
    outcome.work.chunk(len(chunk))
    count = outcome.counts[step.index]
    count.received += len(chunk)
    if step.when is None:
        passed = _run(step, chunk, outcome, state, now, backfill)
    else:
        passed = _guarded(step, chunk, outcome, state, now, backfill)
    count.passed += len(passed)
    return passed


def _run(step: PlanStep, chunk: Chunk, outcome: Outcome, state: Store, now: int, backfill: bool) -> Chunk:
    """Run the step. After an unexpected error, process the halves separately, so that only the faulty event
    ends here.

    Registers that the first attempt wrote recognize the repetition.
    """
    savepoint = outcome.savepoint(step.index)
    try:
        return step.run(chunk, outcome, state, now, backfill)
    except Exception as error:
        if is_transient(error) or isinstance(error, OutOfWork):
            raise
        outcome.roll_back(step.index, savepoint)
        if len(chunk) == 1:
            outcome.fail(
                step.index, step.step.on_error, chunk.payloads[0], chunk.events[0], unexpected(error)
            )
            return Chunk([], [])
    middle = len(chunk) // 2
    return _joined(
        _run(step, _part(chunk, part, outcome), outcome, state, now, backfill)
        for part in (slice(middle), slice(middle, None))
    )


def _part(chunk: Chunk, part: slice, outcome: Outcome) -> Chunk:
    found = Chunk(chunk.payloads[part], chunk.events[part])
    outcome.work.chunk(len(found))
    return found


def _joined(chunks: Iterable[Chunk]) -> Chunk:
    parts = list(chunks)
    payloads = [payload for part in parts for payload in part.payloads]
    return Chunk(payloads, [event for part in parts for event in part.events])


def _guarded(step: PlanStep, chunk: Chunk, outcome: Outcome, state: Store, now: int, backfill: bool) -> Chunk:
    """Run adjacent events with a true guard through the step together.

    Windows and batches, from which nothing passes, get all of them at once.
    """
    choices = [_applies(step, payload, event, outcome) for payload, event in chunk.pairs()]
    outcome.work.chunk(len(chunk))
    if step.state:
        if True in choices:
            _run(step, chunk.where([each is True for each in choices]), outcome, state, now, backfill)
        return chunk.where([each is False for each in choices])
    payloads: list[Payload] = []
    events: list[Event] = []
    end, size = 0, outcome.work.bytes
    largest = size
    for applies, neighbours in groupby(choices):
        start, end = end, end + len(list(neighbours))
        part = Chunk(chunk.payloads[start:end], chunk.events[start:end])
        if applies:
            outcome.work.bytes = size
            part = _run(step, part, outcome, state, now, backfill)
            largest = max(largest, outcome.work.bytes)
        if applies is not None:
            payloads += part.payloads
            events += part.events
    outcome.work.bytes = largest
    return Chunk(payloads, events)


def _applies(step: PlanStep, payload: Payload, event: Event, outcome: Outcome) -> bool | None:
    """Return whether the guard is true, or None if it fails, which ends the event (except with `onError:
    null`)."""
    outcome.work.event(event.split_into)
    try:
        return step.when is None or step.when(payload, event) is True
    except Exception as error:
        if is_transient(error) or isinstance(error, OutOfWork):
            raise
        if step.step.on_error == "null" and isinstance(error, EvaluationError):
            if not isinstance(error, TooMuchWork):
                return False
        outcome.fail(step.index, step.step.on_error, payload, event, unexpected(error))
        return None


def keep(
    plan: Plan,
    change: Change,
    outcome: Outcome,
    store: Store,
    outputs: Outputs,
    now: int,
    lag: int = 0,
    backfill: bool = False,
) -> None:
    """Write what one window or batch holds. Events whose window is closed are added to the outcome as late.

    `lag` is the delay of the queue (ms).
    """
    state = plan.steps[change.step].state
    if isinstance(state, Batch):
        write_batch(state, change.bucket, change.content, store, outputs, now)
    elif state and not write_window(state, change.bucket, change.content, store, outputs, now, lag, backfill):
        _were_late(plan, change, outcome)


def _were_late(plan: Plan, change: Change, outcome: Outcome) -> None:
    state = plan.steps[change.step].state
    policy = "drop" if state is None or isinstance(state, Batch) else state.config.late
    outcome.counts[change.step].held -= len(change.members)
    for at in change.members:
        outcome.is_late(change.step, policy, change.chunk.payloads[at], change.chunk.events[at])


def fire(plan: Plan, key: Key, store: Store, outputs: Outputs, now: int, lag: int = 0) -> None:
    """Fire a timer. Keys of an earlier version of the definition need that version's plan."""
    step = plan.of_hash(key.step)
    match step.state if step else None:
        case Batch() as batch:
            fire_batch(batch, key, store, outputs, now)
        case SessionWindow() as window:
            fire_sessions(window, key, store, outputs, now, lag)
        case None:
            return
        case window:
            fire_window(window, key, store, outputs, now)


def resume(
    plan: Plan, key: Key, events: list[Event], state: Store, now: int, backfill: bool = False
) -> Iterator[Outcome]:
    """Run the output of a window or batch through the steps after it."""
    step = plan.of_hash(key.step)
    start = step.index + 1 if step else len(plan.steps)
    return transform_all(plan, events, state, now, start, backfill)
