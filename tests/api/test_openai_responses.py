"""OpenAI's responses over HTTP, by its own client for Python."""

import re
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.api.faces import Face, script
from tests.api.openai_clerk import CLERK, client, client_of, face
from tests.services.asking import Till, call, till
from tests.services.scripted import says
from tests.tokens import Issuer

__all__ = ["client", "face", "till"]

MAP: Any = {"type": "function", "name": "show_map", "parameters": {"type": "object"}, "strict": False}


def ask(client: OpenAI, given: Any = "Hello", **more: Any) -> Any:
    return client.responses.create(model=CLERK, input=given, **more)


def test_response_has_items_usage_and_what_was_sent_with_it(face: Face, client: OpenAI) -> None:
    script(face, [call("calculator", expression="6*7")], says("It is", " 42."))
    found = ask(client, instructions="Be brief.", metadata={"team": "x"})
    assert (found.status, found.output_text, found.usage.total_tokens) == ("completed", "It is 42.", 4)
    assert [item.type for item in found.output] == ["mcp_call", "message"]
    assert found.output[0].output == "42"
    assert (found.instructions, found.metadata) == ("Be brief.", {"team": "x"})
    assert client.responses.retrieve(found.id) == found


def test_stream_is_the_same_behind_any_sequence_number(face: Face, client: OpenAI) -> None:
    script(face, [call("calculator", expression="6*7")], says("It is", " 42."))
    whole = list(ask(client, stream=True))
    assert whole[-1].type == "response.completed"
    id = whole[0].response.id
    assert list(client.responses.retrieve(id, stream=True)) == whole
    for n in range(0, len(whole), 4):
        number = whole[n].sequence_number
        assert list(client.responses.retrieve(id, stream=True, starting_after=number)) == whole[n + 1 :]


def test_streaming_helper_of_the_client_ends_with_the_response(face: Face, client: OpenAI) -> None:
    script(face, says("Hi", " there"))
    with client.responses.stream(model=CLERK, input="Hello") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert deltas == ["Hi", " there"]
    assert final.output_text == "Hi there"
    with client.responses.stream(response_id=final.id, starting_after=0) as again:
        assert again.get_final_response().output_text == "Hi there"


def test_background_response_goes_on_in_another_process(face: Face, client: OpenAI) -> None:
    script(face, says("Done."))
    begun = ask(client, background=True)
    assert begun.status in ("queued", "in_progress")
    assert begun.background is True
    events: list[Any] = list(client.responses.retrieve(begun.id, stream=True))
    assert events[-1].response.output_text == "Done."
    found = client.responses.retrieve(begun.id)
    assert (found.status, found.output_text) == ("completed", "Done.")


def test_background_response_is_cancelled(face: Face, client: OpenAI) -> None:
    script(face, [call("ask_user", question="Which?")], says("never"))
    begun = ask(client, background=True, metadata={"a": "b"})
    list(client.responses.retrieve(begun.id, stream=True))
    assert client.responses.cancel(begun.id).id == begun.id
    with face.client() as raw:
        run = raw.get(f"/api/runs/{begun.id.replace('resp_', 'run_')}").json()
    assert run["state"] == "stopped"
    assert client.responses.cancel(begun.id).id == begun.id


async def test_running_response_is_cancelled_and_keeps_what_was_said(face: Face, client: OpenAI) -> None:
    import asyncio

    async def stuck() -> None:
        await asyncio.sleep(20)

    script(face, [*says("So far"), stuck])
    stream = await asyncio.to_thread(ask, client, stream=True)

    def read() -> Any:
        for event in stream:
            if event.type == "response.created":
                id = event.response.id
            if event.type == "response.output_text.delta":
                return client.responses.cancel(id)
        raise AssertionError("nothing came")

    cancelled = await asyncio.to_thread(read)
    assert (cancelled.status, cancelled.output_text) == ("cancelled", "So far")


def test_conversation_goes_on_from_a_response_and_by_its_own_id(face: Face, client: OpenAI) -> None:
    script(face, says("One."), says("Two."), says("Three."))
    first = ask(client, "First")
    second = ask(client, "Second", previous_response_id=first.id)
    ask(client, "Third", conversation=second.conversation.id)
    texts = [block["text"] for turn in face.models.requests[-1].messages for block in turn["content"]]
    assert texts == ["First", "One.", "Second", "Two.", "Third"]
    assert second.previous_response_id == first.id


