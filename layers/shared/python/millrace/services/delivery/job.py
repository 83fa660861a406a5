"""A delivery job: events for one destination of one version of a pipeline, as one SQS message.

Like the messages of the other queues it names its kind in the field `type`.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, structs

from millrace.domain.portions import portions
from millrace.errors import InvalidRequest
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event
from millrace.pipelines.limits import DESTINATIONS, OUTPUT_BYTES
from millrace.stores.queues import MESSAGE_BYTES

EVENTS = 1_000
_ROOM = MESSAGE_BYTES - 3_000  # the rest is the job's own fields

Text = Annotated[str, Meta(min_length=1, max_length=512)]
Count = Annotated[int, Meta(ge=0)]
Ms = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


class JobEvent(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One of a pipeline's outputs: `time` is when it happened, `ingested` when it was accepted (ms)."""

    id: Text
    payload: dict[str, Any]
    time: Annotated[int, Meta(ge=-62_135_596_800_000, le=253_402_300_799_999)] = 0
    ingested: Ms = 0
    source: str = ""
    type: str = ""
    window: dict[str, Any] | None = None
    hops: Count = 0
    sequence: str = ""


class Job(Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="type", tag="job", kw_only=True):
    """`destination` counts from 0. `attempt` is how often it was tried before, `sends` how often
    it was put on the queue again, for whatever reason; `notBefore` and `createdAt`
    are epoch milliseconds."""

    organization: Text
    pipeline_id: Text
    definition_version: Annotated[int, Meta(ge=1)]
    destination: Annotated[int, Meta(ge=0, lt=DESTINATIONS)]
    created_at: Ms
    attempt: Count = 0
    sends: Count = 0
    not_before: Ms = 0
    events: Annotated[list[JobEvent], Meta(min_length=1, max_length=EVENTS)]

    def encode(self) -> str:
        """The message's body."""
        return msgspec.json.encode(self).decode()

    def pipeline_events(self) -> list[Event]:
        """The events as pipelines know them."""
        return [
            Event(
                each.payload,
                each.id,
                each.source,
                each.type,
                each.time,
                each.ingested,
                self.pipeline_id,
                each.window,
                hops=each.hops,
                sequence=each.sequence,
            )
            for each in self.events
        ]


_DECODER = msgspec.json.Decoder(Job)
_EVENT_DECODER = msgspec.json.Decoder(JobEvent)


def read_job(body: str) -> Job:
    """Return the job of a message, also of one from before jobs named their kind. Raises `InvalidRequest`
    for what is no job."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidRequest(f"The message is no delivery job: {error}", code="invalid_message") from None


def jobs_of(job: Job, events: Iterable[Event]) -> tuple[list[Job], list[tuple[Event, EvaluationError]]]:
    """Pack a pipeline's outputs into jobs like `job`, whose own events do not matter.

    A job fills one message; an event that is larger than a message is a job by itself. Also returned are the
    events that can be in none, with the reason.
    """
    fitting: list[tuple[JobEvent, int]] = []
    refused: list[tuple[Event, EvaluationError]] = []
    for event in events:
        try:
            fitting.append(_measured(event))
        except EvaluationError as error:
            refused.append((event, error))
    groups = portions(fitting, itemgetter(1), _ROOM, EVENTS)
    return [structs.replace(job, events=[one for one, _ in group]) for group in groups], refused


def _measured(event: Event) -> tuple[JobEvent, int]:
    """The event as it stands in a job, and its bytes there. Raises `EvaluationError` for one that is too
    large or cannot be written (an id beyond 512 characters, half of a surrogate pair)."""
    one = job_event(event)
    size = len(_written(one)) + 1
    if size > OUTPUT_BYTES:
        raise EvaluationError(
            f"The output has {size:,} bytes as JSON; {OUTPUT_BYTES:,} are allowed.", code="too_large"
        )
    return one, size


def _written(event: JobEvent) -> bytes:
    """Return an event as JSON. Raises `EvaluationError` for one that `read_job` would refuse."""
    try:
        written = msgspec.json.encode(event)
        _EVENT_DECODER.decode(written)
    except (ValueError, TypeError) as error:
        # The error of a value may quote it; that of a rule says which it is.
        reason = error if isinstance(error, msgspec.ValidationError) else type(error).__name__
        raise EvaluationError(f"The output cannot be written as JSON: {reason}.", code="not_json") from None
    return written


def job_event(event: Event) -> JobEvent:
    """An output as it stands in a job."""
    return JobEvent(
        id=event.id,
        payload=event.payload,
        time=event.time,
        ingested=event.ingested,
        source=event.source,
        type=event.type,
        window=event.window,
        hops=event.hops,
        sequence=event.sequence,
    )
