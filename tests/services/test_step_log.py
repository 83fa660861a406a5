"""The steps of a run in its history: pieces of a thought are one step, with its duration."""

from millrace.domain import events
from millrace.domain.runs import Progress
from millrace.services.runs.steps import StepLog


def test_thought_has_the_time_from_its_first_piece_to_its_last() -> None:
    steps = StepLog()
    for at, text in ((1.0, "It "), (1.5, "turns"), (3.25, ".")):
        steps.watch(events.thinking(text), at)
    steps.watch(events.tool_call("t", "clock", {}), 9.0)
    steps.watch(events.thinking("Ah."), 10.0)
    thought, call, piece = steps.drain()
    assert thought == {"type": "thinking", "text": "It turns.", "durationMs": 2250}
    assert call["type"] == "tool_call"
    assert piece == {"type": "thinking", "text": "Ah."}


def test_thought_that_an_earlier_process_told_has_no_time_but_its_own() -> None:
    steps = StepLog()
    steps.watch(events.thinking("It "))
    steps.watch(events.thinking("turns."), 5.0)
    assert steps.drain() == [{"type": "thinking", "text": "It turns."}]
    steps.watch(events.thinking("It turns.") | {"durationMs": 2250})
    assert steps.drain() == [{"type": "thinking", "text": "It turns.", "durationMs": 2250}]


def test_progress_of_another_release_is_read() -> None:
    progress = Progress(iterations=1, first_token_ms=320)
    assert Progress.of(progress.to_item() | {"fromTheFuture": 1}) == progress