def test_response_goes_on_behind_the_one_that_it_names(face: Face, client: OpenAI) -> None:
    script(face, says("One."), says("Two."), says("Three."), says("Four."))
    first = ask(client, "First")
    ask(client, "Second", previous_response_id=first.id)
    third = ask(client, "Third", previous_response_id=first.id)
    assert sent(face) == ["First", "One.", "Third"]
    ask(client, "Fourth", previous_response_id=third.id)
    assert sent(face) == ["First", "One.", "Third", "Three.", "Fourth"]


def sent(face: Face) -> list[str]:
    """The texts that the model was sent with its last call."""
    return [block["text"] for turn in face.models.requests[-1].messages for block in turn["content"]]


def test_items_of_the_input_are_the_history(face: Face, client: OpenAI) -> None:
    script(face, says("Blue."))
    items: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "My color is blue."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Noted."}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "user", "content": "Which?"},
    ]
    ask(client, items, max_output_tokens=7)
    [asked] = face.models.requests
    assert [block["text"] for turn in asked.messages for block in turn["content"]] == [
        "My color is blue.",
        "Noted.",
        "Which?",
    ]
    assert (asked.system, asked.max_tokens) == ("Be brief.", 7)


@pytest.mark.parametrize("stateless", [False, True])
def test_function_call_waits_for_its_output(face: Face, client: OpenAI, stateless: bool) -> None:
    script(face, [call("show_map", city="Rome")], says("There."))
    first = ask(client, tools=[MAP])
    [asked] = first.output
    assert (asked.type, asked.name, asked.arguments) == ("function_call", "show_map", '{"city":"Rome"}')
    output: Any = {"type": "function_call_output", "call_id": asked.call_id, "output": "shown"}
    if stateless:
        more: Any = {}
        items = [{"role": "user", "content": "Hello"}, asked.model_dump(exclude_none=True), output]
    else:
        more, items = {"previous_response_id": first.id}, [output]
    second = ask(client, items, tools=[MAP], **more)
    assert second.output_text == "There."
    assert ask(client, items, tools=[MAP], **more) == second  # a repetition
    assert client.responses.retrieve(second.id) == second
    assert client.responses.retrieve(first.id) == first
    assert second.id != first.id
    assert len(face.models.requests) == 2
    listed = list(client.responses.input_items.list(second.id))
    assert [(item.type, item.output) for item in listed] == [("function_call_output", "shown")]  # type: ignore[union-attr]


@pytest.mark.parametrize(("approve", "paid"), [(True, [("7", 80)]), (False, [])])
def test_approval_is_an_mcp_approval(
    face: Face, client: OpenAI, till: Till, approve: bool, paid: list[Any]
) -> None:
    script(face, [call("refund", order="7", amount=80)], says("ok"))
    first = ask(client)
    [asked] = first.output
    assert (asked.type, asked.name, asked.server_label) == ("mcp_approval_request", "refund", "clerk")
    answer: Any = {
        "type": "mcp_approval_response",
        "approval_request_id": asked.id,
        "approve": approve,
        "reason": "approve",
    }
    second = ask(client, [answer], previous_response_id=first.id)
    assert second.output_text == "ok"
    ran = [item for item in second.output if item.type == "mcp_call"]
    assert [item.approval_request_id for item in ran] == [asked.id]
    assert [item.status for item in ran] == ["completed" if approve else "failed"]
    assert till.paid == paid


def test_question_is_a_function_call(face: Face, client: OpenAI) -> None:
    script(face, [call("ask_user", question="Which?")], says("b it is"))
    first = ask(client)
    assert first.output[0].name == "ask_user"
    output: Any = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "b"}
    second = list(ask(client, [output], previous_response_id=first.id, stream=True))
    assert second[0].type == "response.created"
    assert second[-1].response.output_text == "b it is"


def test_live_message_joins_the_response_that_waits(face: Face, client: OpenAI) -> None:
    script(face, [call("ask_user", question="Which?")], says("Never mind then."))
    first = ask(client)
    with pytest.raises(openai.ConflictError) as error:
        ask(client, "Forget it.", previous_response_id=first.id)
    assert error.value.code == "run_waiting"
    joined = ask(client, "Forget it.", previous_response_id=first.id, extra_body={"if_busy": "inject"})
    assert joined.id == first.id


