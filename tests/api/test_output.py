"""Structured output over HTTP: `responseSchema` of a message, `output` of its end."""

import httpx
import pytest

from tests.api.talk import error_of, say, saying
from tests.sse import answer, types

MESSAGES = "/api/conversations/c1/messages"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PARIS = '{"city": "Paris"}'


def test_done_carries_the_output(chat: httpx.Client) -> None:
    events = say(chat, PARIS, responseSchema=CITY)
    assert events[-1].data["output"] == {"city": "Paris"}
    assert answer(events) == PARIS


def test_json_answer_carries_the_output(chat: httpx.Client) -> None:
    body = {"agentId": "echo", "content": PARIS, "responseSchema": CITY}
    answered = chat.post(MESSAGES, json=body).json()
    assert (answered["output"], answered["content"]) == ({"city": "Paris"}, PARIS)


def test_answer_without_a_schema_has_no_output(chat: httpx.Client) -> None:
    assert "output" not in say(chat, PARIS)[-1].data


def test_run_fails_when_no_answer_fits(chat: httpx.Client) -> None:
    events = say(chat, "Paris", responseSchema=CITY)
    assert events[-1].data["code"] == "output_invalid"
    assert types(events).count("token") == 1


@pytest.mark.parametrize("schema", [{"type": "city"}, {"description": "x" * 40_000}])
def test_schema_that_cannot_be_used_is_refused_before_anything_is_stored(
    chat: httpx.Client, schema: dict[str, str]
) -> None:
    body = {"agentId": "echo", "content": PARIS, "responseSchema": schema}
    assert error_of(chat.post(MESSAGES, json=body)) == (422, "invalid_schema")
    assert error_of(chat.get(MESSAGES)) == (404, "conversation_not_found")


def test_schema_is_part_of_what_an_idempotency_key_stands_for(chat: httpx.Client) -> None:
    body = {"agentId": "echo", "content": PARIS, "responseSchema": CITY, "idempotencyKey": "k1"}
    first = chat.post(MESSAGES, json=body).json()
    again = chat.post(MESSAGES, json=body).json()
    assert (again["runId"], again["output"]) == (first["runId"], {"city": "Paris"})
    other = body | {"responseSchema": {"type": "object"}}
    assert error_of(chat.post(MESSAGES, json=other)) == (422, "idempotency_key_reused")


def test_live_message_cannot_have_a_schema(chat: httpx.Client) -> None:
    body = {"agentId": "echo", "content": PARIS, "responseSchema": CITY, "ifBusy": "inject"}
    with saying(chat, "/echo hang=1\nhello") as events:
        next(event for event in events if event.data["type"] == "token")
        assert error_of(chat.post(MESSAGES, json=body)) == (422, "not_for_live_messages")
        chat.post("/api/conversations/c1/stop")
        list(events)
