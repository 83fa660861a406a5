"""The record of a run in the command center: the events seen so far, and its current state.

Events arrive at least once and in any order. An event's id is `<subject>:<n>` (a run's id and a count from
1), so that a few ranges of numbers represent all events that were seen. A run that has ended accepts no
second end.
"""

from typing import Any

from msgspec import Struct, field

from millrace.domain.clock import from_iso
from millrace.domain.command_center import DELETED, ENDS, EVENT_TYPES, TEXTS
from millrace.domain.events import Event
from millrace.domain.ids import valid_organization
from millrace.errors import InvalidRequest

OVER = frozenset({"completed", "failed", "stopped"})
RANGES = 200
MOST_CALLS = 500
"""The maximum number of a run's model calls that its record can find."""
MODEL_CALL = "run:llm_call"
_TEXTS = ("id", "type", "time", "organization")


class Subject(Struct):
    """A run (or another subject of events).

    `seen` has ranges `[first, last]` in order. `view` is what the snapshot shows to clients. `ended` says
    that its last event has been recorded. `texts` are the positions, in the organization's stream, of the
    events that repeat content of the run; once it is `deleted` there are none. `calls` are the positions of
    those about its latest model calls.
    """

    id: str
    seen: list[list[int]] = field(default_factory=list)
    view: dict[str, Any] = field(default_factory=dict)
    ended: bool = False
    tool_event: int = 0
    status_event: int = 0
    texts: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    deleted: bool = False

    @property
    def live(self) -> bool:
        """True while the snapshot shows the run, which is until it has ended."""
        return bool(self.view) and self.view["status"] not in OVER


def check_event(event: Any) -> Event:
    """Return an event that can be recorded. Raises `InvalidRequest` if it cannot."""
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in _TEXTS):
        raise InvalidRequest(f"An event needs the texts {', '.join(_TEXTS)}.", code="invalid_event")
    subject, number = split_id(event["id"])
    if not subject or number < 1 or not valid_organization(event["organization"]):
        raise InvalidRequest("An event's id must be <subject>:<number from 1>.", code="invalid_event")
    if event["type"] not in EVENT_TYPES or event["type"].startswith("alert:"):
        raise InvalidRequest(f"{event['type']!r:.80} is not recorded from the bus.", code="invalid_event")
    if event["type"].startswith("run:") and event.get("runId") != subject:
        raise InvalidRequest("A run event's id must begin with its runId.", code="invalid_event")
    from_iso(event["time"])
    return event


def split_id(event_id: str) -> tuple[str, int]:
    """Split an id, for example `run_01J:7` into `("run_01J", 7)`. The number is 0 if there is none."""
    subject, _, number = event_id.rpartition(":")
    return subject, int(number) if number.isascii() and number.isdigit() and len(number) <= 15 else 0


def apply(subject: Subject, event: Event) -> bool:
    """Apply an event to the run's record; return False if it was already applied, or is a second end."""
    number = split_id(event["id"])[1]
    if not add_number(subject.seen, number):
        return False
    if event["type"] in ENDS:
        if subject.ended:
            return False
        subject.ended = True
    if event["type"] == DELETED:
        subject.ended = subject.deleted = True
    if event["type"].startswith("run:"):
        _update_view(subject, event, number)
    return True


def as_recorded(subject: Subject, event: Event) -> Event:
    """Return the event as it may be recorded: without content if the run is deleted."""
    return without_texts(event) if subject.deleted else event


def without_texts(event: Event) -> Event:
    """Return the event without the content of its run."""
    return event | {name: None for name in TEXTS if name in event}


def has_texts(event: Event) -> bool:
    """Return whether the event has content of its run."""
    return any(event.get(name) for name in TEXTS)


def placed(subject: Subject, event: Event, number: int) -> None:
    """Note the event's position in the organization's stream, if it has to be found later."""
    if has_texts(event):
        subject.texts.append(number)
    if event["type"] == MODEL_CALL:
        subject.calls = [*subject.calls, number][-MOST_CALLS:]


def add_number(ranges: list[list[int]], number: int) -> bool:
    """Add a number to ordered ranges; return False if it is already there. If there are more than `RANGES`
    gaps, the oldest one counts as seen, as events that were lost that long ago do not arrive any more."""
    at = len(ranges)
    while at and ranges[at - 1][0] > number:
        at -= 1
    if at and ranges[at - 1][1] >= number:
        return False
    ranges.insert(at, [number, number])
    if at + 1 < len(ranges) and ranges[at + 1][0] == number + 1:
        ranges[at][1] = ranges.pop(at + 1)[1]
    if at and ranges[at - 1][1] == number - 1:
        ranges[at - 1][1] = ranges.pop(at)[1]
    if len(ranges) > RANGES:
        ranges[0][1] = ranges.pop(1)[1]
    return True


def _update_view(subject: Subject, event: Event, number: int) -> None:
    """Update the run by the event. Values that only grow never shrink, whatever the order of the events."""
    view = subject.view or _unknown(event)
    view["lastEventAt"] = max(view["lastEventAt"], event["time"])
    if event.get("agentName"):
        view["agentName"] = event["agentName"]
    if event["type"] in ("run:progress", *ENDS):
        view["tokens"] = _greater(view["tokens"], event.get("tokens"))
        view["cost"] = _greater(view["cost"], event.get("cost"))
    if event["type"] == "run:started":
        view["startedAt"] = event["run"]["startedAt"]
        view["model"] = event["run"].get("model", "")
    if event["type"] in ("run:tool_started", "run:tool_completed") and number > subject.tool_event:
        subject.tool_event = number
        view["tool"] = event.get("tool") if event["type"] == "run:tool_started" else None
    status = event.get("to") if event["type"] == "run:status_changed" else event.get("status")
    if event["type"] == DELETED:
        status = "stopped"  # the new state of a run that was active
    if isinstance(status, str) and _is_newer(subject, status, number):
        view["status"] = status
    subject.view = view


def _is_newer(subject: Subject, status: str, number: int) -> bool:
    """Return whether a status is the latest: a run may wait and continue, and its events arrive in any
    order."""
    if subject.view and subject.view["status"] in OVER:
        return False
    if status not in OVER and number < subject.status_event:
        return False
    subject.status_event = number
    return True


def _unknown(event: Event) -> dict[str, Any]:
    return {
        "runId": event["runId"],
        "agentId": event.get("agentId", ""),
        "agentName": "",
        "conversationId": event.get("conversationId"),
        "model": "",
        "status": "running",
        "startedAt": event["time"],
        "lastEventAt": event["time"],
        "tokens": None,
        "cost": None,
        "tool": None,
    }


def _greater(known: Any, reported: Any) -> Any:
    """Return the greater of two values; None if neither is known."""
    if not isinstance(reported, int | float):
        return known
    return reported if known is None else max(known, reported)