def test_same_idempotency_key_never_runs_twice(face: Face, client: OpenAI) -> None:
    script(face, says("Once."), says("Twice."))
    key = {"Idempotency-Key": "k1"}
    first = ask(client, extra_headers=key)
    assert ask(client, extra_headers=key) == first
    assert len(face.models.requests) == 1


def test_response_is_deleted_with_its_conversation(face: Face, client: OpenAI) -> None:
    script(face, says("One."), says("Two."))
    first = ask(client, "First")
    second = ask(client, "Second", previous_response_id=first.id)
    with pytest.raises(openai.ConflictError) as error:
        client.responses.delete(second.id)
    assert error.value.code == "response_in_conversation"
    alone = ask(client)
    client.responses.delete(alone.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(alone.id)


def test_responses_of_others_are_not_found(face: Face, client: OpenAI, issuer: Issuer) -> None:
    script(face, says("secret"))
    mine = ask(client)
    for headers in (issuer.headers("org-other"), issuer.user(face.organization, "eve", "customer")):
        with client_of(face, headers) as other:
            for forbidden in (
                lambda: other.responses.retrieve(mine.id),
                lambda: other.responses.cancel(mine.id),
                lambda: other.responses.delete(mine.id),
                lambda: list(other.responses.input_items.list(mine.id)),
                lambda: list(other.responses.retrieve(mine.id, stream=True)),
                lambda: ask(other, "And?", previous_response_id=mine.id),
            ):
                with pytest.raises(openai.NotFoundError) as error:
                    forbidden()
                assert error.value.code in ("response_not_found", "model_not_found")


class Sum(BaseModel):
    """A structured answer."""

    total: int
    exact: bool


def test_structured_answer_is_parsed_behind_talk_and_tools(face: Face, client: OpenAI) -> None:
    script(
        face,
        [*says("Let me see."), call("calculator", expression="6*7")],
        says('{"total": 42, "exact": true}'),
    )
    found = client.responses.parse(model=CLERK, input="6*7?", text_format=Sum)
    assert found.output_parsed == Sum(total=42, exact=True)


def test_response_outlives_its_events(face: Face, client: OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    script(face, says("Kept."))
    found = ask(client)

    async def gone(*_: Any, **__: Any) -> list[Any]:
        return []

    monkeypatch.setattr(face.platform.stores.log, "read", gone)
    kept = client.responses.retrieve(found.id)
    assert (kept.status, kept.output_text, kept.usage) == ("completed", "Kept.", found.usage)


@pytest.mark.parametrize(
    "more",
    [
        {"tool_choice": "required"},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "function", "name": "a b"}]},
        {"input": []},
        {"input": [{"type": "computer_call"}]},
        {"input": [{"role": "assistant", "content": "Hi"}]},
        {"text": {"format": {"type": "json_schema", "name": "x"}}},
        {"previous_response_id": "resp_1", "conversation": "c1"},
    ],
)
def test_wrong_request_is_refused_before_anything_is_stored(
    face: Face, client: OpenAI, more: dict[str, Any]
) -> None:
    with pytest.raises((openai.UnprocessableEntityError, openai.BadRequestError)):
        client.responses.create(**{"model": CLERK, "input": "Hello", **more})
    with face.client() as raw:
        assert raw.get("/api/conversations").json()["items"] == []


@pytest.mark.parametrize("id", ["resp_nothing", "resp_a.x", "chatcmpl-1", "run_1"])
def test_unknown_response_is_a_typed_404(client: OpenAI, id: str) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.responses.retrieve(id)
    assert error.value.code == "response_not_found"


def test_wrong_sequence_number_is_refused(face: Face, client: OpenAI) -> None:
    script(face, says("a"))
    found = ask(client)
    with httpx.Client(base_url=face.url, headers=face.headers) as raw:
        bad = raw.get(f"/v1/responses/{found.id}?stream=true&starting_after=x")
    assert (bad.status_code, bad.json()["error"]["code"]) == (422, "invalid_query")


def test_example_of_the_documentation_runs(face: Face, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "openai.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    script(face, says("42"))
    token = face.headers["authorization"].removeprefix("Bearer ")
    exec(code, {"MILLRACE_URL": face.url, "TOKEN": token})
    assert capsys.readouterr().out == "42\n"
