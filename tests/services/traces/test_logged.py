"""Spans from a run's log: steps of flows, and interrupted model calls."""

from typing import Any

from millrace.domain import events
from millrace.domain.conversations import Slot
from millrace.domain.events import Event, LogEntry
from millrace.domain.runs import Run
from millrace.services.traces.logged import cut_off_calls, step_spans
from millrace.services.traces.spans import Span
from millrace.stores.event_log import encode

RUN = Run(
    "run_1",
    Slot("acme", "c1"),
    "clerk",
    "running",
    "2027-01-15T08:00:00.000Z",
    "msg_1",
    model="bedrock:claude",
)
END: Event = {
    "type": "run:error",
    "time": "2027-01-15T08:01:00.000Z",
    "completedAt": "2027-01-15T08:01:00.000Z",
    "organization": "acme",
    "runId": "run_1",
    "conversationId": "c1",
    "error": {"code": "tool_failed"},
}
NOON = 1_800_000_000_000


def log(*given: tuple[int, Event]) -> list[LogEntry]:
    """Entries by their numbers, a second apart."""
    return [encode(seq, event)._replace(at=NOON + 1000 * seq) for seq, event in given]


def rewind(after: int) -> Event:
    return events.rewind(f"run_1.{after}")


def cut_off(*given: tuple[int, Event]) -> list[Span]:
    return list(cut_off_calls(RUN, END, log(*given)))


START: Event = {"type": "start"}
DONE: Event = {"type": "done"}


def token(text: str, **more: Any) -> Event:
    return {"type": "token", "token": text} | more


def test_answer_that_a_dead_process_told_is_a_cut_off_call() -> None:
    [span] = cut_off(
        (1, START), (2, token("a b")), (3, token(" c")), (9, rewind(1)), (10, token("x")), (11, DONE)
    )
    assert (span.name, span.error, span.client) == ("chat claude", "process_lost", True)
    assert (span.start, span.end) == (NOON + 2000, NOON + 3000)
    assert "millrace.duration_unknown" not in span.attributes


def test_answer_that_a_process_took_back_itself_was_reported() -> None:
    assert cut_off((1, START), (2, token("a")), (3, rewind(1)), (4, token("x")), (5, DONE)) == []


def test_answer_that_had_ended_was_reported() -> None:
    call = {"type": "tool_call", "id": "1", "name": "pay", "arguments": {}}
    assert cut_off((1, START), (2, token("a")), (3, call), (9, rewind(1)), (10, DONE)) == []


def test_answers_of_an_agent_and_its_sub_agent_are_apart() -> None:
    heard = [(2, token("a")), (3, token("b", parent="call-1"))]
    found = cut_off((1, START), *heard, (9, rewind(1)), (10, DONE))
    assert len({span.parent for span in found}) == len({span.id for span in found}) == 2
    assert [span.name for span in found] == ["chat claude", "chat"]


def test_answer_at_the_end_of_a_run_that_nobody_took_over_is_a_cut_off_call() -> None:
    result = {"type": "tool_result", "id": "1", "name": "pay"}
    [span] = cut_off((1, START), (2, token("told")), (3, result), (4, token("a b c")))
    assert (span.start, span.end) == (NOON + 4000, NOON + 4000)


def step(kind: str, name: str, **more: Any) -> Event:
    return {"type": kind, "step": name, "kind": "agent", "index": 0} | more


def test_step_is_a_span_from_its_first_beginning_to_its_end() -> None:
    spans = list(
        step_spans(
            END,
            log(
                (1, step("flow_step_start", "a")),
                (2, step("flow_step_start", "a")),
                (5, step("flow_step_complete", "a", ok=True)),
                (6, step("flow_step_start", "b")),
                (8, step("flow_step_complete", "b", ok=False)),
                (9, step("flow_step_skipped", "c")),
                (10, step("flow_step_start", "d")),
            ),
        )
    )
    assert [(one.name, one.error) for one in spans] == [
        ("step a", ""),
        ("step b", "step_failed"),
        ("step d", "tool_failed"),
    ]
    assert (spans[0].start, spans[0].end) == (NOON + 1000, NOON + 5000)
    assert all(one.end >= one.start for one in spans)
