"""Event ids name their run: resuming on every path across consecutive runs, and early subscribers."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest
from msgspec.structs import replace

from millrace.api import sse
from millrace.domain.access import Principal
from millrace.domain.conversations import Slot
from millrace.domain.event_ids import EventId
from millrace.services.runs import subscribe as subscriptions
from millrace.services.runs.platform import Platform
from millrace.services.runs.subscribe import subscribe
from millrace.stores.dynamo import Dynamo
from millrace.stores.runs import stream_of
from tests.api.talk import STREAM, attach, error_of, say, saying, until_ends
from tests.sse import Sent, read_events
from tests.tokens import Issuer

BASE = "/api/conversations/c1"
SHORT = "/echo tools=0 tokens=2\nword"


def ids(events: list[Sent]) -> list[str | None]:
    return [event.id for event in events if event.data["type"] != "heartbeat"]


@pytest.fixture
def two_runs(chat: httpx.Client) -> tuple[list[Sent], list[Sent]]:
    """All events of two runs of one conversation, one after the other."""
    return say(chat, SHORT), say(chat, SHORT)


def resume(chat: httpx.Client, path: str, last: str | None) -> list[Sent]:
    return attach(chat, path, **{"last-event-id": str(last)})


def test_every_id_of_two_runs_resumes_exactly_on_every_path(
    chat: httpx.Client, two_runs: tuple[list[Sent], list[Sent]]
) -> None:
    first, second = two_runs
    both = [*first, *second]
    assert len(set(ids(both))) == len(both)
    for at, event in enumerate(both):
        run, rest = (first, both[at + 1 :]) if at < len(first) else (second, both[at + 1 :])
        own = rest[: len(run) - run.index(event) - 1]
        path = f"/api/runs/{run[0].data['runId']}/stream"
        assert resume(chat, path, event.id) == own
        assert resume(chat, f"{BASE}/messages", event.id) == rest
        body = {"agentId": "echo", "content": "never sent"}
        last = STREAM | {"last-event-id": str(event.id)}
        answer = chat.post(f"{BASE}/messages", json=body, headers=last)
        assert list(read_events(answer.text.splitlines())) == own
        if rest:
            ends = 1 if run is second or not own else 2
            found = until_ends(chat, f"{BASE}/stream", ends, **{"last-event-id": str(event.id)})
            assert found == rest[: len(found)]
            assert len(found) == len(rest)
    assert len(chat.get(f"{BASE}/messages").json()["items"]) == 4


def test_client_cut_after_every_event_sees_two_runs_once_and_in_order(
    chat: httpx.Client, two_runs: tuple[list[Sent], list[Sent]]
) -> None:
    both = [*two_runs[0], *two_runs[1]]
    for path in (f"{BASE}/stream", f"{BASE}/messages?stream=true"):
        seen, last = [both[0]], str(both[0].id)
        while len(seen) < len(both):
            with chat.stream("GET", path, headers=STREAM | {"last-event-id": last}) as response:
                event = next(e for e in read_events(response.iter_lines()) if e.id)
            seen.append(event)
            last = str(event.id)
        assert seen == both


def test_ended_run_is_followed_by_the_one_that_began_meanwhile(chat: httpx.Client) -> None:
    first = say(chat, SHORT)
    sending = threading.Thread(target=say, args=(chat, "/echo tools=0 tokens=40 delayMs=50\nword"))
    sending.start()
    found = until_ends(chat, f"{BASE}/stream", 2, **{"last-event-id": str(first[1].id)})
    sending.join(30)
    assert found[: len(first) - 2] == first[2:]
    second = found[len(first) - 2 :]
    assert [event.seq for event in second] == list(range(1, len(second) + 1))
    assert {event.run_id for event in second} == {second[0].data["runId"]}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("3", (422, "invalid_query")),
        ("run_1", (422, "invalid_query")),
        ("run_1.", (422, "invalid_query")),
        ("run_1.-1", (422, "invalid_query")),
        ("run_1.x", (422, "invalid_query")),
        (".3", (422, "invalid_query")),
        ("a#b.3", (422, "invalid_query")),
        ("run_1.2.3", (422, "invalid_query")),
        ("run_1." + "9" * 12, (422, "invalid_query")),
        ("r" * 3000 + ".1", (422, "invalid_query")),
        ("run_unknown.3", (404, "run_not_found")),
    ],
)
def test_conversation_refuses_what_names_no_event_of_it(
    chat: httpx.Client, last: str, expected: tuple[int, str]
) -> None:
    say(chat, SHORT)
    header = STREAM | {"last-event-id": last}
    for path in (f"{BASE}/stream", f"{BASE}/messages"):
        assert error_of(chat.get(path, headers=header)) == expected
        assert error_of(chat.get(path, headers=STREAM, params={"after": last})) == expected
    body = {"agentId": "echo", "content": "x"}
    assert error_of(chat.post(f"{BASE}/messages", json=body, headers=header)) == expected
    assert len(chat.get(f"{BASE}/messages").json()["items"]) == 2


def test_events_of_elsewhere_are_not_found(chat: httpx.Client, issuer: Issuer) -> None:
    here, other, thread = say(chat, SHORT), say(chat, SHORT, "c2"), say(chat, SHORT, threadId="t1")
    for event in (other[1], thread[1]):
        last = {"last-event-id": str(event.id)}
        assert error_of(chat.get(f"{BASE}/stream", headers=STREAM | last)) == (404, "run_not_found")
    last = {"last-event-id": str(thread[1].id)}
    assert attach(chat, f"{BASE}/messages?threadId=t1", **last) == thread[2:]
    run = f"/api/runs/{here[0].data['runId']}/stream"
    last = {"last-event-id": str(other[1].id)}
    assert error_of(chat.get(run, headers=STREAM | last)) == (422, "invalid_query")
    stranger = issuer.headers(f"org-{uuid.uuid4().hex}") | STREAM | {"last-event-id": str(here[1].id)}
    for path in (f"{BASE}/stream", f"{BASE}/messages", run):
        assert error_of(chat.get(path, headers=stranger)) == (404, "run_not_found")


@pytest.mark.parametrize("path", [f"{BASE}/stream", f"{BASE}/messages?stream=true"])
def test_subscriber_before_the_first_message_gets_its_run(chat: httpx.Client, path: str) -> None:
    with chat.stream("GET", path, headers=STREAM) as response:
        events = read_events(response.iter_lines())
        first = next(events)
        assert (first.id, first.data) == ("none.0", {"type": "heartbeat"})
        sent = say(chat, SHORT)
        found = [next(events) for _ in sent]
        assert found == sent
        if path.endswith("true"):
            assert list(events) == []


@pytest.mark.parametrize("path", [f"{BASE}/stream", f"{BASE}/messages?stream=true"])
@pytest.mark.parametrize("earlier", [0, 1])
def test_waiting_subscriber_misses_no_run_while_it_is_away(
    chat: httpx.Client, path: str, earlier: int
) -> None:
    """Cut while it waited, it comes back after a run has begun and ended."""
    for _ in range(earlier):
        say(chat, SHORT)
    with chat.stream("GET", path, headers=STREAM) as response:
        heartbeat = next(read_events(response.iter_lines()))
    sent = say(chat, SHORT)
    assert until_ends(chat, path, 1, **{"last-event-id": str(heartbeat.id)}) == sent


def test_waiting_subscriber_that_comes_back_goes_on_waiting(chat: httpx.Client) -> None:
    """Its id is not the end of the run before: that would be answered with 204."""
    say(chat, SHORT)
    path = f"{BASE}/messages?stream=true"
    with chat.stream("GET", path, headers=STREAM) as response:
        heartbeat = next(read_events(response.iter_lines()))
    with chat.stream("GET", path, headers=STREAM | {"last-event-id": str(heartbeat.id)}) as response:
        events = read_events(response.iter_lines())
        assert next(events) == heartbeat
        sent = say(chat, SHORT)
        assert list(events) == sent


def test_waiting_shows_nothing_of_a_conversation_that_another_user_begins(
    chat: httpx.Client, issuer: Issuer, organization: str
) -> None:
    """Ids are chosen by clients: who waits for one has no right to what another user puts there."""
    other = issuer.headers(organization, sub="somebody-else", scope="chat") | STREAM
    with chat.stream("GET", f"{BASE}/stream", headers=other) as response:
        events = read_events(response.iter_lines())
        next(events)
        say(chat, SHORT)
        assert [event for event in events if event.data["type"] != "heartbeat"] == []
    assert error_of(chat.get(f"{BASE}/stream", headers=other)) == (404, "conversation_not_found")


@pytest.mark.parametrize("path", [f"{BASE}/stream", f"{BASE}/messages?stream=true"])
def test_deletion_ends_a_stream_that_waits(chat: httpx.Client, path: str) -> None:
    say(chat, SHORT)
    with chat.stream("GET", path, headers=STREAM) as response:
        events = read_events(response.iter_lines())
        next(events)
        assert chat.delete(BASE).status_code == 204
        (last,) = [event for event in events if event.data["type"] != "heartbeat"]
    assert (last.id, last.data["code"], last.data["retryable"]) == (None, "deleted", False)


@pytest.mark.parametrize("query", ["stream=true", "stream=true&threadId=t1"])
@pytest.mark.parametrize("is_made_later", [False, True])
def test_deletion_ends_a_stream_that_waits_for_a_first_run(
    chat: httpx.Client, query: str, is_made_later: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 1.0)
    made = {"id": "c1", "agentId": "echo"}
    if not is_made_later:
        chat.post("/api/conversations", json=made)
    with chat.stream("GET", f"{BASE}/messages?{query}", headers=STREAM) as response:
        events = read_events(response.iter_lines())
        next(events)
        if is_made_later:
            chat.post("/api/conversations", json=made)
            next(events)  # a heartbeat: by now the stream has looked again
        assert chat.delete(BASE).status_code == 204
        (last,) = [event for event in events if event.data["type"] != "heartbeat"]
    assert (last.id, last.data["code"], last.data["retryable"]) == (None, "deleted", False)


def test_deletion_ends_a_subscription_to_a_run_that_goes_on(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=0 tokens=900 delayMs=50\nword") as sent:
        last = {"last-event-id": str(next(sent).id)}
        with chat.stream("GET", f"{BASE}/stream", headers=STREAM | last) as response:
            events = read_events(response.iter_lines())
            next(events)
            assert chat.delete(BASE).status_code == 204
            assert list(events)[-1].data["code"] == "deleted"
    assert error_of(chat.get(f"{BASE}/stream", headers=STREAM | last)) == (404, "run_not_found")


def forget(platform: Platform, organization: str, run_id: str) -> None:
    """Make a run one whose log has expired."""
    stores = platform.stores

    async def change() -> None:
        run = await stores.runs.get(organization, run_id)
        await stores.log.delete(stream_of(organization, run_id))
        await Dynamo(stores.aws).write(stores.runs.put(replace(run, ended_at="2026-01-01T00:00:00.000Z")))

    asyncio.run(change())


def test_run_whose_log_has_expired_is_not_skipped_in_silence(
    chat: httpx.Client, platform: Platform, organization: str
) -> None:
    first, second = say(chat, SHORT), say(chat, SHORT)
    seen, end = {"last-event-id": str(first[1].id)}, str(first[-1].id)
    forget(platform, organization, first[0].data["runId"])
    for path in (f"{BASE}/messages?stream=true", f"{BASE}/stream"):
        found = until_ends(chat, path, 2, **seen)
        assert (found[0].id, found[0].data["code"]) == (end, "run_expired")
        assert found[1:] == second
    forget(platform, organization, second[0].data["runId"])
    found = attach(chat, f"{BASE}/messages?stream=true", **seen)
    assert [(one.id, one.data["code"]) for one in found] == [
        (end, "run_expired"),
        (second[-1].id, "run_expired"),
    ]
    last = STREAM | {"last-event-id": str(second[-1].id)}
    assert chat.get(f"{BASE}/messages?stream=true", headers=last).status_code == 204


def test_cursor_in_an_expired_log_is_refused_and_one_at_its_end_is_not(
    chat: httpx.Client, platform: Platform, organization: str
) -> None:
    events = say(chat, SHORT, idempotencyKey="k")
    run_id = events[0].data["runId"]
    forget(platform, organization, run_id)
    for path in (f"{BASE}/messages?stream=true", f"/api/runs/{run_id}/stream"):
        for seen, status in ((events[1], 404), (events[-2], 404), (events[-1], 204)):
            answer = chat.get(path, headers=STREAM | {"last-event-id": str(seen.id)})
            assert answer.status_code == status
            assert status == 204 or error_of(answer) == (404, "run_expired")
    body = {"agentId": "echo", "content": SHORT, "idempotencyKey": "k"}
    assert error_of(chat.post(f"{BASE}/messages", json=body)) == (404, "run_expired")


def test_subscription_stays_open_over_runs(chat: httpx.Client) -> None:
    first = say(chat, SHORT)
    last = {"last-event-id": str(first[-1].id)}
    with chat.stream("GET", f"{BASE}/stream", headers=STREAM | last) as response:
        assert response.status_code == 200
        events = (e for e in read_events(response.iter_lines()) if e.data["type"] != "heartbeat")
        for _ in range(3):
            sent = say(chat, SHORT)
            assert [next(events) for _ in sent] == sent


def test_streams_tell_browsers_to_come_back_soon(chat: httpx.Client) -> None:
    run_id = say(chat, SHORT)[0].data["runId"]
    assert chat.get(f"/api/runs/{run_id}/stream", headers=STREAM).text.startswith("retry: 1000\n\n")


@pytest.fixture
def slot() -> Slot:
    return Slot(f"org-{uuid.uuid4().hex}", "c1")


@pytest.fixture
def caller(slot: Slot) -> Principal:
    return Principal(slot.organization, "user")


async def test_stream_that_waits_ends_in_time_and_says_so(
    platform: Platform, caller: Principal, slot: Slot
) -> None:
    deadline = time.monotonic() + 3.5
    found = await subscribe(platform.stores, caller, slot, None, endless=True, deadline=deadline)
    assert found is not None
    assert [batch async for batch in found.events()] == []
    assert not found.over
    assert time.monotonic() < deadline


async def test_idle_stream_ends_after_a_while(
    platform: Platform, caller: Principal, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "IDLE_SECONDS", 0.3)
    found = await subscribe(platform.stores, caller, slot, EventId(None, 0), endless=True)
    assert found is not None
    assert [batch async for batch in found.events()] == []


async def test_stream_whose_client_has_gone_ends(platform: Platform, caller: Principal, slot: Slot) -> None:
    looks: Iterator[bool] = iter([False, False, True])

    async def disconnected() -> bool:
        return next(looks)

    found = await subscribe(platform.stores, caller, slot, None, endless=True, disconnected=disconnected)
    assert found is not None
    async with asyncio.timeout(20):
        assert [batch async for batch in found.events()] == []


async def test_runs_in_between_are_found_as_far_back_as_logs_are_kept(
    platform: Platform, chat: httpx.Client, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subscriber who was away for five runs gets them all, in their order."""
    events = [say(chat, "/echo tools=0\nhi") for _ in range(6)]
    found = until_ends(chat, f"{BASE}/stream", 5, **{"last-event-id": str(events[0][-1].id)})
    assert found == [event for run in events[1:] for event in run]
    monkeypatch.setattr(subscriptions, "MOST_RUNS", 2)
    found = until_ends(chat, f"{BASE}/stream", 3, **{"last-event-id": str(events[0][-1].id)})
    assert found == [event for run in events[3:] for event in run]
