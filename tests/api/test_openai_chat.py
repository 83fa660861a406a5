"""OpenAI's models and chat completions over HTTP, by its own client for Python."""

import json
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.api.faces import Face, script
from tests.api.openai_clerk import CLERK, client, face
from tests.services.asking import Till, call, till
from tests.services.scripted import says
from tests.tokens import Issuer

__all__ = ["client", "face", "till"]

MAP: Any = {
    "type": "function",
    "function": {"name": "show_map", "description": "Shows a map.", "parameters": {"type": "object"}},
}


def user(content: Any = "Hello") -> Any:
    return {"role": "user", "content": content}


def ask(client: OpenAI, *messages: Any, **more: Any) -> Any:
    return client.chat.completions.create(model=CLERK, messages=list(messages or [user()]), **more)


def test_agents_are_models(client: OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert CLERK in ids
    assert "agent:echo" in ids
    assert client.models.retrieve(CLERK).owned_by == "millrace"


@pytest.mark.parametrize("model", ["agent:nobody", "gpt-5", "agent:", ""])
def test_unknown_model_is_a_typed_404(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model=model, messages=[user()])
    assert (error.value.code, error.value.type) == ("model_not_found", "invalid_request_error")
    if model:
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(model)


def test_wrong_token_is_an_authentication_error(face: Face) -> None:
    with OpenAI(base_url=f"{face.url}/v1", api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            ask(client)


def test_completion_has_answer_and_usage(face: Face, client: OpenAI) -> None:
    script(face, [call("calculator", expression="6*7")], says("It is", " 42."))
    found = ask(client)
    assert found.choices[0].message.content == "It is 42."
    assert found.choices[0].finish_reason == "stop"
    assert found.choices[0].message.tool_calls is None  # the agent's own tools ran here
    assert found.usage.total_tokens == 4
    assert found.model == CLERK


def test_stream_ends_with_usage_and_done(face: Face, client: OpenAI) -> None:
    script(face, says("It", " is", " 42."))
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == "It is 42."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 2)
    assert len({one.id for one in chunks}) == 1
    with httpx.Client(base_url=face.url, headers=face.headers) as raw:
        body = {"model": CLERK, "messages": [user()], "stream": True}
        assert raw.post("/v1/chat/completions", json=body).text.endswith("data: [DONE]\n\n")


def test_messages_of_the_client_are_the_history_and_system_is_instructions(
    face: Face, client: OpenAI
) -> None:
    script(face, says("Blue."))
    system: Any = {"role": "system", "content": "Be brief."}
    said: Any = {"role": "assistant", "content": "Noted."}
    ask(client, system, user("My color is blue."), said, user("Which?"), max_completion_tokens=9)
    [asked] = face.models.requests
    texts = [block["text"] for turn in asked.messages for block in turn["content"]]
    assert texts == ["My color is blue.", "Noted.", "Which?"]
    assert asked.system == "Be brief."
    assert asked.max_tokens == 9


def test_conversation_of_ours_goes_on_by_its_id(face: Face, client: OpenAI) -> None:
    script(face, says("One."), says("Two."))
    metadata = {"conversation_id": "c9", "team": "x"}
    assert ask(client, user("First"), metadata=metadata).metadata == metadata
    ask(client, user("Second"), metadata=metadata)
    texts = [block["text"] for turn in face.models.requests[-1].messages for block in turn["content"]]
    assert texts == ["First", "One.", "Second"]


def test_two_requests_at_once_are_two_conversations(face: Face, client: OpenAI) -> None:
    script(face, says("One."), says("Two."))
    assert ask(client).id != ask(client).id
    assert len(face.models.requests) == 2


def test_same_idempotency_key_never_runs_twice(face: Face, client: OpenAI) -> None:
    script(face, says("Once."), says("Twice."))
    key = {"Idempotency-Key": "k1"}
    first = ask(client, extra_headers=key)
    assert ask(client, extra_headers=key) == first
    streamed = list(ask(client, extra_headers=key, stream=True))
    assert "".join(one.choices[0].delta.content or "" for one in streamed) == "Once."
    assert len(face.models.requests) == 1
    with pytest.raises(openai.UnprocessableEntityError) as error:
        ask(client, user("Other"), extra_headers=key)
    assert error.value.code == "idempotency_key_reused"


def test_function_of_the_client_is_a_tool_call_and_its_result_goes_on(face: Face, client: OpenAI) -> None:
    script(face, [call("show_map", city="Rome")], says("There."))
    first = ask(client, tools=[MAP]).choices[0]
    assert first.finish_reason == "tool_calls"
    [asked] = first.message.tool_calls
    assert (asked.function.name, json.loads(asked.function.arguments)) == ("show_map", {"city": "Rome"})
    messages = [user(), first.message, {"role": "tool", "tool_call_id": asked.id, "content": "shown"}]
    second = ask(client, *messages, tools=[MAP])
    assert second.choices[0].message.content == "There."
    assert ask(client, *messages, tools=[MAP]) == second  # a repetition
    assert len(face.models.requests) == 2
    [result] = face.models.requests[-1].messages[-1]["content"]
    assert result["toolResult"]["content"] == [{"text": "shown"}]


def test_results_of_calls_that_are_not_ours_are_history(face: Face, client: OpenAI) -> None:
    script(face, says("Rome it is."))
    asked = {"id": "call_1", "type": "function", "function": {"name": "show_map", "arguments": "{}"}}
    said: Any = {"role": "assistant", "content": None, "tool_calls": [asked]}
    found = ask(
        client, user(), said, {"role": "tool", "tool_call_id": "call_1", "content": "shown"}, tools=[MAP]
    )
    assert found.choices[0].message.content == "Rome it is."
    kinds = [next(iter(block)) for turn in face.models.requests[0].messages for block in turn["content"]]
    assert kinds == ["text", "toolUse", "toolResult", "text"]


def test_missing_result_is_refused_and_nothing_is_answered(face: Face, client: OpenAI) -> None:
    script(face, [call("show_map", city="Rome"), call("show_map", city="Oslo")], says("Both."))
    message = ask(client, tools=[MAP]).choices[0].message
    results = [{"role": "tool", "tool_call_id": one.id, "content": "shown"} for one in message.tool_calls]
    with pytest.raises(openai.UnprocessableEntityError) as error:
        ask(client, user(), message, results[0], tools=[MAP])
    assert error.value.code == "invalid_answer"
    assert ask(client, user(), message, *results, tools=[MAP]).choices[0].message.content == "Both."


@pytest.mark.parametrize(
    ("answer", "paid"),
    [
        ("approve", [("7", 80)]),
        ("reject", []),
        ("No, too much.", []),
        ('{"decision": "approve", "arguments": {"order": "7", "amount": 5}}', [("7", 5)]),
    ],
)
def test_approval_is_a_call_of_request_approval(
    face: Face, client: OpenAI, till: Till, answer: str, paid: list[Any]
) -> None:
    script(face, [call("refund", order="7", amount=80)], says("ok"))
    message = ask(client).choices[0].message
    [asked] = message.tool_calls
    assert asked.function.name == "request_approval"
    assert json.loads(asked.function.arguments) == {
        "name": "refund",
        "arguments": {"order": "7", "amount": 80},
    }
    ask(client, user(), message, {"role": "tool", "tool_call_id": asked.id, "content": answer})
    assert till.paid == paid


def test_question_is_a_call_of_ask_user(face: Face, client: OpenAI) -> None:
    script(face, [call("ask_user", question="Which?", options=["a", "b"])], says("b it is"))
    message = ask(client, stream=False).choices[0].message
    [asked] = message.tool_calls
    assert asked.function.name == "ask_user"
    done = ask(
        client, user(), message, {"role": "tool", "tool_call_id": asked.id, "content": "b"}, stream=True
    )
    assert "".join(one.choices[0].delta.content or "" for one in done) == "b it is"


def test_calls_of_others_are_only_history(face: Face, client: OpenAI, issuer: Issuer) -> None:
    script(face, [call("show_map")], says("not yours"))
    message = ask(client, tools=[MAP]).choices[0].message
    result: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "shown"}
    token = issuer.user(face.organization, "eve", "customer")["authorization"].removeprefix("Bearer ")
    with OpenAI(base_url=f"{face.url}/v1", api_key=token, max_retries=0) as eve:
        ask(eve, user(), message, result, tools=[MAP])
    assert ask(client, user(), message, result, tools=[MAP]).choices[0].message.content == "ok"


