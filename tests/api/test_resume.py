"""Resuming and attaching: the remaining events, each once and in order, from any process."""

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest

from millrace.api.conversation_app import create_app
from millrace.domain.clock import now_ms
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.api.talk import STREAM, attach, error_of, say, saying, until_ends
from tests.continuing import after_the_lease, settled_view, taken_elsewhere
from tests.serving import served
from tests.sse import Sent, read_events

STEERED = "/echo tools=2 toolMs=150 delayMs=60 tokens=6\nword"
#: Goes on for longer than a viewer needs to come, also on a busy machine.
LASTING = "/echo tools=2 toolMs=1500 delayMs=60 tokens=6\nword"


def without_heartbeats(events: list[Sent]) -> list[Sent]:
    return [event for event in events if event.data["type"] != "heartbeat"]


@pytest.fixture
def elsewhere(settings: Settings, chat: httpx.Client) -> Iterator[httpx.Client]:
    """The same deployment as another process sees it: nothing shared but AWS."""
    with served(create_app(settings, Platform.make(settings))) as url:
        with httpx.Client(base_url=url, headers=chat.headers, timeout=30) as client:
            yield client


def wait_until_logged(chat: httpx.Client, run_id: str, kind: str) -> None:
    """A viewer sees only what is in the log."""
    with chat.stream("GET", f"/api/runs/{run_id}/stream", headers=STREAM) as response:
        assert any(event.data["type"] == kind for event in read_events(response.iter_lines()))


@pytest.mark.parametrize("cut_after", range(1, 17))
def test_client_cut_at_any_event_gets_exactly_the_rest(
    chat: httpx.Client, elsewhere: httpx.Client, cut_after: int
) -> None:
    seen: list[Sent] = []
    with saying(chat, STEERED) as events:
        for event in events:
            seen.append(event)
            if len(seen) == cut_after:
                break
    run_id = seen[0].data["runId"]
    rest = attach(elsewhere, f"/api/runs/{run_id}/stream", **{"last-event-id": str(seen[-1].id)})
    whole = attach(elsewhere, f"/api/runs/{run_id}/stream")
    together = without_heartbeats(seen + rest)
    assert [event.seq for event in together] == list(range(1, len(together) + 1))
    assert together == without_heartbeats(whole)
    assert together[-1].data["type"] == "done"


def test_viewers_see_the_same_as_the_sender_while_it_runs(
    chat: httpx.Client, elsewhere: httpx.Client
) -> None:
    views: list[list[Sent]] = []

    def view(client: httpx.Client, path: str) -> None:
        views.append(until_ends(client, path, 1))

    with saying(chat, LASTING) as events:
        first = next(events)
        run_id = first.data["runId"]
        paths = (
            f"/api/runs/{run_id}/stream",
            "/api/conversations/c1/stream",
            "/api/conversations/c1/messages?stream=true",
        )
        viewers = [threading.Thread(target=view, args=(elsewhere, path)) for path in paths]
        for viewer in viewers:
            viewer.start()
        sent = [first, *events]
    for viewer in viewers:
        viewer.join(30)
    assert len(views) == 3
    assert all(without_heartbeats(view) == without_heartbeats(sent) for view in views)


def test_every_way_to_name_the_last_event_works_alike(chat: httpx.Client) -> None:
    events = say(chat, "hello")
    path = f"/api/runs/{events[0].data['runId']}/stream"
    rest, third = events[3:], events[2].id
    assert third == f"{events[0].data['runId']}.3"
    for last in (third, "3"):  # the path names the run, so the number is enough
        assert attach(chat, f"{path}?after={last}") == rest
        assert attach(chat, f"{path}?lastEventId={last}") == rest
        assert attach(chat, path, **{"last-event-id": last}) == rest
    assert attach(chat, f"{path}?after=0") == events


def test_stream_is_empty_after_the_end(chat: httpx.Client) -> None:
    events = say(chat, "hello")
    run_id = events[0].data["runId"]
    last = {"last-event-id": str(events[-1].id)}
    assert chat.get(f"/api/runs/{run_id}/stream", headers=STREAM | last).status_code == 204
    assert chat.get("/api/conversations/c1/messages", headers=STREAM | last).status_code == 204
    assert error_of(chat.get("/api/runs/run_nothing/stream")) == (404, "run_not_found")
    assert error_of(chat.get("/api/runs/a%23b/stream")) == (404, "run_not_found")


def test_post_with_last_event_id_resumes_and_starts_no_second_run(
    chat: httpx.Client, elsewhere: httpx.Client
) -> None:
    body = {"agentId": "echo", "content": LASTING}
    with saying(chat, LASTING) as events:
        seen = [next(events), next(events)]
    path = "/api/conversations/c1/messages"
    with elsewhere.stream(
        "POST", path, json=body, headers=STREAM | {"last-event-id": str(seen[-1].id)}
    ) as response:
        rest = without_heartbeats(list(read_events(response.iter_lines())))
    assert [event.seq for event in seen + rest] == list(range(1, len(rest) + 3))
    again = elsewhere.post(path, json=body, headers=STREAM | {"last-event-id": str(rest[-1].id)})
    assert again.status_code == 204
    questions = [
        m for m in chat.get(path).json()["items"] if m["role"] == "user" and "text" in m["content"][0]
    ]
    assert len(questions) == 1


