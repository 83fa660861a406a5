"""A delivery job: events for one destination of one version of a pipeline, as one SQS message.

As in the messages of the other queues, the field `type` names its kind.
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
_ROOM = MESSAGE_BYTES - 3_000  # the rest is for the job's own fields

Text = Annotated[str, Meta(min_length=1, max_length=512)]
Count = Annotated[int, Meta(ge=0)]
Ms = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


class JobEvent(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An output of a pipeline. `time` is when it happened, `ingested` when it was accepted (ms)."""

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
    """A job for one destination, counted from 0.

    `attempt` is the number of earlier tries, and `sends` how often it was enqueued again for any reason.
    `notBefore` and `createdAt` are epoch milliseconds.
    """

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
        """Return the message's body."""
        return msgspec.json.encode(self).decode()

    def pipeline_events(self) -> list[Event]:
        """Return the events in the form that pipelines use."""
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
    """Return the job of a message, also of an older one without `type`. Raises `InvalidRequest`."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidRequest(f"The message is not a delivery job: {error}", code="invalid_message") from None


def jobs_of(job: Job, events: Iterable[Event]) -> tuple[list[Job], list[tuple[Event, EvaluationError]]]:
    """Pack a pipeline's outputs into jobs like `job`, whose own events are ignored.

    A job fills one message; an event larger than a message is a job by itself. Also return the events that
    fit no job, with the reasons.
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
    """Return the event as in a job, and its size there.

    Raises `EvaluationError` if it is too large or cannot be encoded (an id over 512 characters, an unpaired
    surrogate).
    """
    one = job_event(event)
    size = len(_written(one)) + 1
    if size > OUTPUT_BYTES:
        raise EvaluationError(
            f"The output has {size:,} bytes as JSON; {OUTPUT_BYTES:,} are allowed.", code="too_large"
        )
    return one, size


def _written(event: JobEvent) -> bytes:
    """Return an event as JSON. Raises `EvaluationError` if `read_job` would refuse it."""
    try:
        written = msgspec.json.encode(event)
        _EVENT_DECODER.decode(written)
    except (ValueError, TypeError) as error:
        # An error about a value may quote it, so only a validation error's text is included.
        reason = error if isinstance(error, msgspec.ValidationError) else type(error).__name__
        raise EvaluationError(f"The output cannot be written as JSON: {reason}.", code="not_json") from None
    return written


def job_event(event: Event) -> JobEvent:
    """Return an output as in a job."""
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
