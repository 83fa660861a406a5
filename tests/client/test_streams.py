"""Interrupted streams: the same final state, one run, and no connection left open."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.client import (
    APIError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConnectionLostError,
    NotFoundError,
    Policy,
    RunActiveError,
    RunFailedError,
    RunWaitsError,
)
from millrace.client.blocking import EventStream
from tests.client.faulty import RUN, Cut, Fault, FaultyServer, Join, Refuse, Silent, serving
from tests.client.talking import EVENTS, QUICK, Listen, final_state, listen_awaited, listen_blocking
from tests.effort import effort, soak

BOTH = pytest.mark.parametrize("listen", [listen_blocking, listen_awaited])


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving(EVENTS) as server:
        yield server


@BOTH
@pytest.mark.parametrize("after", range(len(EVENTS)))
@pytest.mark.parametrize("cleanly", [False, True])
def test_stream_cut_at_any_event_leads_to_the_same_state(
    server: FaultyServer, listen: Listen, after: int, cleanly: bool
) -> None:
    server.faults += [Cut(after, bytes=9, cleanly=cleanly), Cut(0, before_headers=True), Cut(1, bytes=20)]
    assert listen(server).to_wire() == final_state()
    assert server.runs == 1


@BOTH
def test_stream_goes_on_by_get_with_the_last_event_that_was_taken(
    server: FaultyServer, listen: Listen
) -> None:
    server.faults += [Cut(4), Cut(2)]
    listen(server)
    asked = [(one.method, one.path, one.last_event_id) for one in server.asked]
    assert asked == [
        ("POST", "/api/conversations/c/messages", None),
        ("GET", f"/api/runs/{RUN}/stream", f"{RUN}.4"),
        ("GET", f"/api/runs/{RUN}/stream", f"{RUN}.6"),
    ]


_faults = st.one_of(
    st.builds(
        Cut,
        st.integers(0, len(EVENTS)),
        st.integers(0, 90),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(Silent, st.integers(0, len(EVENTS) - 1)),
    st.builds(Refuse, st.sampled_from([429, 503])),
    st.builds(Refuse, st.sampled_from([500, 502, 504]), st.just("http_5xx")),
)


@soak
@BOTH
@settings(max_examples=effort(25, 2_000), deadline=None)
@given(faults=st.lists(_faults, max_size=4))
def test_stream_with_any_faults_leads_to_the_same_state(listen: Listen, faults: list[Fault]) -> None:
    with serving(EVENTS) as server:
        server.faults.extend(faults)
        policy = Policy(first_wait=0.0, longest_wait=0.0, silence=0.05, opening=5.0)
        assert listen(server, policy=policy).to_wire() == final_state()
        assert server.runs == 1


@BOTH
def test_black_hole_is_noticed_by_its_silence(server: FaultyServer, listen: Listen) -> None:
    server.faults += [Silent(3)]
    assert listen(server).to_wire() == final_state()
    assert [one.last_event_id for one in server.asked] == [None, f"{RUN}.3"]


@BOTH
def test_token_that_expires_is_renewed_once_and_for_all(server: FaultyServer, listen: Listen) -> None:
    given = iter(["old", "new", "unused"])
    server.expired.add("old")
    server.faults += [Cut(4)]
    assert listen(server, token=lambda: next(given)).to_wire() == final_state()
    sent = [one.headers["authorization"] for one in server.asked]
    assert sent == ["Bearer old", "Bearer new", "Bearer new"]
    assert server.runs == 1


@BOTH
def test_token_that_stays_refused_is_an_error(server: FaultyServer, listen: Listen) -> None:
    server.expired.update(("a", "b"))
    given = iter(["a", "b"])
    with pytest.raises(AuthenticationError, match="token_expired"):
        listen(server, token=lambda: next(given))
    assert len(server.asked) == 2


@BOTH
def test_fixed_token_is_not_tried_twice(server: FaultyServer, listen: Listen) -> None:
    server.expired.add("token")
    with pytest.raises(AuthenticationError):
        listen(server)
    assert len(server.asked) == 1


@BOTH
def test_stream_gives_up_after_five_attempts_that_bring_nothing(server: FaultyServer, listen: Listen) -> None:
    server.faults += [Cut(2), *[Cut(0)] * 9]
    with pytest.raises(ConnectionLostError):
        listen(server)
    assert len(server.asked) == 6
    server.faults.clear()


@BOTH
def test_refusal_of_the_first_request_is_raised_at_once(server: FaultyServer, listen: Listen) -> None:
    server.faults += [Refuse(409, "run_active", details={"runId": "run_0"})]
    with pytest.raises(RunActiveError) as caught:
        listen(server)
    assert (caught.value.run_id, caught.value.status, len(server.asked)) == ("run_0", 409, 1)


@BOTH
def test_log_that_has_expired_is_an_error(server: FaultyServer, listen: Listen) -> None:
    server.faults += [Cut(4), Refuse(404, "run_expired")]
    with pytest.raises(NotFoundError, match="run_expired"):
        listen(server)


@BOTH
def test_server_that_asks_for_too_long_a_wait_is_not_waited_for(server: FaultyServer, listen: Listen) -> None:
    server.faults += [Refuse(503, retry_after="3600")]
    with pytest.raises(APIError) as caught:
        listen(server)
    assert (caught.value.retry_after, len(server.asked)) == (3600.0, 1)


@BOTH
@pytest.mark.parametrize("most", range(1, len(EVENTS)))
def test_stream_that_is_left_leaves_no_connection(server: FaultyServer, listen: Listen, most: int) -> None:
    server.faults += [Silent(most)]
    listen(server, most=most)
    server.wait_until_closed()
    assert len(server.asked) == 1


@BOTH
def test_message_that_joins_a_run_streams_that_run(server: FaultyServer, listen: Listen) -> None:
    server.faults += [Join("hi"), Cut(4)]
    assert listen(server).to_wire() == final_state()
    assert [one.method for one in server.asked] == ["POST", "GET", "GET"]


def abort_after(event: threading.Event, stream: EventStream[Any]) -> None:
    assert event.wait(10)
    stream.abort()


def test_stream_can_be_aborted_by_another_thread(server: FaultyServer) -> None:
    """While it waits for bytes: the thread that reads gets none, and returns."""
    server.faults += [Silent(3)]
    reading = threading.Event()
    with Client(server.url, "token", policy=Policy(silence=60)) as client:
        stream = client.conversations.send_message_stream("c", "hi")
        aborting = threading.Thread(target=abort_after, args=(reading, stream))
        aborting.start()
        _tell_when_it_waits(stream, reading)
        assert len(list(stream)) <= 3
        aborting.join()
        assert list(stream) == []
        server.wait_until_closed()


def _tell_when_it_waits(stream: EventStream[Any], reading: threading.Event) -> None:
    """Set the event as soon as the stream's connection is asked for more than has come."""
    exchange = stream._exchange
    chunks = exchange._chunks

    def watched() -> Iterator[bytes]:
        yield next(chunks)
        reading.set()
        yield from chunks

    exchange._chunks = watched()