def test_run_goes_on_when_its_client_goes_away(chat: httpx.Client, elsewhere: httpx.Client) -> None:
    with saying(chat, STEERED) as events:
        run_id = next(events).data["runId"]
    assert attach(elsewhere, f"/api/runs/{run_id}/stream")[-1].data["type"] == "done"
    assert elsewhere.get(f"/api/runs/{run_id}").json()["state"] == "completed"


def test_viewer_of_less_detail_sees_less_also_from_the_log(chat: httpx.Client) -> None:
    run_id = say(chat, "hello")[0].data["runId"]
    path = f"/api/runs/{run_id}/stream"
    assert {e.data["type"] for e in attach(chat, f"{path}?detail=answer")} == {"start", "token", "done"}
    full = attach(chat, f"{path}?detail=full")
    assert [e.data["result"] for e in full if e.data["type"] == "tool_result"] == ["hello"]


def continue_lost(settings: Settings, organization: str, run_id: str) -> None:
    """Another process takes the run, by whose clock its lease is over; `tests/e2e` kills a real one."""

    async def go_on() -> None:
        stores = Stores.connect(settings, clock=after_the_lease(now_ms))
        await taken_elsewhere(settings, stores, organization, run_id)

    asyncio.run(go_on())


def test_lost_run_is_continued_and_every_client_ends_with_the_same_view(
    settings: Settings, chat: httpx.Client, organization: str
) -> None:
    with saying(chat, "/echo tools=1 tokens=60 delayMs=120\nword") as events:
        run_id = next(events).data["runId"]
        path = f"/api/runs/{run_id}/stream"
        wait_until_logged(chat, run_id, "token")
        continue_lost(settings, organization, run_id)
        left = without_heartbeats(list(events))  # its own process finds out and writes no more
    assert left[-1].data["type"] == "token"
    found = attach(chat, path)
    assert [event.data["type"] for event in found].count("rewind") == 1
    numbers = [event.seq for event in found]
    assert numbers == sorted(set(numbers))
    rest = attach(chat, path, **{"last-event-id": str(left[-1].id)})
    assert rest[0].data["type"] == "rewind"
    assert rest[0].seq > left[-1].seq  # no number that was seen is given again
    begun = [event for event in found if event.data["type"] == "start"]
    view = [event.data for event in settled_view(found)]
    assert [event.data for event in settled_view([*begun, *left, *rest])] == view
    said = "".join(data["token"] for data in view if data["type"] == "token")
    assert said.split() == ["word"] * 60
    assert [data["type"] for data in view].count("tool_result") == 1
    ended = chat.get(f"/api/runs/{run_id}").json()
    assert (ended["state"], ended["error"]) == ("completed", None)
    assert ended["usage"]["estimated"] is True  # the turn that was lost is part of it
    history = chat.get("/api/conversations/c1/messages").json()["items"]
    assert history[-1]["content"] == [{"text": said}]
    assert [step["type"] for one in history for step in one.get("steps", [])].count("tool_result") == 1
    assert say(chat, "/echo tools=0\ngoes on")[-1].data["type"] == "done"


def test_message_to_a_lost_run_finds_it_busy_and_may_interrupt_it(
    settings: Settings, chat: httpx.Client
) -> None:
    later = Stores.connect(settings, clock=after_the_lease(now_ms))
    with served(create_app(settings, Platform.make(settings, later))) as url:
        with httpx.Client(base_url=url, headers=chat.headers, timeout=30) as elsewhere:
            with saying(chat, "/echo toolMs=60000\nword") as events:
                lost = next(events).data["runId"]
                message = {"agentId": "echo", "content": "/echo tools=0\nnext"}
                refused = elsewhere.post("/api/conversations/c1/messages", json=message)
                assert error_of(refused) == (409, "run_active")
                said = say(elsewhere, "/echo tools=0\nnext", ifBusy="interrupt")
                assert said[-1].data["type"] == "done"
                list(events)
            ended = elsewhere.get(f"/api/runs/{lost}").json()
            assert (ended["state"], ended["finishReason"]) == ("stopped", "interrupted")


def test_agents_visibility_caps_what_a_viewer_may_ask_for(
    chat: httpx.Client, management: httpx.Client
) -> None:
    shy = {"id": "shy", "name": "Shy", "model": "echo:", "tools": ["echo_tool"], "visibility": "answer"}
    assert management.post("/api/agents", json=shy).status_code == 201
    run_id = say(chat, "hello", agentId="shy")[0].data["runId"]
    seen = attach(chat, f"/api/runs/{run_id}/stream?detail=full")
    assert {event.data["type"] for event in seen} == {"start", "token", "done"}
