"""Sending messages: streamed or whole, refused with reasons, repeated without a second run."""

import threading
from typing import Any

import httpx
import pytest

from tests.api.talk import STREAM, error_of, say, saying
from tests.sse import answer, read_events, types
from tests.tokens import Issuer

MESSAGES = "/api/conversations/c1/messages"


def test_streamed_answer_has_every_event_in_order_and_one_end(chat: httpx.Client) -> None:
    events = say(chat, "hello big world")
    assert types(events) == [
        "start", "thinking", "tool_call", "tool_result", "thinking", "token", "done",
    ]  # fmt: skip
    assert answer(events) == "hello big world"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    done = events[-1].data
    assert done["finishReason"] == "stop"
    assert done["usage"]["total"] == done["usage"]["input"] + done["usage"]["output"] > 0
    assert done["cost"] == 0.0
    assert events[0].data["messageId"] == done["messageId"]


def test_answer_without_accept_is_one_json_document(chat: httpx.Client) -> None:
    response = chat.post(MESSAGES, json={"agentId": "echo", "content": "hello"})
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert body["content"] == "hello"
    assert body["toolCalls"] == [{"id": "echo_1", "name": "echo_tool", "ok": True, "summary": "hello"}]
    assert body["usage"]["total"] > 0
    assert response.headers["x-run-id"] == body["runId"]


def test_stream_true_streams_whatever_accept_says(chat: httpx.Client) -> None:
    response = chat.post(f"{MESSAGES}?stream=true", json={"agentId": "echo", "content": "hello"})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"


def test_named_events_carry_their_type_in_the_event_field(chat: httpx.Client) -> None:
    with chat.stream(
        "POST", f"{MESSAGES}?events=named", json={"agentId": "echo", "content": "hi"}, headers=STREAM
    ) as response:
        lines = list(response.iter_lines())
    assert "event: token" in lines
    assert "event: done" in lines


@pytest.mark.parametrize(
    ("detail", "seen", "arguments", "raw"),
    [
        ("answer", {"start", "token", "done"}, None, False),
        ("steps", {"start", "thinking", "tool_call", "tool_result", "token", "done"}, {}, False),
        (
            "full",
            {"start", "thinking", "tool_call", "tool_result", "token", "done"},
            {"text": "hi"},
            True,
        ),
    ],
)
def test_detail_decides_what_a_viewer_sees(
    chat: httpx.Client, detail: str, seen: set[str], arguments: Any, raw: bool
) -> None:
    path = f"{MESSAGES}?detail={detail}&stream=true"
    text = chat.post(path, json={"agentId": "echo", "content": "hi"}).text
    events = list(read_events(text.splitlines()))
    assert {event.data["type"] for event in events} == seen
    calls = [event.data for event in events if event.data["type"] == "tool_call"]
    results = [event.data for event in events if event.data["type"] == "tool_result"]
    assert [call["arguments"] for call in calls] == ([arguments] if calls else [])
    assert [("result" in result) for result in results] == ([raw] if results else [])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{not json", 422, "invalid_json"),
        (b"[]", 422, "invalid_request"),
        (b"", 422, "invalid_request"),
        (b'{"content": ""}', 422, "invalid_request"),
        (b'{"content": "  \\n "}', 422, "invalid_request"),
        (b'{"content": "hi", "surprise": 1}', 422, "invalid_request"),
        (b'{"content": "hi", "ifBusy": "shout"}', 422, "invalid_request"),
        (b'{"content": "hi"}', 422, "agent_required"),
        (b'{"content": "hi", "agentId": "nobody"}', 404, "agent_not_found"),
        (b'{"content": "hi", "agentId": "echo", "threadId": "a/b"}', 422, "invalid_id"),
        (b'{"content": "\\ud800", "agentId": "echo"}', 422, "invalid_json"),
        (b"\xff\xfe", 422, "invalid_json"),
        (b'{"content": "' + b"x" * 6_000_000 + b'"}', 413, "too_large"),
        (b'{"content": "' + b"x" * 600_000 + b'"}', 413, "message_too_large"),
    ],
)
def test_bad_input_is_refused_before_anything_happens(
    chat: httpx.Client, body: bytes, status: int, code: str
) -> None:
    response = chat.post(MESSAGES, content=body, headers={"content-type": "application/json"} | STREAM)
    assert error_of(response) == (status, code)
    assert error_of(chat.get("/api/conversations/c1")) == (404, "conversation_not_found")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("detail=everything", {}),
        ("after=-1", {}),
        ("after=x", {}),
        ("lastEventId=1e3", {}),
        ("", {"last-event-id": "first"}),
        ("", {"idempotency-key": "k" * 201}),
    ],
)
def test_bad_parameters_are_refused(chat: httpx.Client, query: str, headers: dict[str, str]) -> None:
    response = chat.post(
        f"{MESSAGES}?{query}", json={"agentId": "echo", "content": "hi"}, headers=STREAM | headers
    )
    assert error_of(response) == (422, "invalid_query")


def test_body_that_is_not_json_by_its_type_is_refused(chat: httpx.Client) -> None:
    response = chat.post(MESSAGES, content=b"content=hi", headers={"content-type": "text/plain"})
    assert error_of(response) == (415, "unsupported_media_type")