def test_stream_aborted_between_two_events_is_closed_at_once(server: FaultyServer) -> None:
    server.faults += [Silent(3)]
    with Client(server.url, "token", policy=Policy(silence=60)) as client:
        stream = client.conversations.send_message_stream("c", "hi")
        next(stream)
        stream.abort()
        server.wait_until_closed()
        assert list(stream) == []


def test_stream_aborted_while_it_waits_ends_its_wait(server: FaultyServer) -> None:
    server.faults += [Cut(3), *[Refuse(503)] * 4]
    paused = threading.Event()

    class Slow(Policy):
        def wait(self, failures: int, error: Exception | None = None) -> float:
            paused.set()
            return 60.0

    with Client(server.url, "token", policy=Slow()) as client:
        stream = client.conversations.send_message_stream("c", "hi")
        aborting = threading.Thread(target=abort_after, args=(paused, stream))
        aborting.start()
        assert len(list(stream)) == 3
        aborting.join()


async def test_awaited_stream_can_be_aborted_by_another_task(server: FaultyServer) -> None:
    server.faults += [Silent(3)]
    async with AsyncClient(server.url, "token", policy=Policy(silence=60)) as client:
        stream = await client.conversations.send_message_stream("c", "hi")

        async def abort() -> None:
            await asyncio.to_thread(server.silent.wait, 10)
            stream.abort()

        aborting = asyncio.create_task(abort())
        assert len([event async for event in stream]) <= 3
        await aborting
        assert [event async for event in stream] == []
        await asyncio.to_thread(server.wait_until_closed)


async def test_cancelled_task_leaves_no_connection(server: FaultyServer) -> None:
    server.faults += [Silent(3)]
    async with AsyncClient(server.url, "token", policy=Policy(silence=60)) as client:

        async def listen() -> None:
            async for _ in await client.conversations.send_message_stream("c", "hi"):
                pass

        listening = asyncio.create_task(listen())
        await asyncio.to_thread(server.silent.wait, 10)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        await asyncio.to_thread(server.wait_until_closed)


def test_slow_consumer_gets_every_event_once() -> None:
    """The sockets between hold less than the stream: the server waits, is cut off, and is asked again."""
    tokens = [{"type": "token", "token": f"{n:06d}" + "x" * 2_000} for n in range(3_000)]
    events = [EVENTS[0], *tokens, EVENTS[-1]]
    with serving(events) as server, Client(server.url, "token", policy=QUICK) as client:
        server.faults += [Cut(1_000, bytes=500), Cut(1_000, bytes=5)]
        with client.conversations.send_message_stream("c", "hi") as stream:
            taken = [event["token"][:6] for event in stream if event["type"] == "token"]
        assert taken == [f"{n:06d}" for n in range(3_000)]
        assert server.runs == 1


def test_stream_ends_where_the_run_waits_for_people() -> None:
    asked = {"callId": "k", "kind": "approval", "name": "refund"}
    events = [
        EVENTS[0],
        {"type": "approval_requested", **asked, "arguments": {}, "expiresAt": ""},
        {"type": "waiting", "calls": [asked], "expiresAt": ""},
        EVENTS[-1],
    ]
    with serving(events) as server, Client(server.url, "token", policy=QUICK) as client:
        stream = client.conversations.send_message_stream("c", "hi")
        with pytest.raises(RunWaitsError) as caught:
            stream.result()
        assert caught.value.calls == [asked]
        server.wait_until_closed()
        through = client.conversations.send_message_stream("c", "hi", through_waiting=True)
        assert through.result().status == "done"


def test_run_that_failed_is_an_error_of_its_result() -> None:
    failed = {"type": "error", "message": "Broke off.", "code": "incomplete_response", "retryable": True}
    with serving([EVENTS[0], failed]) as server, Client(server.url, "token", policy=QUICK) as client:
        with pytest.raises(RunFailedError) as caught:
            client.conversations.send_message_stream("c", "hi").result()
        assert (caught.value.code, caught.value.retryable) == ("incomplete_response", True)


def test_text_yields_the_pieces_of_the_answer(server: FaultyServer) -> None:
    with Client(server.url, "token", policy=QUICK) as client:
        stream = client.conversations.send_message_stream("c", "hi")
        assert list(stream.text()) == ["Let me ", "see: ✓", "\n\n4", "\n\nIt is 42."]
        assert stream.state.text == "Let me see: ✓\n\nIt is 42."
