"""A delivery job: events for one destination of one version of a pipeline, as one SQS message."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Annotated, Any

from pydantic import Field, ValidationError

from millrace.domain.portions import portions
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.model import Model
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event
from millrace.pipelines.limits import DESTINATIONS, OUTPUT_BYTES
from millrace.stores.queues import MESSAGE_BYTES

EVENTS = 1_000
_ROOM = MESSAGE_BYTES - 3_000  # the rest is the job's own fields

Text = Annotated[str, Field(min_length=1, max_length=512)]
Ms = Annotated[int, Field(ge=0, le=253_402_300_799_999)]


class JobEvent(Model):
    """One of a pipeline's outputs: `time` is when it happened, `ingested` when it was accepted (ms)."""

    id: Text
    payload: dict[str, Any]
    time: Annotated[int, Field(ge=-62_135_596_800_000, le=253_402_300_799_999)] = 0
    ingested: Ms = 0
    source: str = ""
    type: str = ""
    window: dict[str, Any] | None = None
    hops: Annotated[int, Field(ge=0)] = 0
    sequence: str = ""


class Job(Model):
    """`destination` counts from 0. `attempt` is how often it was tried before, `sends` how often
    it was put on the queue again, for whatever reason; `notBefore` and `createdAt`
    are epoch milliseconds."""

    organization: Text
    pipeline_id: Text
    definition_version: Annotated[int, Field(ge=1)]
    destination: Annotated[int, Field(ge=0, lt=DESTINATIONS)]
    created_at: Ms
    attempt: Annotated[int, Field(ge=0)] = 0
    sends: Annotated[int, Field(ge=0)] = 0
    not_before: Ms = 0
    events: Annotated[list[JobEvent], Field(min_length=1, max_length=EVENTS)]

    def encode(self) -> str:
        """The message's body."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True)

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


def read_job(body: str) -> Job:
    """Raises `InvalidRequest` for what is no job."""
    try:
        return Job.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest(f"The message is no delivery job: {_reason(error)}") from None


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
    return [job.model_copy(update={"events": [one for one, _ in group]}) for group in groups], refused


def _measured(event: Event) -> tuple[JobEvent, int]:
    """The event as it stands in a job, and its bytes there. Raises `EvaluationError` for one that is too
    large or cannot be written (an id beyond 512 characters, half of a surrogate pair)."""
    try:
        one = job_event(event)
        size = len(one.model_dump_json(by_alias=True).encode()) + 1
    except ValueError as error:
        raise EvaluationError(
            f"The output cannot be written as JSON: {_reason(error)}.", code="not_json"
        ) from None
    if size > OUTPUT_BYTES:
        raise EvaluationError(
            f"The output has {size:,} bytes as JSON; {OUTPUT_BYTES:,} are allowed.", code="too_large"
        )
    return one, size


def _reason(error: ValueError) -> str:
    """Return the reason of the error, without the value."""
    if not isinstance(error, ValidationError):
        return type(error).__name__
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


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
