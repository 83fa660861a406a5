"""OpenAI's API: any run becomes streams that its own types and its own clients accept."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from openai import omit
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from millrace.domain import events
from millrace.domain.event_ids import EventId
from millrace.domain.events import DETAILS, Detail
from millrace.domain.projection import settled
from millrace.errors import NotFound
from millrace.protocols.framing import Framed
from millrace.protocols.openai.chat import ChatProjection, completion_of
from millrace.protocols.openai.envelope import parse_response_id, response_id
from millrace.protocols.openai.numbers import chunk_of
from millrace.protocols.openai.responses import ResponseProjection
from millrace.stores.event_log import encode
from tests.protocols.generated_runs import GeneratedRun, run_of, runs, some_runs

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
OURS = "millrace."


def waits(generated: GeneratedRun) -> list[int]:
    """The numbers after which a response of this run begins."""
    return [0, *(entry.seq for entry in generated.entries[:-1] if entry.type == "waiting")]


def frames(generated: GeneratedRun, after: int = 0, detail: Detail = "full", **seen: Any) -> list[bytes]:
    framed = Framed(ResponseProjection(generated.run, detail, after), generated.run.id, **seen)
    stream = b"".join(framed.frames([entry]) for entry in generated.entries)
    return [frame for frame in stream.split(b"\n\n") if frame]


def data_of(frame: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(frame.split(b"data: ", 1)[1])
    return found


def sent(generated: GeneratedRun, after: int = 0, detail: Detail = "full") -> list[dict[str, Any]]:
    return [data_of(frame) for frame in frames(generated, after, detail)]


@given(runs(), st.sampled_from(DETAILS))
def test_every_event_of_a_response_fits_the_types(generated: GeneratedRun, detail: Detail) -> None:
    for after in waits(generated):
        for event in sent(generated, after, detail):
            if not event["type"].startswith(OURS):
                EVENT.validate_python(event)


@given(runs(), st.data())
def test_response_goes_on_behind_any_sequence_number(generated: GeneratedRun, data: st.DataObject) -> None:
    after = data.draw(st.sampled_from(waits(generated)))
    whole = frames(generated, after)
    numbers = [data_of(frame)["sequence_number"] for frame in whole]
    assert numbers == sorted(set(numbers))
    if whole:
        n = data.draw(st.integers(1, len(whole)))
        assert frames(generated, after, seen=chunk_of(generated.run.id, numbers[n - 1])) == whole[n:]


@settings(deadline=None)  # the first use of the client imports much
@given(runs())
def test_own_client_accumulates_the_finished_response(generated: GeneratedRun) -> None:
    answer = ""
    for after in waits(generated):
        state: Any = ResponseStreamState(text_format=omit, input_tools=[])
        last: dict[str, Any] = {}
        for event in sent(generated, after):
            state.handle_event(
                EVENT.validate_python(event) if not event["type"].startswith(OURS) else event_of(event)
            )
            last = event
        if "response" in last:
            response = Response.model_validate(last["response"])
            answer += response.output_text
    if (generated.over or generated.waits) and generated.last.type != "error":
        assert answer == generated.answer


@pytest.mark.parametrize(("seed", "turns"), [(219, 3), (1386, 2)])
def test_call_that_is_asked_again_after_each_of_two_rewinds_is_one_item(seed: int, turns: int) -> None:
    generated = run_of(seed, turns)
    for after in waits(generated):
        for event in sent(generated, after):
            output = event.get("response", {}).get("output", [])
            ids = [item["id"] for item in output]
            assert len(ids) == len(set(ids))


def event_of(event: dict[str, Any]) -> Any:
    """An event that the client's types do not know, as its own parser makes it."""
    from openai._models import construct_type

    return construct_type(type_=ResponseStreamEvent, value=event)


