"""Tasks whose process is killed: another one continues, and every client ends with the same task."""

import httpx
import pytest

from tests.a2a.talk import Frame, answer_of, frames, message, states, stream
from tests.stack import RunningStack


@pytest.mark.timeout(120)
def test_task_of_a_killed_process_goes_on_and_loses_nothing(stack: RunningStack, chat: httpx.Client) -> None:
    chat.headers["a2a-version"] = "1.0"
    seen: list[Frame] = []

    def read_until_killed() -> None:
        body = message("/echo tools=1 tokens=150 delayMs=40\nword")
        with chat.stream("POST", "/a2a/echo/message:stream", json=body) as response:
            for event in frames(response):
                seen.append(event)
                if len(seen) == 20:
                    assert stack.kill("A2aFunction") > 0

    with pytest.raises(httpx.RemoteProtocolError):
        read_until_killed()
    task = seen[0].data["task"]["id"]
    last = next(event.id for event in reversed(seen) if event.id)
    rest = stream(chat, "POST", f"/a2a/echo/tasks/{task}:subscribe", headers={"last-event-id": last})
    late = stream(chat, "GET", f"/api/a2a/tasks/{task}/stream")
    assert states(rest)[-1] == "COMPLETED"
    assert answer_of(rest).split() == answer_of(late).split() == ["word"] * 150
