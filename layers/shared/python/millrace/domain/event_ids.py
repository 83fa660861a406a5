"""Ids of events, as clients see and return them: `<runId>.<seq>`."""

from typing import NamedTuple

from millrace.domain.ids import valid_id
from millrace.errors import InvalidRequest

MAX_SEQ = 10**11 - 1
_DIGITS = len(str(MAX_SEQ))
_NO_RUN = "none"


class EventId(NamedTuple):
    """The event `seq` of a run, after which a stream is resumed. A run id contains no dot.

    Without a run it is the beginning of a conversation, before its first run (`none.0` in JSON); the number
    `MAX_SEQ` stands for the time after a run.
    """

    run_id: str | None
    seq: int

    def __str__(self) -> str:
        return f"{self.run_id or _NO_RUN}.{self.seq}"


def parse_event_id(text: str) -> EventId:
    """Return the event in a client's id of run and number. Raises `InvalidRequest`."""
    run_id, dot, number = text.rpartition(".")
    if not dot:
        raise InvalidRequest(
            "A number alone does not say which run is meant; send the whole id of the last event, "
            "<runId>.<number>, or no id to start with the active run.",
            code="invalid_query",
        )
    if not valid_id(run_id) or "." in run_id:
        raise _invalid()
    return EventId(None if run_id == _NO_RUN else run_id, parse_seq(number))


def parse_event_id_of(text: str, run_id: str) -> int:
    """Return the number of an event of one run, from its id or from the number alone. Raises
    `InvalidRequest`."""
    if "." not in text:
        return parse_seq(text)
    found = parse_event_id(text)
    if found.run_id != run_id:
        raise InvalidRequest(
            f"The event id {text} does not belong to the run {run_id}; read the stream of its own run.",
            code="invalid_query",
        )
    return found.seq


def parse_seq(text: str) -> int:
    """Return an event's number. Raises `InvalidRequest`."""
    # isdigit() alone also accepts characters such as ², which int() does not read.
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise _invalid()
    return int(text)


def _invalid() -> InvalidRequest:
    return InvalidRequest(
        "The event id is not valid. Send the id of the last event as it came: <runId>.<number>.",
        code="invalid_query",
    )
