"""A run that outlasts its functions' time limit, in real time (`tests/services/test_handover.py` is the short
form)."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.talk import STREAM, attach, saying
from tests.aws import TEMPLATE
from tests.continuing import settled_view
from tests.effort import SOAKING, soak
from tests.sse import Sent, answer, read_events
from tests.stack import RunningStack

LIMIT_SECONDS = 60
ROUNDS, ROUND_MS, TOKENS = 72, 8_000, 300
"""Together ten minutes, with the answer's half a minute."""


@pytest.fixture
def hasty_stack(tmp_path: Path) -> Iterator[RunningStack]:
    """The stack with functions of agents that may run for a minute, instead of a quarter of an hour."""
    for part in ("functions", "layers"):
        (tmp_path / part).symlink_to(TEMPLATE.parent / part)
    whole = TEMPLATE.read_text()
    assert whole.count("Timeout: 900") >= 2
    template = tmp_path / "template.yaml"
    template.write_text(whole.replace("Timeout: 900", f"Timeout: {LIMIT_SECONDS}"))
    running = RunningStack(("--template", str(template)))
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


@soak
@pytest.mark.skipif(not SOAKING, reason="takes ten minutes: make soak")
@pytest.mark.timeout(1_200)
def test_run_of_ten_minutes_goes_through_functions_of_one_and_its_client_sees_each_event_once(
    hasty_stack: RunningStack,
) -> None:
    headers = hasty_stack.headers("hasty")
    with httpx.Client(base_url=hasty_stack.url, headers=headers, timeout=90) as chat:
        seen, connections = read_to_the_end(chat)
        events = [event for event in seen if event.id is not None]
        late = [event for event in attach(chat, f"/api/runs/{events[0].run_id}/stream") if event.id]
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))
    view = [event.data for event in settled_view(events)]
    assert [event.data for event in settled_view(late)] == view
    assert [data["type"] for data in view].count("start") == 1
    for kind in ("tool_call", "tool_result"):
        ids = [data["id"] for data in view if data["type"] == kind]
        assert len(ids) == len(set(ids)) == ROUNDS
    assert answer(event for event in settled_view(events)).split() == ["word"] * TOKENS
    assert view[-1]["type"] == "done"
    assert view[-1]["durationMs"] >= 600_000
    print(f"{connections} connections, {len(events)} events, {view[-1]['durationMs'] / 1000:.0f} s")
    assert connections >= 600 // LIMIT_SECONDS


def read_to_the_end(chat: httpx.Client) -> tuple[list[Sent], int]:
    """Begin the run and follow it as `EventSource` does; all events and the number of connections."""
    content = f"/echo tools={ROUNDS} toolMs={ROUND_MS} think=1 tokens={TOKENS} delayMs=100\nword"
    with saying(chat, content) as events:
        seen = list(events)
    connections = 1
    while seen[-1].data["type"] != "done":
        threading.Event().wait(1)
        connections += 1
        last = next(event.id for event in reversed(seen) if event.id)
        path = "/api/conversations/c1/messages?stream=true"
        with chat.stream("GET", path, headers=STREAM | {"last-event-id": last}) as response:
            assert response.status_code == 200, response.read()
            seen += read_events(response.iter_lines())
    return seen, connections