class Sum(BaseModel):
    """A structured answer."""

    total: int
    exact: bool


def test_structured_answer_is_parsed(face: Face, client: OpenAI) -> None:
    turns = [*says("Let me see."), call("calculator", expression="6*7")], says('{"total": 42, "exact": true}')
    script(face, *turns)
    found = client.chat.completions.parse(model=CLERK, messages=[user("6*7?")], response_format=Sum)
    assert found.choices[0].message.parsed == Sum(total=42, exact=True)
    assert face.models.requests[0].response_schema
    script(face, *turns)
    with client.chat.completions.stream(model=CLERK, messages=[user("6*7?")], response_format=Sum) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == Sum(total=42, exact=True)


def test_images_are_parts_of_the_message(face: Face, client: OpenAI) -> None:
    script(face, says("A cat."))
    image = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    ask(client, user([{"type": "text", "text": "What?"}, image]), metadata={"conversation_id": "c1"})
    with face.client() as raw:
        asked = raw.get("/api/conversations/c1/messages").json()["items"][0]
    assert asked["content"][1]["image"]["url"] == "https://example.com/cat.png"


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


def test_images_of_earlier_messages_are_kept(face: Face, client: OpenAI) -> None:
    script(face, says("It is a pixel."))
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    shown = user([{"type": "text", "text": "Look."}, image])
    said: Any = {"role": "assistant", "content": "I see."}
    key = {"Idempotency-Key": "k1"}
    for _ in range(2):
        found = ask(
            client, shown, said, user("What is it?"), metadata={"conversation_id": "c1"}, extra_headers=key
        )
        assert found.choices[0].message.content == "It is a pixel."
    with face.client() as raw:
        items = raw.get("/api/conversations/c1/messages").json()["items"]
    assert [next(iter(block)) for block in items[0]["content"]] == ["text", "image"]
    assert items[0]["content"][1]["image"]["mediaType"] == "image/png"
    assert len(items) == 4


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"tool_choice": "required", "tools": [MAP]},
        {"tools": [{"type": "function", "function": {"name": "refund"}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        {"messages": [{"role": "assistant", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"messages": []},
        {"max_tokens": 0},
    ],
)
def test_wrong_request_is_refused_before_anything_is_stored(
    face: Face, client: OpenAI, more: dict[str, Any]
) -> None:
    with pytest.raises((openai.UnprocessableEntityError, openai.BadRequestError)) as error:
        client.chat.completions.create(**{"model": CLERK, "messages": [user()], **more})
    assert error.value.type == "invalid_request_error"
    with face.client() as raw:
        assert raw.get("/api/conversations").json()["items"] == []


def test_busy_conversation_is_a_conflict_that_is_not_repeated(face: Face) -> None:
    script(face, [call("ask_user", question="Which?")])
    token = face.headers["authorization"].removeprefix("Bearer ")
    with OpenAI(base_url=f"{face.url}/v1", api_key=token, max_retries=2) as client:
        ask(client, metadata={"conversation_id": "c1"})
        with pytest.raises(openai.ConflictError) as error:
            ask(client, metadata={"conversation_id": "c1"})
        assert error.value.code == "run_waiting"
        assert error.value.response.headers["x-should-retry"] == "false"
