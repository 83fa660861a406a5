"""Spans that only a run's log shows: steps of flows, and model calls cut off by a dead process.

They are created at the run's end from what the log still has (24 hours). Numbers in the log are consecutive
except after a takeover from a process that died. So a `rewind` after a gap revokes what a dead process sent.
A `rewind` without a gap is one that a process sent itself, and it has reported its model call.
"""

from collections.abc import Iterable, Iterator

from millrace.domain.clock import iso
from millrace.domain.events import TERMINAL, Event, LogEntry
from millrace.domain.projection import rewound_to
from millrace.domain.runs import Run
from millrace.services.runs.lost_usage import received
from millrace.services.traces.spans import Span, part_span

LOST = "process_lost"
"""The error of a model call whose process died."""
_SAID = frozenset({"token", "thinking", "status"})
"""The events of an unfinished model call; tool calls follow its end."""


def step_spans(end: Event, log: Iterable[LogEntry]) -> Iterator[Span]:
    """Yield the steps of a flow, each from its first beginning.

    A step that was in progress when the run ended ends with it.
    """
    begun: dict[str, LogEntry] = {}
    for entry in log:
        name = entry.event.get("step")
        if entry.type == "flow_step_start":
            begun.setdefault(str(name), entry)
        elif entry.type == "flow_step_complete" and (first := begun.pop(str(name), None)):
            yield _step(end, first, entry.at, "" if entry.event["ok"] else "step_failed")
    for first in begun.values():
        yield _step(end | {"time": end.get("completedAt") or end["time"]}, first, None, _end_error(end))


def _end_error(end: Event) -> str:
    return (end.get("error") or {}).get("code", "") if end["type"] == "run:error" else ""


def _step(end: Event, first: LogEntry, at: int | None, error: str) -> Span:
    event = end if at is None else end | {"time": iso(at)}
    attributes = {
        "gen_ai.operation.name": "flow_step",
        "millrace.flow.step": first.event["step"],
        "millrace.flow.step.kind": first.event["kind"],
        "millrace.flow.step.index": first.event["index"],
    }
    span = part_span(
        event, ("step", first.event["step"]), f"step {first.event['step']}", None, attributes, error
    )
    return span.since(first.at)


def cut_off_calls(run: Run, end: Event, log: Iterable[LogEntry]) -> Iterator[Span]:
    """Yield the model calls in progress when a process died, from the parts of their answers that it sent."""
    kept: list[LogEntry] = []
    seen = 0
    for entry in log:
        if entry.type == "rewind":
            after = rewound_to(entry)
            if entry.seq > seen + 1:
                yield from _cut_off(run, end, [one for one in kept if one.seq > after])
            kept = [one for one in kept if one.seq <= after]
        kept.append(entry)
        seen = entry.seq
    if kept and not any(one.type in TERMINAL and "parent" not in one.event for one in kept[-1:]):
        yield from _cut_off(run, end, _tail(kept))


def _tail(kept: list[LogEntry]) -> list[LogEntry]:
    """Return the last events that may belong to a model's answer."""
    start = len(kept)
    while start and kept[start - 1].type in _SAID:
        start -= 1
    return kept[start:]


def _cut_off(run: Run, end: Event, voided: list[LogEntry]) -> Iterator[Span]:
    callers: dict[str, list[LogEntry]] = {}
    for entry in voided:
        callers.setdefault(entry.event.get("parent", ""), []).append(entry)
    for parent, entries in callers.items():
        heard = [one for one in entries if one.type != "status"]
        if heard and heard[0].at and all(one.type in _SAID for one in entries):
            yield _call(run, end, parent, heard)


def _call(run: Run, end: Event, parent: str, heard: list[LogEntry]) -> Span:
    # The log does not record the model's name for sub-agents and flows.
    provider, _, model = ("" if parent else run.model).partition(":")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model or provider,
        "gen_ai.usage.output_tokens": received(heard),
        "millrace.usage.estimated": True,
    }
    event = end | {"time": iso(heard[-1].at)} | ({"parent": parent} if parent else {})
    name = f"chat {model or provider}".strip()
    part = ("cut off", str(heard[0].seq))
    return part_span(event, part, name, None, attributes, LOST, client=True).since(heard[0].at)
