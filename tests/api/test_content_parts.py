"""Messages of parts: texts, images and files, through every endpoint and every reader."""

from typing import Any

import httpx
import pytest

from tests.api.talk import STREAM, error_of, saying
from tests.sse import answer, read_events

MESSAGES = "/api/conversations/c1/messages"
IMAGE = {"type": "image", "url": "https://example.com/cat.png"}


def say_parts(chat: httpx.Client, *parts: dict[str, Any], **more: Any) -> str:
    body = {"agentId": "echo", "content": list(parts)} | more
    with chat.stream("POST", MESSAGES, json=body, headers=STREAM) as response:
        assert response.status_code == 200, response.read()
        return answer(list(read_events(response.iter_lines())))


def test_parts_reach_the_history_and_the_title_in_their_order(chat: httpx.Client) -> None:
    said = say_parts(chat, {"type": "text", "text": "hello"}, IMAGE, {"type": "text", "text": "world"})
    assert said.endswith("world")
    stored = chat.get(MESSAGES).json()["items"][0]["content"]
    assert stored == [{"text": "hello"}, {"image": {"url": IMAGE["url"]}}, {"text": "world"}]
    assert chat.get(MESSAGES, params={"detail": "answer"}).json()["items"][0]["content"] == stored
    assert chat.get("/api/conversations/c1").json()["title"] == "hello"


def test_image_alone_is_a_message(chat: httpx.Client) -> None:
    say_parts(chat, IMAGE)
    assert chat.get(MESSAGES).json()["items"][0]["content"] == [{"image": {"url": IMAGE["url"]}}]
    assert chat.get("/api/conversations/c1").json()["title"] == "[image: https://example.com/cat.png]"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ([], 422, "invalid_request"),
        ([{"type": "text", "text": "  "}], 422, "invalid_request"),
        ([IMAGE | {"data": "AAAA"}], 422, "invalid_request"),
        ([IMAGE] * 11, 422, "too_many_attachments"),
        (
            [{"type": "image", "data": "A" * 4_800_000, "mediaType": "image/png"}],
            413,
            "attachments_too_large",
        ),
        ([{"type": "text", "text": "x" * 300_000}] * 2, 413, "message_too_large"),
    ],
    ids=["none", "blank", "two sources", "too many", "too large", "too much text"],
)
def test_bad_parts_are_refused_and_leave_nothing(
    chat: httpx.Client, content: Any, status: int, code: str
) -> None:
    refused = chat.post(MESSAGES, json={"agentId": "echo", "content": content})
    assert error_of(refused) == (status, code)
    assert chat.get(MESSAGES).status_code == 404


def test_key_with_another_image_is_refused(chat: httpx.Client) -> None:
    first = {"agentId": "echo", "content": [IMAGE], "idempotencyKey": "k"}
    run = chat.post(MESSAGES, json=first).json()["runId"]
    assert chat.post(MESSAGES, json=first).json()["runId"] == run
    other = first | {"content": [IMAGE | {"url": "https://example.com/dog.png"}]}
    assert error_of(chat.post(MESSAGES, json=other)) == (422, "idempotency_key_reused")


def test_live_message_of_parts_is_injected_whole(chat: httpx.Client) -> None:
    content = [{"type": "text", "text": "make it blue"}, IMAGE]
    with saying(chat, "/echo tools=3 toolMs=1000\nhello") as events:
        for event in events:
            if event.data["type"] == "tool_call" and event.data["id"] == "echo_1":
                accepted = chat.post("/api/conversations/c1/inject", json={"content": content})
                assert accepted.status_code == 202
                [waiting] = chat.get("/api/conversations/c1/inject").json()["items"]
                assert waiting["attachments"] == [{"image": {"url": IMAGE["url"]}}]
            if event.data["type"] == "injected":
                assert event.data["content"] == "make it blue\n[image: https://example.com/cat.png]"
    [live] = [one for one in chat.get(MESSAGES).json()["items"] if one.get("injected")]
    assert live["content"] == [{"text": "make it blue"}, {"image": {"url": IMAGE["url"]}}]
