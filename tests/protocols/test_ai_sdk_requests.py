"""Requests of AI SDK clients: contents, answers, and what makes two requests identical."""

from typing import Any

import pytest

from millrace.domain.content import FilePart, ImagePart, TextPart
from millrace.errors import MillraceError
from millrace.protocols.ai_sdk.requests import ChatRequest, ClientAnswer, UiMessage, answers_in, content_of


def message(*parts: dict[str, Any], role: str = "user") -> UiMessage:
    return UiMessage.model_validate({"id": "m1", "role": role, "parts": list(parts)})


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def test_texts_are_one_text_and_the_applications_own_parts_are_left_out() -> None:
    assert content_of(message(text("a"), {"type": "data-note", "data": 1}, text("b"))) == "a\nb"


def test_files_become_parts_in_their_order() -> None:
    image = {
        "type": "file",
        "mediaType": "image/png",
        "url": "data:image/png;base64,aGk=",
        "filename": "a.png",
    }
    link = {"type": "file", "mediaType": "application/pdf", "url": "https://example.com/a.pdf"}
    found = content_of(message(image, text("Look."), link))
    assert not isinstance(found, str)
    first, second, third = found
    assert isinstance(first, ImagePart)
    assert (first.data, first.media_type, first.name) == ("aGk=", "image/png", "a.png")
    assert second == TextPart(text="Look.")
    assert isinstance(third, FilePart)
    assert third.url == "https://example.com/a.pdf"


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [text(" ")],
        [{"type": "text"}],
        [{"type": "file", "mediaType": "image/png"}],
        [{"type": "file", "mediaType": "image/png", "url": "ftp://x"}],
        [{"type": "file", "mediaType": "video/mp4", "url": "https://example.com/a.mp4"}],
    ],
)
def test_content_that_says_nothing_or_cannot_be_read_is_refused(parts: list[dict[str, Any]]) -> None:
    with pytest.raises(MillraceError):
        content_of(message(*parts))


def tool(state: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool-x", "toolCallId": "c1", "state": state} | more


@pytest.mark.parametrize(
    ("part", "answers"),
    [
        (
            tool("approval-responded", approval={"id": "run_1.c1", "approved": True, "reason": "ok"}),
            [ClientAnswer("c1", "approve")],
        ),
        (
            tool("approval-responded", approval={"id": "run_1.c.2", "approved": False, "reason": "No."}),
            [ClientAnswer("c.2", "reject", reason="No.")],
        ),
        (tool("approval-requested", approval={"id": "run_1.c1"}), []),
        (tool("output-available", output={"a": 1}), [ClientAnswer("c1", "answer", content={"a": 1})]),
        (tool("output-error", errorText="broken"), [ClientAnswer("c1", "reject", reason="broken")]),
        (tool("output-available", output="ours", providerExecuted=True), []),
        (tool("input-available", input={}), []),
        ({"type": "tool-x"}, []),
        ({"type": 7, "toolCallId": "c1"}, []),
    ],
)
def test_answers_are_read_from_tool_parts(part: dict[str, Any], answers: list[ClientAnswer]) -> None:
    assert list(answers_in(message(part, role="assistant"))) == answers


def request(**more: Any) -> ChatRequest:
    sent = {"id": "c", "messages": [{"id": "m1", "role": "user", "parts": [text("hi")]}]}
    return ChatRequest.model_validate(sent | {"trigger": "submit-message"} | more)


def test_same_message_has_one_key_and_an_edited_one_another() -> None:
    edited = request(messages=[{"id": "m1", "role": "user", "parts": [text("ho")]}])
    assert request().idempotency_key == request(requestMetadata=1).idempotency_key
    assert edited.idempotency_key != request().idempotency_key


def test_regenerated_answer_has_the_key_of_the_one_it_replaces() -> None:
    again, other = (request(trigger="regenerate-message", messageId=name) for name in ("a1", "a2"))
    assert again.idempotency_key != other.idempotency_key
    assert request(trigger="regenerate-message").idempotency_key is None


def test_chat_without_an_id_is_named_by_its_first_message() -> None:
    first = request(id=None)
    longer = request(
        id=None, messages=[*first.model_dump()["messages"], {"id": "m2", "role": "user", "parts": []}]
    )
    assert first.chat_id == longer.chat_id
    assert first.chat_id != request().chat_id