def test_calls_of_a_run_are_found_again_in_its_responses() -> None:
    """Every call of the settled log is an item of one response, or is asked of the client in one."""
    for generated in some_runs(100):
        if generated.last.type != "done":
            continue
        items = [
            item for after in waits(generated) for item in sent(generated, after)[-1]["response"]["output"]
        ]
        own = [one.event for one in settled(generated.entries) if "parent" not in one.event]
        named = [event["name"] for event in own if event["type"] == "tool_call" and event["name"] != "look"]
        found = [item["name"] for item in items if item["type"] in ("function_call", "mcp_call")]
        assert sorted(name for name in found if name != "look") == sorted(named)
        asked = [
            event for event in own if event["type"] == "approval_requested" and event["kind"] == "approval"
        ]
        assert len([item for item in items if item["type"] == "mcp_approval_request"]) == len(asked)


@given(runs(), st.sampled_from(DETAILS))
def test_every_chunk_of_a_completion_fits_the_types(generated: GeneratedRun, detail: Detail) -> None:
    for after in waits(generated):
        for chunk in chunks(generated, after, detail):
            if "error" not in chunk:
                ChatCompletionChunk.model_validate(chunk)


def chunks(
    generated: GeneratedRun, after: int = 0, detail: Detail = "full", *, structured: bool = False
) -> list[dict[str, Any]]:
    projection = ChatProjection(generated.run, detail, after, usage=True, structured=structured)
    made = [chunk for entry in settled(generated.entries) for chunk in projection.chunks(entry)]
    return [json.loads(chunk.removeprefix(b"data: ")) for chunk in made]


@settings(deadline=None)
@given(runs(), st.booleans())
def test_streamed_completion_is_the_whole_one(generated: GeneratedRun, structured: bool) -> None:
    if generated.last.type == "error" or not (generated.over or generated.waits):
        return
    ends = [*waits(generated)[1:], generated.last.seq]
    for after, end in zip(waits(generated), ends, strict=True):
        state: Any = ChatCompletionStreamState()
        for chunk in chunks(generated, after, structured=structured):
            state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
        streamed = state.current_completion_snapshot
        part = [entry for entry in settled(generated.entries) if entry.seq <= end]
        whole = ChatCompletion.model_validate(
            completion_of(generated.run, part, "full", after, structured=structured)
        )
        for mine, theirs in zip(streamed.choices, whole.choices, strict=True):
            assert mine.finish_reason == theirs.finish_reason
            assert (mine.message.content or "") == (theirs.message.content or "")
            calls = [(one.id, one.function.arguments) for one in mine.message.tool_calls or []]
            theirs_calls: Any = theirs.message.tool_calls or []
            assert calls == [(one.id, one.function.arguments) for one in theirs_calls]
        assert streamed.usage == whole.usage


def log(*sent: dict[str, Any]) -> GeneratedRun:
    base = some_runs(1)[0].run
    run = replace(base, id="run_1", message_id="msg_1")
    start = events.start("run_1", "c1", "msg_1", "echo")
    return GeneratedRun(run, [encode(seq, event) for seq, event in enumerate([start, *sent], 1)])


DONE = events.done("msg_1", {"input": 3, "output": 2, "total": 5}, 0.1, "stop", 12)


