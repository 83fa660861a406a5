"""The AI SDK's endpoints by hand: resuming anywhere, stopping, and refusals."""

import json
from typing import Any

import httpx
import pytest

from millrace.settings import Settings
from tests.api.chatting import ECHO, body, chunks_of, continue_lost, frames_of, user_message
from tests.api.talk import error_of
from tests.tokens import Issuer


def test_same_message_is_one_run_and_reads_the_same(chat: httpx.Client) -> None:
    first, again = (chat.post("/api/chat", json=body("hello")) for _ in range(2))
    assert first.text == again.text
    assert len(chat.get("/api/conversations/c1/messages").json()["items"]) == 4
    edited = chat.post("/api/chat", json=body("hello you"))
    assert edited.headers["x-run-id"] != first.headers["x-run-id"]


def test_regenerated_answer_is_another_run_of_the_same_question(chat: httpx.Client) -> None:
    first = chat.post("/api/chat", json=body("hello"))
    chat.post("/api/chat", json=body("and then", "m2"))
    answer = chunks_of(first)[0]["messageId"]
    more = {"trigger": "regenerate-message", "messageId": answer}
    second, repeated = (chat.post("/api/chat", json=body("hello", **more)) for _ in range(2))
    assert second.headers["x-run-id"] != first.headers["x-run-id"]
    assert repeated.headers["x-run-id"] == second.headers["x-run-id"]
    assert texts_of(chat) == ["hello", "hello"]
    unknown = chat.post("/api/chat", json=body("hello", **more | {"messageId": "answer-1"}))
    assert error_of(unknown) == (404, "message_not_found")


def test_edited_message_goes_on_behind_the_answer_before_it(chat: httpx.Client) -> None:
    first = chat.post("/api/chat", json=body("hello"))
    chat.post("/api/chat", json=body("and then", "m2"))
    answer = {"id": chunks_of(first)[0]["messageId"], "role": "assistant", "parts": []}
    edited = [user_message("hello"), answer, user_message("or else", "m2")]
    chat.post("/api/chat", json=body("") | {"messages": edited, "messageId": "m2"}).raise_for_status()
    assert texts_of(chat) == ["hello", "hello", "or else", "or else"]
    anew = body("hi", "m1", messageId="m1")
    chat.post("/api/chat", json=anew).raise_for_status()
    assert texts_of(chat) == ["hi", "hi"]


def test_message_is_edited_back_to_what_it_was(chat: httpx.Client) -> None:
    chat.post("/api/chat", json=body("hello")).raise_for_status()
    chat.post("/api/chat", json=body("hi", messageId="m1")).raise_for_status()
    back, again = (chat.post("/api/chat", json=body("hello", messageId="m1")) for _ in range(2))
    assert back.status_code == again.status_code == 200
    assert back.headers["x-run-id"] == again.headers["x-run-id"]
    assert texts_of(chat) == ["hello", "hello"]


def test_message_is_edited_back_and_forth(chat: httpx.Client) -> None:
    """Each edit is a run of its own, and one that is sent again while it is the latest is not."""
    runs = [chat.post("/api/chat", json=body("x")).headers["x-run-id"]]
    for text in ("y", "x", "y", "x"):
        sent, again = (chat.post("/api/chat", json=body(text, messageId="m1")) for _ in range(2))
        assert sent.text == again.text
        assert texts_of(chat) == [text, text]
        runs.append(sent.headers["x-run-id"])
    assert len(set(runs)) == 5


def texts_of(chat: httpx.Client) -> list[str]:
    """The texts of the active branch."""
    messages = chat.get("/api/conversations/c1/messages", params={"detail": "answer"}).json()["items"]
    return ["".join(block.get("text", "") for block in one["content"]) for one in messages]


