"""AG-UI: any run becomes events that its schema and its own client accept, the same for every viewer."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from ag_ui.core import Event as AgUiEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from millrace.domain import events
from millrace.domain.event_ids import EventId
from millrace.domain.events import DETAILS, Detail, LogEntry
from millrace.protocols.ag_ui.encoding import AgUiProjection
from millrace.protocols.framing import Framed, parse_chunk_id
from millrace.stores.event_log import encode
from tests.clients import run_client
from tests.protocols.generated_runs import GeneratedRun, runs, some_runs

SCHEMA: TypeAdapter[AgUiEvent] = TypeAdapter(AgUiEvent)
BEFORE = [{"id": "user_1", "role": "user", "content": "Hello"}]


def projection(detail: Detail = "full") -> AgUiProjection:
    return AgUiProjection("thread_1", "their_run", detail, before=BEFORE)


def projected(entries: Sequence[LogEntry], detail: Detail = "full") -> list[dict[str, Any]]:
    made = projection(detail)
    return [event for entry in entries for event in made.events(entry)]


def frames(generated: GeneratedRun, **seen: Any) -> list[bytes]:
    framed = Framed(projection(), generated.run.id, **seen)
    stream = b"".join(framed.frames([entry]) for entry in generated.entries)
    return [frame + b"\n\n" for frame in stream.split(b"\n\n") if frame]


@given(runs(), st.sampled_from(DETAILS))
def test_every_event_fits_the_schema(generated: GeneratedRun, detail: Detail) -> None:
    for event in projected(generated.entries, detail):
        SCHEMA.validate_json(json.dumps(event))


@given(runs(), st.data())
def test_replay_is_the_same_and_goes_on_behind_any_event(
    generated: GeneratedRun, data: st.DataObject
) -> None:
    whole = frames(generated)
    assert frames(generated) == whole
    n = data.draw(st.integers(1, len(whole)))
    seen = parse_chunk_id(whole[n - 1].split(b"\n")[0].decode().removeprefix("id: "))
    assert frames(generated, seen=seen) == whole[n:]


async def test_own_client_accepts_every_run_and_has_the_settled_answer() -> None:
    batch = some_runs(150)
    given = [{"events": projected(one.entries), "open": not (one.over or one.waits)} for one in batch]
    seen = await run_client("ag_ui_verify.mjs", stdin=json.dumps(given))
    for one, said in zip(batch, seen, strict=True):
        assert said["error"] is None, said
        texts = [message["content"] for message in said["messages"] if is_answer(message)]
        if one.last.type != "error":
            assert "".join(texts) == one.answer


def is_answer(message: dict[str, Any]) -> bool:
    return bool(
        message["role"] == "assistant" and message.get("content") and not message.get("subagentRunId")
    )


def log(*said: dict[str, Any]) -> list[LogEntry]:
    start = events.start("run_1", "c1", "msg_1", "echo")
    return [encode(seq, event) for seq, event in enumerate([start, *said], 1)]


def kinds(entries: Sequence[LogEntry]) -> list[str]:
    return [event["type"] for event in projected(entries)]


def test_golden_run() -> None:
    entries = log(
        events.thinking("Hm."),
        events.tool_call("c_1", "search", {"q": 1}),
        events.tool_result("c_1", "search", True, "one", "one result", 5),
        events.token("Hel"),
        events.token("lo"),
        events.done("msg_1", {"input": 3, "output": 2, "total": 5}, 0.1, "stop", 12),
    )
    assert projected(entries) == [
        {"type": "RUN_STARTED", "threadId": "thread_1", "runId": "their_run", "protocolVersion": "1.0"},
        {"type": "REASONING_START", "messageId": "msg_1-1"},
        {"type": "REASONING_MESSAGE_START", "messageId": "msg_1-1", "role": "reasoning"},
        {"type": "REASONING_MESSAGE_CONTENT", "messageId": "msg_1-1", "delta": "Hm."},
        {"type": "REASONING_MESSAGE_END", "messageId": "msg_1-1"},
        {"type": "REASONING_END", "messageId": "msg_1-1"},
        {
            "type": "TOOL_CALL_START",
            "toolCallId": "c_1",
            "toolCallName": "search",
            "parentMessageId": "msg_1-2",
        },
        {"type": "TOOL_CALL_ARGS", "toolCallId": "c_1", "delta": '{"q":1}'},
        {"type": "TOOL_CALL_END", "toolCallId": "c_1"},
        {
            "type": "TOOL_CALL_RESULT",
            "messageId": "msg_1-c_1",
            "toolCallId": "c_1",
            "content": "one result",
            "role": "tool",
            "metadata": {"millrace": {"ok": True, "durationMs": 5}},
        },
        {"type": "TEXT_MESSAGE_START", "messageId": "msg_1-3", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "msg_1-3", "delta": "Hel"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "msg_1-3", "delta": "lo"},
        {"type": "TEXT_MESSAGE_END", "messageId": "msg_1-3"},
        {
            "type": "RUN_FINISHED",
            "threadId": "thread_1",
            "runId": "their_run",
            "outcome": {"type": "success"},
            "usage": [{"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}],
            "metadata": {"millrace": {"finishReason": "stop", "cost": 0.1, "durationMs": 12}},
        },
    ]


def test_rewind_replaces_all_messages_by_those_that_are_left() -> None:
    entries = log(
        events.token("kept"),
        events.injected("m_2", "hurry", 2),
        events.token("void"),
        events.rewind(str(EventId("run_1", 3))),
        events.token("new"),
    )
    snapshot = next(event for event in projected(entries) if event["type"] == "MESSAGES_SNAPSHOT")
    kept = {"id": "msg_1-1", "role": "assistant", "content": "kept"}
    assert snapshot["messages"] == [*BEFORE, kept]
    assert kinds(entries)[-3:] == ["MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"]


def test_rewind_of_what_was_not_shown_is_not_shown() -> None:
    entries = log(events.token("a"), events.status("x"), events.rewind(str(EventId("run_1", 2))))
    assert "MESSAGES_SNAPSHOT" not in kinds(entries)


def waiting(*asked: dict[str, Any]) -> list[dict[str, Any]]:
    named = [{"callId": one["callId"], "kind": one["kind"], "name": one["name"]} for one in asked]
    return [*asked, events.waiting(named, "2030-01-01T00:00:00.000Z")]


def outcome(*said: dict[str, Any]) -> Any:
    return projected(log(*said))[-1]["outcome"]


def test_wait_for_people_is_an_interrupt_and_the_answer_begins_the_next_run() -> None:
    asked = events.approval_requested("c_1", "approval", "refund", {"amount": 9}, "2030-01-01T00:00:00.000Z")
    call = events.tool_call("c_1", "refund", {"amount": 9})
    [interrupt] = outcome(call, *waiting(asked))["interrupts"]
    assert (interrupt["id"], interrupt["reason"], interrupt["toolCallId"]) == (
        "c_1",
        "approval_required",
        "c_1",
    )
    assert interrupt["metadata"]["millrace"]["arguments"] == {"amount": 9}
    answered = events.approval_answered("c_1", "approval", "refund", "approve", "boss", None)
    said = kinds(log(call, *waiting(asked), answered, events.tool_result("c_1", "refund", True, "", "", 1)))
    assert said[said.index("RUN_FINISHED") + 1] == "RUN_STARTED"
    assert said[-1] == "TOOL_CALL_RESULT"


def test_question_is_an_interrupt_with_the_schema_of_its_answer() -> None:
    asked = events.approval_requested("c_1", "question", "ask_user", {}, "2030", "Which?", ["a", "b"])
    [interrupt] = outcome(events.tool_call("c_1", "ask_user", {}), *waiting(asked))["interrupts"]
    assert interrupt["message"] == "Which?"
    assert interrupt["responseSchema"] == {"type": "string", "enum": ["a", "b"]}


def test_tool_of_the_client_ends_the_run_well_and_names_the_call() -> None:
    asked = events.approval_requested("c_1", "client", "show_map", {"city": "Rome"}, "2030")
    call = events.tool_call("c_1", "show_map", {"city": "Rome"}, client=True)
    assert outcome(call, *waiting(asked)) == {"type": "success", "pendingToolCallIds": ["c_1"]}


@pytest.mark.parametrize("reason", ["stopped", "interrupted"])
def test_stopped_run_is_cancelled(reason: str) -> None:
    done = events.done("msg_1", None, None, reason, None)
    assert outcome(done) == {"type": "cancelled"}
    assert "usage" not in projected(log(done))[-1]
