"""Messages of the queues that all pipelines share. In their JSON, the field `type` names their kind.

Two kinds on the ingest queue have no such field, because others write them: an event of the bus, as
EventBridge sends it, and `{organization, pipelineId, event}`, which an operator's own rule makes of one.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import msgspec
import orjson
from msgspec import Struct, structs

from millrace.domain.json_bytes import kept_json
from millrace.domain.pipelines import Address
from millrace.domain.portions import portions
from millrace.errors import InvalidRequest
from millrace.pipelines.event import UnreadEvent
from millrace.services.pipelines.event_records import EventRecord
from millrace.stores.queues import escaped_size

EVENTS_PER_MESSAGE = 200
BYTES_PER_MESSAGE = 200 * 1024


class Addressed(Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="type"):
    """A message for one pipeline."""

    organization: str
    pipeline_id: str

    @property
    def address(self) -> Address:
        return self.organization, self.pipeline_id


class Events(Addressed, tag="events", frozen=True):
    """Events to process, from the step `start` on if given, by the definition `version`.

    `again` counts how often there was no time for them.
    """

    events: list[UnreadEvent] = []
    start: int | None = None
    version: int | None = None
    again: int = 0


class OperatorEvent(Addressed, tag="event", frozen=True):
    """An EventBridge event from any source, for one pipeline."""

    event: Any


class Tick(Addressed, tag="tick", frozen=True):
    """A schedule fires. `time` (ISO 8601) is when it was due."""

    time: str


class ProcessEntry(Addressed, tag="entry", frozen=True):
    """Process an entry of the journal, by the definition `version` or the current one.

    The first `after` events are already done. `waiting` means that it arrived while the pipeline was paused.
    """

    position: str
    key: str = ""
    waiting: bool = False
    version: int | None = None
    after: int | None = None


class Replay(Addressed, tag="replay", frozen=True):
    """Process events accepted from `since` up to, not including, `until` (epoch ms), after a position."""

    since: int
    until: int
    version: int | None = None
    after: str = ""


class RedrivePage(Addressed, tag="redrive", frozen=True):
    """Send a page of a redrive. `waits` counts how often its pipeline was paused."""

    id: str
    page: int
    waits: int = 0


class Drain(Addressed, tag="drain", frozen=True):
    """Process entries that waited while the pipeline was paused, after a position, until none is left."""

    after: str = ""
    round: int = 0


class Purge(Addressed, tag="purge", frozen=True):
    """Delete the dead letters of a deleted pipeline, after an id."""

    after: str = ""


class BusEvent(Struct, frozen=True):
    """An event of the bus, as EventBridge sends it."""

    envelope: dict[str, Any]


class FireTimer(Struct, frozen=True, tag_field="type", tag="fire"):
    """A window or batch may be due. `at` is the time (epoch ms)."""

    key: str
    at: int


class StopPipeline(Addressed, tag="stop", frozen=True):
    """Fire what a stopped pipeline still holds, in rounds."""

    round: int = 1


Command: TypeAlias = ProcessEntry | Replay | RedrivePage | Drain | Purge
IngestMessage: TypeAlias = BusEvent | OperatorEvent | Events | Tick | Command
TimerMessage: TypeAlias = FireTimer | StopPipeline
_Tagged: TypeAlias = OperatorEvent | Events | Tick | Command
# msgspec writes the tag first, so the beginning of the text identifies our messages without parsing them
# twice.
_OURS = '{"type":"'
_TIMERS = (_OURS + "fire", _OURS + "stop")
_DECODER: msgspec.json.Decoder[_Tagged] = msgspec.json.Decoder(_Tagged)
_TIMER_DECODER: msgspec.json.Decoder[TimerMessage] = msgspec.json.Decoder(TimerMessage)


def encode(message: Addressed | FireTimer) -> str:
    """Return the body of a message."""
    return msgspec.json.encode(message).decode()


def ingest_message(text: str) -> IngestMessage:
    """Return the message in a body of the ingest queue.

    Our own messages are decoded directly, without a dict for each event. Raises `InvalidRequest`, and
    `ValueError` for invalid JSON.
    """
    foreign = None if text.startswith(_OURS) else _foreign_message(orjson.loads(text))
    if foreign is not None:
        return foreign
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise _invalid(error) from error


def _foreign_message(body: Any) -> IngestMessage | None:
    """Return a message written by others, or None for one of ours."""
    if isinstance(body, dict) and "detail-type" in body:
        return BusEvent(body)
    if not isinstance(body, dict) or "event" not in body:
        return None
    try:
        found: _Tagged = msgspec.convert({"type": "event"} | body, _Tagged)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error
    return found


def is_timer(body: str) -> bool:
    """Return whether a body on the ingest queue is a timer. Only we write them."""
    return body.startswith(_TIMERS)


def timer_message(body: str) -> TimerMessage:
    """Return the message in a timer's body. Raises as `ingest_message` does."""
    try:
        return _TIMER_DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise _invalid(error) from error


def _invalid(error: msgspec.DecodeError) -> InvalidRequest:
    return InvalidRequest(f"The message is not valid: {error}.", code="invalid_message")


def pack(head: Events, events: Iterable[EventRecord]) -> Iterator[str]:
    """Yield messages like `head` with at most 200 events and 200 KB (a single event may be larger)."""
    written = map(kept_json, events)
    for portion in portions(written, _size, BYTES_PER_MESSAGE, EVENTS_PER_MESSAGE):
        # The measured bytes are sent as they are, so that no event is encoded a second time.
        yield encode(structs.replace(head, events=list(map(msgspec.Raw, portion))))


def _size(event: bytes) -> int:
    """Return the size in bytes of an event in a message, with its comma."""
    return escaped_size(event) + 1
