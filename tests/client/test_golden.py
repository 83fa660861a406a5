"""Both clients derive the same state from the same events: the golden files are their contract."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.client import RunState
from tests.effort import effort, soak

GOLDEN = Path(__file__).parents[2] / "sdk" / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.jsonl"))


def events_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]


def state_of(received: list[dict[str, Any]]) -> dict[str, Any]:
    state = RunState()
    for one in received:
        state.apply(one["event"], one["id"])
    return json.loads(json.dumps(state.to_wire()))  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", NAMES)
def test_events_lead_to_the_state_of_the_file(name: str) -> None:
    assert state_of(events_of(name)) == json.loads((GOLDEN / f"{name}.json").read_text())


def is_of_one_run(name: str) -> bool:
    """Return whether every event has an id of the same run, so that any of them may come again."""
    ids = [str(one["id"]) for one in events_of(name)]
    return "None" not in ids and len({id.rpartition(".")[0] for id in ids}) == 1


@soak
@settings(max_examples=effort(100, 5_000), deadline=None)
@given(name=st.sampled_from([name for name in NAMES if is_of_one_run(name)]), data=st.data())
def test_events_that_come_again_change_nothing(name: str, data: st.DataObject) -> None:
    events = events_of(name)
    received: list[dict[str, Any]] = []
    seen = 0
    for end in [*data.draw(st.lists(st.integers(0, len(events)), max_size=4)), len(events)]:
        start = data.draw(st.integers(0, seen))
        received += events[start:end]
        seen = max(seen, end if start < end else 0)
    assert state_of(received) == json.loads((GOLDEN / f"{name}.json").read_text())


def test_state_knows_the_calls_that_wait() -> None:
    state = RunState()
    for one in events_of("waiting"):
        state.apply(one["event"], one["id"])
    assert [(part.call_id, part.prompt) for part in state.waiting] == [("call_1", "Which?")]