def test_golden_response() -> None:
    call = events.tool_call("c_1", "search", {"q": 1})
    result = events.tool_result("c_1", "search", True, "one", "one result", 5)
    streamed_events = sent(log(events.thinking("Hm."), call, result, events.token("Hi"), DONE))
    assert [event["type"].removeprefix("response.") for event in streamed_events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    response = streamed_events[-1]["response"]
    assert response["model"] == "agent:echo"
    assert response["usage"]["total_tokens"] == 5
    [thought, searched, said] = response["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert (searched["name"], searched["arguments"], searched["output"]) == (
        "search",
        '{"q":1}',
        "one result",
    )
    assert said["content"][0]["text"] == "Hi"
    assert [event["sequence_number"] for event in streamed_events][:4] == [1000, 1001, 2000, 2001]


def test_rewind_ends_void_items_as_incomplete_and_the_response_has_what_is_true() -> None:
    rewind = events.rewind(str(EventId("run_1", 2)))
    streamed_events = sent(
        log(events.token("kept "), events.token("void"), rewind, events.token("new"), DONE)
    )
    ended = [event["item"] for event in streamed_events if event["type"] == "response.output_item.done"]
    assert [(item["status"], item["content"][0]["text"]) for item in ended] == [
        ("incomplete", "kept void"),
        ("completed", "kept new"),
    ]
    [message] = streamed_events[-1]["response"]["output"]
    assert message["content"][0]["text"] == "kept new"


def test_completion_that_would_be_void_ends_with_an_error_and_no_done() -> None:
    generated = log(events.token("void"), events.rewind(str(EventId("run_1", 1))), events.token("new"), DONE)
    framed = Framed(ChatProjection(generated.run, "full"), "run_1", numbered=False)
    stream = framed.frames(generated.entries) + framed.end(generated.last)
    assert json.loads(stream.strip().split(b"data: ")[-1])["error"]["code"] == "rewound"
    assert b"[DONE]" not in stream


@pytest.mark.parametrize(
    ("reason", "kind", "status", "finish"),
    [
        ("stop", "completed", "completed", "stop"),
        ("max_tokens", "incomplete", "incomplete", "length"),
        ("max_iterations", "incomplete", "incomplete", "length"),
        ("refusal", "incomplete", "incomplete", "content_filter"),
        ("stopped", "incomplete", "cancelled", "stop"),
    ],
)
def test_finish_reasons(reason: str, kind: str, status: str, finish: str) -> None:
    generated = log(events.token("a"), events.done("msg_1", None, None, reason, None))
    last = sent(generated)[-1]
    assert (last["type"], last["response"]["status"]) == (f"response.{kind}", status)
    assert last["response"]["usage"] is None
    whole = completion_of(generated.run, generated.entries, "full")
    assert whole["choices"][0]["finish_reason"] == finish


def test_failure_is_reported_with_our_code() -> None:
    response = sent(log(events.error("Slow down.", "rate_limited", True)))[-1]["response"]
    assert response["status"] == "failed"
    assert response["error"]["code"] == "rate_limit_exceeded"
    assert response["error"]["millrace_code"] == "rate_limited"


@given(st.text("ABC0129", min_size=1), st.integers(0, 10**9))
def test_response_id_names_its_run_and_part(name: str, after: int) -> None:
    assert parse_response_id(response_id(f"run_{name}", after)) == (f"run_{name}", after)


@pytest.mark.parametrize("text", ["", "resp_", "resp_a.x", "resp_a.²", "run_1", "resp_a." + "9" * 12])
def test_wrong_response_id_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        parse_response_id(text)


def test_agent_that_works_for_another_asks_in_the_runs_own_name() -> None:
    nested = {"parent": "c_0", "agentId": "helper"}
    refund = events.approval_requested("c_1", "approval", "refund", {"amount": 9}, "2030") | nested
    question = events.approval_requested("c_2", "question", "ask_user", {}, "2030", "Which?", ["a"]) | nested
    named = [
        {"callId": one["callId"], "kind": one["kind"], "name": one["name"]} for one in (refund, question)
    ]
    call = events.tool_call("c_2", "ask_user", {"question": "Which?"}) | nested
    generated = log(call, refund, question, events.waiting(named, "2030"))
    [approval, asked] = sent(generated)[-1]["response"]["output"]
    assert (approval["type"], approval["name"]) == ("mcp_approval_request", "refund")
    assert (asked["type"], asked["name"], asked["call_id"]) == ("function_call", "ask_user", "c_2.run_1")
    assert json.loads(asked["arguments"]) == {"question": "Which?", "options": ["a"]}
    whole = completion_of(generated.run, generated.entries, "full")["choices"][0]
    names = [one["function"]["name"] for one in whole["message"]["tool_calls"]]
    assert (whole["finish_reason"], names) == ("tool_calls", ["request_approval", "ask_user"])
    streamed = [chunk["choices"][0]["delta"] for chunk in chunks(generated) if chunk["choices"]]
    assert [one["tool_calls"][0]["function"]["name"] for one in streamed if "tool_calls" in one] == names