def test_unknown_path_and_a_wrong_method_have_the_same_shape(chat: httpx.Client) -> None:
    assert error_of(chat.get("/api/conversations/c1/nothing")) == (404, "no_such_path")
    assert error_of(chat.put(MESSAGES)) == (405, "method_not_allowed")


def test_second_message_while_the_agent_answers_is_refused(chat: httpx.Client) -> None:
    with saying(chat, "/echo toolMs=60000\nslow") as events:
        next(events)
        refused = chat.post(MESSAGES, json={"agentId": "echo", "content": "again"})
        assert error_of(refused) == (409, "run_active")
        assert refused.json()["error"]["runId"]
        assert chat.post("/api/conversations/c1/stop").status_code == 202
        assert list(events)[-1].data["finishReason"] == "stopped"


def test_interrupting_keeps_the_partial_answer_and_starts_the_new_run(chat: httpx.Client) -> None:
    first: list[Any] = []
    token_seen = threading.Event()

    def read() -> None:
        with saying(chat, "/echo tools=0 tokens=1000 delayMs=20\nword") as events:
            for event in events:
                first.append(event)
                if event.data["type"] == "token":
                    token_seen.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert token_seen.wait(20)
    second = say(chat, "instead", ifBusy="interrupt")
    reader.join(20)
    assert first[-1].data["finishReason"] == "interrupted"
    assert answer(second) == "instead"
    stored = chat.get(MESSAGES).json()["items"]
    cut = next(message for message in stored if message.get("interrupted"))
    assert cut["content"][0]["text"] == answer(first)


def test_idempotency_key_gives_the_same_run_again(chat: httpx.Client) -> None:
    once = say(chat, "only once", idempotencyKey="k1")
    again = say(chat, "only once", idempotencyKey="k1")
    assert [event.data for event in again] == [event.data for event in once]
    whole = chat.post(
        MESSAGES, json={"agentId": "echo", "content": "only once"}, headers={"idempotency-key": "k1"}
    )
    assert whole.json()["content"] == "only once"
    assert len(chat.get(MESSAGES).json()["items"]) == 4  # question, tool call, tool result, answer


def test_idempotency_key_for_another_message_is_refused(chat: httpx.Client) -> None:
    say(chat, "one", idempotencyKey="k2")
    other = chat.post(MESSAGES, json={"agentId": "echo", "content": "two", "idempotencyKey": "k2"})
    assert error_of(other) == (422, "idempotency_key_reused")


def test_many_at_once_with_one_key_make_one_run(chat: httpx.Client) -> None:
    runs: list[str] = []

    def send() -> None:
        runs.append(say(chat, "/echo toolMs=200\nrace", idempotencyKey="k3")[0].data["runId"])

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    assert len(runs) == 8
    assert len(set(runs)) == 1


def test_many_at_once_without_a_key_begin_one_run_at_a_time(chat: httpx.Client) -> None:
    statuses: list[int] = []

    def send(number: int) -> None:
        sent = {"agentId": "echo", "content": f"/echo toolMs=500\nmessage {number}"}
        statuses.append(chat.post(MESSAGES, json=sent).status_code)

    senders = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    assert set(statuses) <= {200, 409}
    answered = [m for m in chat.get(MESSAGES).json()["items"] if m["role"] == "user"]
    questions = [m for m in answered if "text" in m["content"][0]]
    assert len(questions) == statuses.count(200) >= 1


def test_failing_model_ends_the_stream_with_its_error(chat: httpx.Client) -> None:
    events = say(chat, "/echo tools=0 failAfter=3\na b c d e f")
    assert answer(events) == "a b c"
    assert events[-1].data["type"] == "error"
    assert events[-1].data["code"] == "echo_failed"
    run = chat.get(f"/api/runs/{events[0].data['runId']}").json()
    assert run["state"] == "failed"
    assert say(chat, "still here")[-1].data["type"] == "done"


def test_failing_model_is_an_http_error_for_those_who_do_not_stream(chat: httpx.Client) -> None:
    sent = {"agentId": "echo", "content": "/echo tools=0 failAfter=1\na b c"}
    assert error_of(chat.post(MESSAGES, json=sent)) == (502, "echo_failed")


def test_threads_of_a_conversation_have_their_own_history_and_run_side_by_side(chat: httpx.Client) -> None:
    with saying(chat, "/echo toolMs=20000\nslow", threadId="t1") as events:
        next(events)
        assert answer(say(chat, "quick", threadId="t2")) == "quick"
        assert chat.post("/api/conversations/c1/stop?threadId=t1").status_code == 202
        list(events)
    only = chat.get(f"{MESSAGES}?threadId=t2").json()["items"]
    assert only[0]["content"][0]["text"] == "quick"
    assert [one["id"] for one in chat.get("/api/conversations").json()["items"]] == ["c1"]


def test_another_organization_sees_nothing(chat: httpx.Client, issuer: Issuer) -> None:
    run_id = say(chat, "secret")[0].data["runId"]
    other = issuer.headers("somebody-else")
    for path in ("/api/conversations/c1", MESSAGES, f"/api/runs/{run_id}", f"/api/runs/{run_id}/stream"):
        assert chat.get(path, headers=other).status_code == 404, path
    assert chat.post("/api/conversations/c1/stop", headers=other).status_code == 404
    assert chat.get("/api/conversations", headers=other).json()["items"] == []
