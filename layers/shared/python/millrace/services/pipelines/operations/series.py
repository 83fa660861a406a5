"""A pipeline's metrics over time, from its minute buckets."""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from millrace.domain.access import Principal
from millrace.domain.clock import from_iso, iso
from millrace.domain.latency import summary
from millrace.errors import InvalidRequest
from millrace.services.pipelines.backpressure import WAITING_MS, total
from millrace.services.pipelines.context import PipelineContext
from millrace.stores.pipeline_metrics import MINUTE_MS, Minute

STEPS_SECONDS = (60, 300, 900, 3600)
MOST_POINTS = 720
LONGEST_MS = 7 * 86_400_000
USUAL_MS = 3_600_000
_USUAL_POINTS = 360
_SUMS = ("itemsProcessed", "itemsFiltered", "itemsOut", "itemsDelivered", "lateEvents", "deadLetters")
_QUEUED = Counter({"messagesAccepted": 1, "messagesReceived": -1, "jobsSent": 1, "jobsReceived": -1})


class Span(NamedTuple):
    """The time from `since` up to, but not including, `until`, in steps; all in milliseconds."""

    since: int
    until: int
    step: int

    def starts(self) -> range:
        """Return the starts of its steps."""
        return range(self.since, self.until, self.step)


def span_of(since: str | None, until: str | None, step: int | None, now: int) -> Span:
    """Return the requested span. The default is the last hour, in steps that make a readable chart.

    Raises `InvalidRequest` for a span that is empty, too long or too fine.
    """
    end = min(from_iso(until), now) if until else now
    start = from_iso(since) if since else end - USUAL_MS
    if not 0 <= start < end:
        raise InvalidRequest("`from` must be before `to` and before now.", code="invalid_time")
    if end - start > LONGEST_MS:
        raise InvalidRequest("Ask for at most 7 days.", code="invalid_time")
    size = _step(step, end - start)
    return Span(start // size * size, end, size)


def _step(given: int | None, length: int) -> int:
    if given is None:
        fitting = (one for one in STEPS_SECONDS if length <= one * 1000 * _USUAL_POINTS)
        return next(fitting, STEPS_SECONDS[-1]) * 1000
    if given not in STEPS_SECONDS:
        known = ", ".join(map(str, STEPS_SECONDS))
        raise InvalidRequest(f"step must be one of {known} (seconds).", code="invalid_query")
    if length > given * 1000 * MOST_POINTS:
        raise InvalidRequest(
            f"That is more than {MOST_POINTS} points: use a longer step.", code="invalid_query"
        )
    return given * 1000


class Series:
    """Metrics of pipelines over time."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context

    async def of(
        self, caller: Principal, pipeline_id: str, since: str | None, until: str | None, step: int | None
    ) -> dict[str, Any]:
        """Return `{from, to, step, points}`. Raises `NotFound`, and errors as `span_of` does."""
        now = self._context.clock()
        span = span_of(since, until, step, now)
        await self._context.pipelines.get(caller.organization, pipeline_id)
        # Messages that wait at the start were sent before it.
        minutes = await self._context.metrics.history(
            caller.organization, pipeline_id, span.since - WAITING_MS, span.until
        )
        return {
            "pipelineId": pipeline_id,
            "from": iso(span.since),
            "to": iso(span.until),
            "step": span.step // 1000,
            "points": points(span, minutes),
        }


def points(span: Span, minutes: Sequence[Minute]) -> list[dict[str, Any]]:
    """Return a point for each step.

    Counts are 0 if nothing happened; values that nobody measured are null.
    """
    waiting = _Waiting(span, minutes)
    steps: dict[int, list[Minute]] = {start: [] for start in span.starts()}
    for minute in minutes:
        if minute.start >= span.since:
            steps[minute.start // span.step * span.step].append(minute)
    return [_point(span, start, inside, waiting) for start, inside in steps.items()]


def _point(span: Span, start: int, minutes: list[Minute], waiting: "_Waiting") -> dict[str, Any]:
    counters = total(one.counters for one in minutes)
    end = min(start + span.step, span.until)
    return {
        "time": iso(start),
        **{name: counters[name] for name in _SUMS},
        "itemsFailed": counters["itemsFailed"] + counters["deliveriesFailed"],
        "throughput": round(counters["itemsProcessed"] * 1000 / (end - start), 3),
        "queueDepth": waiting.at(end),
        "latency": summary(counters),
        "backpressure": max((one.level for one in minutes if one.level is not None), default=None),
    }


class _Waiting:
    """Messages and deliveries that were enqueued and not received yet, by time.

    As for the backpressure, those older than a quarter of an hour are not counted.
    """

    def __init__(self, span: Span, minutes: Sequence[Minute]) -> None:
        first = (span.since - WAITING_MS) // MINUTE_MS
        net = [0] * (span.until // MINUTE_MS - first + 2)
        for minute in minutes:
            net[minute.start // MINUTE_MS - first] = sum(
                sign * minute.counters.get(name, 0) for name, sign in _QUEUED.items()
            )
        self._first = first
        self._sums = [0, *accumulate(net)]

    def at(self, moment: int) -> int:
        """Return the number at the end of the minute of this moment, or of the one before it."""
        end = -(-moment // MINUTE_MS) - self._first
        start = max(end - WAITING_MS // MINUTE_MS, 0)
        return max(self._sums[end] - self._sums[start], 0)