def test_stream_has_the_protocols_headers_and_end(chat: httpx.Client) -> None:
    response = chat.post("/api/chat", json=body("hello"), headers={"accept": "*/*"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert response.headers["x-workflow-run-id"] == response.headers["x-run-id"]
    assert response.text.endswith("\n\ndata: [DONE]\n\n")


def test_client_that_counts_chunks_gets_exactly_the_rest(chat: httpx.Client) -> None:
    # What `WorkflowChatTransport` sends: no id, no trigger, no content type of JSON.
    sent = json.dumps({"messages": [user_message("/echo tools=1\nhello")]} | ECHO)
    response = chat.post("/api/chat", content=sent, headers={"content-type": "text/plain;charset=UTF-8"})
    frames = frames_of(response)
    path = f"/api/chat/{response.headers['x-workflow-run-id']}/stream"
    for n in range(len(frames) - 1):
        rest = chat.get(path, params={"startIndex": n})
        assert frames_of(rest) == frames[n:]
    last = len(frames) - 2
    tail = chat.get(path, params={"startIndex": -3})
    assert tail.headers["x-workflow-stream-tail-index"] == str(last)
    assert frames_of(tail) == frames[-4:]
    assert frames_of(chat.get(path, params={"startIndex": 10_000})) == frames[-2:]
    assert frames_of(chat.get(path, params={"startIndex": -10_000})) == frames
    again = chat.post("/api/chat", content=sent)
    assert again.headers["x-run-id"] == response.headers["x-run-id"]


def test_client_cut_behind_any_chunk_gets_exactly_the_rest(chat: httpx.Client) -> None:
    frames = frames_of(chat.post("/api/chat", json=body("/echo tools=1\nhello")))
    for n, frame in enumerate(frames[:-2]):
        seen = {"last-event-id": frame.split("\n")[0].removeprefix("id: ")}
        assert (
            frames_of(chat.post("/api/chat", json=body("/echo tools=1\nhello"), headers=seen))
            == frames[n + 1 :]
        )
    end = {"last-event-id": frames[-2].split("\n")[0].removeprefix("id: ")}
    assert chat.get("/api/chat/c1/stream", headers=end).status_code == 204


def test_run_is_left_resumed_and_stopped(chat: httpx.Client) -> None:
    with chat.stream("POST", "/api/chat", json=body("/echo hang=1\nhello")) as response:
        next(response.iter_lines())
    with chat.stream("GET", "/api/chat/c1/stream") as resumed:
        lines = resumed.iter_lines()
        assert '"type":"start"' in next(line for line in lines if line.startswith("data: "))
        stopped = chat.post("/api/chat/c1/stop")
        assert (stopped.status_code, stopped.json()["runId"]) == (202, response.headers["x-run-id"])
        chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert [chunk["type"] for chunk in chunks[-3:]] == ["finish-step", "abort", "finish"]
    assert chunks[-1]["messageMetadata"]["finishReason"] == "stopped"
    assert error_of(chat.post("/api/chat/c1/stop")) == (409, "not_streaming")


def test_run_is_stopped_by_its_own_id(chat: httpx.Client) -> None:
    with chat.stream("POST", "/api/chat", json=body("/echo hang=1\nhello")) as response:
        run_id = response.headers["x-workflow-run-id"]
        assert chat.post(f"/api/chat/{run_id}/stop").json()["runId"] == run_id
        assert "finish" in response.read().decode()


def test_message_becomes_a_live_message_where_the_body_says_so(chat: httpx.Client) -> None:
    with chat.stream("POST", "/api/chat", json=body("/echo tools=3 toolMs=300\nhello")) as response:
        lines = response.iter_lines()
        next(lines)
        taken = chunks_of(chat.post("/api/chat", json=body("stop at two", "m2", ifBusy="inject")))
        assert error_of(chat.post("/api/chat", json=body("third", "m3"))) == (409, "run_active")
        chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert [chunk["type"] for chunk in taken] == ["start", "data-live-message", "finish"]
    [injected] = [chunk for chunk in chunks if chunk["type"] == "data-injected"]
    assert injected["data"]["content"] == "stop at two"
    assert injected["id"] == taken[1]["data"]["messageId"]


def test_assistants_message_without_answers_is_refused(chat: httpx.Client) -> None:
    messages = [user_message("hi"), {"id": "a1", "role": "assistant", "parts": []}]
    refused = chat.post("/api/chat", json={"id": "c1", "messages": messages})
    assert error_of(refused) == (422, "empty_message")
    part = {"type": "tool-x", "toolCallId": "c", "state": "output-available", "output": 1}
    messages[1] = {"id": "a1", "role": "assistant", "parts": [part]}
    assert error_of(chat.post("/api/chat", json={"id": "c1", "messages": messages}))[0] == 404
    chat.post("/api/chat", json=body("hello"))
    assert error_of(chat.post("/api/chat", json={"id": "c1", "messages": messages})) == (409, "not_waiting")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 422),
        ({"messages": []}, 422),
        ({"id": "c1", "messages": [{"id": "m", "role": "user", "parts": []}]}, 422),
        (
            {"id": "c1", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": " "}]}]},
            422,
        ),
        ({"id": "c1", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text"}]}]}, 422),
        ({"id": "c1", "messages": [{"id": "m", "role": "system", "parts": []}]}, 422),
        ({"id": "a/b", "messages": [user_message("x")]}, 422),
        ({"id": "c1", "messages": [user_message("x")], "agentId": "nobody"}, 404),
    ],
)
def test_wrong_chat_is_refused_before_anything_is_stored(
    chat: httpx.Client, given: dict[str, Any], status: int
) -> None:
    assert error_of(chat.post("/api/chat", json=given))[0] == status
    assert chat.get("/api/conversations").json()["items"] == []


@pytest.mark.parametrize("start", ["x", "1.5", "--1", "9" * 20, "²"])
def test_wrong_start_index_is_refused(chat: httpx.Client, start: str) -> None:
    assert error_of(chat.get("/api/chat/c1/stream", params={"startIndex": start})) == (422, "invalid_query")


def test_another_users_chat_is_not_found(chat: httpx.Client, issuer: Issuer, organization: str) -> None:
    run_id = chat.post("/api/chat", json=body("mine")).headers["x-run-id"]
    for headers in (issuer.user(organization, "eve", "customer"), issuer.headers(f"{organization}-other")):
        for name in ("c1", run_id, f"{run_id}.2"):
            assert chat.get(f"/api/chat/{name}/stream?startIndex=0", headers=headers).status_code == 404
            assert chat.post(f"/api/chat/{name}/stop", headers=headers).status_code == 404
        seen = headers | {"last-event-id": f"{run_id}.1"}
        assert chat.post("/api/chat", json=body("mine"), headers=seen).status_code == 404


def test_client_that_counts_is_not_misled_by_a_process_that_dies(
    chat: httpx.Client, settings: Settings, organization: str
) -> None:
    sent = {"messages": [user_message("/echo tools=1 tokens=60 delayMs=150\nword")]} | ECHO
    with chat.stream("POST", "/api/chat", json=sent) as response:
        run_id, seen = response.headers["x-workflow-run-id"], []
        for line in response.iter_lines():
            if line.startswith("data: "):
                seen.append(line)
            if "text-delta" in line and len(seen) > 12:
                break
    continue_lost(settings, organization, run_id)
    rest = chat.get(f"/api/chat/{run_id}/stream", params={"startIndex": len(seen)})
    whole = chat.get(f"/api/chat/{run_id}/stream")
    lines = [line for frame in frames_of(rest) for line in frame.split("\n") if line.startswith("data: ")]
    assert seen + lines == [
        line for frame in frames_of(whole) for line in frame.split("\n") if line.startswith("data: ")
    ]
    assert any("data-rewind" in line for line in lines)
