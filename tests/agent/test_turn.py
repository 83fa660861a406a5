"""A single model call: its events, its message, and what may be retried."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.agent.emitter import Emitter
from millrace.agent.model import (
    Block,
    Delta,
    Finish,
    Message,
    ModelRequest,
    PromptUsage,
    Text,
    Thinking,
    ThinkingBlock,
    ToolCall,
    ToolSpec,
    Usage,
)
from millrace.agent.turn import Turn
from millrace.errors import ProviderError

LOOKUP = ToolSpec("lookup", "Look it up.", {"type": "object"})
STOP = Finish("stop", Usage(10, 5))
SIGNED: Block = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}


class Server:
    """A provider that streams what it is given, then fails if it is to."""

    def __init__(self, *deltas: Delta, error: Exception | None = None) -> None:
        self._deltas, self._error = deltas, error
        self.closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        try:
            for delta in self._deltas:
                yield delta
            if self._error:
                raise self._error
        finally:
            self.closed = True


def request_of(*messages: Message) -> ModelRequest:
    return ModelRequest(
        "m", "", list(messages) or [{"role": "user", "content": [{"text": "hello"}]}], [LOOKUP]
    )


async def read(
    *deltas: Delta, error: Exception | None = None, request: ModelRequest | None = None, react: bool = False
) -> tuple[Turn, list[dict[str, Any]]]:
    """The turn that a model answered so, with its events; also of one that failed."""
    seen: list[dict[str, Any]] = []
    turn, server = Turn(Emitter(seen.append), react), Server(*deltas, error=error)
    try:
        await turn.stream(server, request or request_of())
    except ProviderError as failure:
        seen.append({"type": "failed", "code": failure.code})
    assert server.closed
    return turn, seen


async def test_text_is_shown_piece_by_piece_and_kept_as_one_block() -> None:
    turn, seen = await read(Text("Hel"), Text("lo "), Text("there"), STOP)
    assert [event["type"] for event in seen] == ["token"] * len(seen)
    assert "".join(event["token"] for event in seen) == "Hello there"
    assert turn.content() == [{"text": "Hello there"}]
    assert turn.finish == STOP


async def test_text_calls_and_signed_thoughts_are_kept_in_their_order() -> None:
    call = ToolCall("c1", "lookup", {"n": 1})
    turn, seen = await read(
        Thinking("hm"), ThinkingBlock(SIGNED), Text("Let me see. "), call, Finish("tool_use", None)
    )
    used = {"toolUse": {"toolUseId": "c1", "name": "lookup", "input": {"n": 1}}}
    assert turn.content() == [SIGNED, {"text": "Let me see. "}, used]
    assert turn.calls == [call]
    assert [event["type"] for event in seen] == ["thinking", "token", "tool_call"]


async def test_thought_between_texts_divides_them() -> None:
    turn, _ = await read(Text("One."), ThinkingBlock(SIGNED), Text("Two."), STOP)
    assert turn.content() == [{"text": "One."}, SIGNED, {"text": "Two."}]


async def test_data_of_the_server_is_kept_beside_its_call_and_not_shown() -> None:
    data = {"gemini": {"thought_signature": "secret"}}
    turn, seen = await read(ToolCall("c1", "lookup", {}, provider_data=data), Finish("tool_use", None))
    assert turn.content()[0]["providerData"] == data
    assert "secret" not in str(seen)


async def test_call_with_broken_arguments_is_shown_as_it_came_and_kept_without_them() -> None:
    turn, seen = await read(ToolCall("c1", "lookup", None, raw='{"n": '), Finish("tool_use", None))
    assert turn.content()[0]["toolUse"]["input"] == {}
    assert '{"n": ' in str(seen[0])
    assert turn.calls[0].arguments is None


async def test_call_gets_an_id_that_the_history_does_not_have() -> None:
    used = {"toolUse": {"toolUseId": "c1", "name": "lookup", "input": {}}}
    before = request_of(
        {"role": "assistant", "content": [used]}, {"role": "user", "content": [{"text": "?"}]}
    )
    turn, seen = await read(
        ToolCall("c1", "lookup", {}), ToolCall("c1", "lookup", {}), Finish("tool_use", None), request=before
    )
    ids = [call.id for call in turn.calls]
    assert len({"c1", *ids}) == 3
    assert ids == [block["toolUse"]["toolUseId"] for block in turn.content()]
    assert all(one in str(seen) for one in ids)


async def test_thinking_in_tags_is_never_shown_as_text() -> None:
    turn, seen = await read(*(Text(piece) for piece in ("<thi", "nk>secret</th", "ink>The answer")), STOP)
    assert "".join(event["token"] for event in seen if event["type"] == "token") == "The answer"
    assert "secret" not in str(turn.content())


async def test_react_lines_are_steps_and_not_text() -> None:
    text = "Thought: look\nAction: lookup\nAction Input: cats\nObservation: many\nFinal Answer: Many cats."
    turn, seen = await read(Text(text), STOP, react=True)
    assert "".join(event["token"] for event in seen if event["type"] == "token").strip() == "Many cats."
    steps = [event["type"] for event in seen if event["type"].startswith("tool_")]
    assert steps == ["tool_call", "tool_result"]
    assert turn.calls == []  # whoever wrote them has run them


async def test_answer_without_an_end_has_broken_off_and_keeps_what_came() -> None:
    turn, seen = await read(Text("Half an "))
    assert seen[-1] == {"type": "failed", "code": "incomplete_response"}
    assert turn.content() == [{"text": "Half an "}]
    assert turn.started


@pytest.mark.parametrize(
    ("deltas", "started"),
    [
        ((), False),
        ((PromptUsage(Usage(input=7)),), False),
        ((Text("x"),), True),
        ((Thinking("x"),), True),
        ((ThinkingBlock(SIGNED),), True),
        ((ToolCall("c1", "lookup", {}),), True),
    ],
)
async def test_answer_has_started_with_the_first_piece_of_it(
    deltas: tuple[Delta, ...], started: bool
) -> None:
    """A call that has not started may be made again: nobody has seen anything of it."""
    turn, _ = await read(*deltas, error=ProviderError("down", code="overloaded", retryable=True))
    assert turn.started is started


@pytest.mark.parametrize(
    ("deltas", "code", "begun"),
    [
        ((), "overloaded", False),
        ((), "incomplete_response", True),
        ((PromptUsage(Usage(input=7)),), "overloaded", True),
        ((Text("x"),), "overloaded", True),
    ],
)
async def test_call_has_cost_something_unless_it_was_refused(
    deltas: tuple[Delta, ...], code: str, begun: bool
) -> None:
    error = ProviderError("no", code=code)
    turn, _ = await read(*deltas, error=error)
    assert turn.begun(error) is begun


async def test_usage_is_what_the_server_counted() -> None:
    turn, _ = await read(Text("word " * 100), STOP)
    assert turn.usage(request_of()) == Usage(10, 5)


async def test_usage_that_the_server_did_not_count_is_estimated_from_all_that_came() -> None:
    call = ToolCall("c1", "lookup", {"words": "word " * 200})
    turn, _ = await read(PromptUsage(Usage(input=70)), Text("word " * 100), call, Finish("tool_use", None))
    short, _ = await read(PromptUsage(Usage(input=70)), Text("word"), Finish("stop", None))
    used = turn.usage(request_of())
    assert (used.input, used.estimated) == (70, True)
    assert used.output > 200 > short.usage(request_of()).output > 0


async def test_thinking_counts_as_output() -> None:
    turn, _ = await read(Thinking("word " * 100), Text("word"), Finish("stop", None))
    assert turn.usage(request_of()).output > 100


@pytest.mark.parametrize(
    ("deltas", "silent"),
    [
        ((), True),
        ((Text(" \n"),), True),
        ((Thinking("hm"),), True),
        ((ThinkingBlock(SIGNED),), True),
        ((Text("."),), False),
        ((ToolCall("c1", "lookup", {}),), False),
    ],
)
async def test_only_text_and_calls_say_something(deltas: tuple[Delta, ...], silent: bool) -> None:
    turn, _ = await read(*deltas, STOP)
    assert turn.said_nothing() is silent


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="ab <>/thinkTHought:\n", max_size=12), max_size=10))
async def test_stored_turn_equals_the_shown_one(pieces: list[str]) -> None:
    turn, seen = await read(*map(Text, pieces), STOP)
    kept = "".join(block.get("text", "") for block in turn.content())
    assert kept == "".join(event["token"] for event in seen if event["type"] == "token")
