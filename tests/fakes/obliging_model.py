"""A model that does what `millrace.models check` asks, behind servers that parse it well or badly."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from millrace.agent.providers.history import text_of
from tests.fakes.model_bytes import (
    OPENAI_DONE,
    anthropic_block,
    anthropic_end,
    anthropic_start,
    anthropic_text,
    bedrock_delta,
    bedrock_end,
    bedrock_event,
    bedrock_stop,
    openai_chunk,
    openai_usage,
)
from tests.fakes.reading import attached_to, looked_at, refusal

Call = tuple[str, str]
COUNT = [f" {word}" for word in "one two three four five six seven eight nine ten".split()]


@dataclass
class Obliging:
    """A model.

    `raw`: calls are in the text, in the format of Hermes. `inside`: the text begins with thinking. `context`:
    the number of characters from which the beginning is lost. `takes_tools`: otherwise tools are refused.
    `reads`: the kinds of attachments that it reads; others are refused with `status`, or ignored if that is
    0.
    """

    raw: bool = False
    inside: bool = False
    context: int = 10**9
    takes_tools: bool = True
    counts: bool = True
    streams: bool = True
    one_at_a_time: bool = False
    reads: frozenset[str] = frozenset({"image", "pdf"})
    status: int = 400

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        if body.get("tools") and not self.takes_tools:
            error = {"message": "this model does not support tools", "type": "invalid_request_error"}
            return httpx.Response(400, json={"error": error})
        path = request.url.path
        if (unread := {*attached_to(body)} - self.reads) and self.status:
            return refusal(path, self.status, f"This model does not support {unread.pop()} input.")
        text, calls = self._answer(body, *_asked(body))
        if path.endswith("/converse-stream"):
            return _streamed("application/vnd.amazon.eventstream", _converse(text, calls))
        if path.endswith("/messages"):
            return _streamed("text/event-stream", _messages(text, calls))
        if not self.streams:
            return httpx.Response(200, json=_whole(text, calls))
        return _streamed("text/event-stream", self._chat(text, calls))

    def _answer(self, body: dict[str, Any], question: str, answered: bool) -> tuple[list[str], list[Call]]:
        text, calls = self._say(body, question, answered)
        if self.raw and calls:
            text = [
                f'<tool_call>{{"name": "{name}", "arguments": {given}}}</tool_call>' for name, given in calls
            ]
            calls = []
        return ["hm", "</think>", *text] if self.inside else text, calls

    def _say(self, body: dict[str, Any], question: str, answered: bool) -> tuple[list[str], list[Call]]:
        if files := attached_to(body):
            return looked_at(files, self.reads), []
        if "JSON" in question:
            return ['{"city":', ' "Paris"}'], []
        if answered:
            return ["It is 31.4", " degrees."], []
        if "weather" in question:
            cities = ["Paris", "Rome"] if "both" in question and not self.one_at_a_time else ["Paris"]
            return [], [("get_weather", orjson.dumps({"city": city}).decode()) for city in cities]
        if "word of the day" in question:
            known = "marzipan" in question[-self.context :]
            return (["Marzipan."] if known else ["I do not know."]), []
        return COUNT, []

    def _chat(self, text: list[str], calls: list[Call]) -> bytes:
        pieces = [
            {"index": n, "id": f"c{n}", "function": {"name": name, "arguments": given}}
            for n, (name, given) in enumerate(calls)
        ]
        chunks = [openai_chunk({"content": token}) for token in text]
        chunks += [openai_chunk({"tool_calls": [piece]}) for piece in pieces]
        chunks += [openai_chunk({}, "tool_calls" if calls else "stop")]
        chunks += [openai_usage(11, 5)] if self.counts else []
        return b"".join([*chunks, OPENAI_DONE])


def _streamed(kind: str, body: bytes) -> httpx.Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield body

    return httpx.Response(200, headers={"content-type": kind}, content=chunks())


def _asked(body: dict[str, Any]) -> tuple[str, bool]:
    """Return the last question, and whether a tool's result follows it."""
    questions = [_text(message["content"]) for message in body["messages"] if message["role"] == "user"]
    last = body["messages"][-1]
    is_result = last["role"] == "tool" or any(
        "toolResult" in block or block.get("type") == "tool_result"
        for block in last["content"]
        if isinstance(block, dict)
    )
    return next((text for text in reversed(questions) if text), ""), is_result


def _text(content: Any) -> str:
    return content if isinstance(content, str) else text_of(content)


def _whole(text: list[str], calls: list[Call]) -> dict[str, Any]:
    made = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": given}}
        for n, (name, given) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": "".join(text), "tool_calls": made}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def _messages(text: list[str], calls: list[Call]) -> bytes:
    blocks = anthropic_text(0, text) if text else []
    for n, (name, given) in enumerate(calls, 1):
        start = {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": {}}
        blocks += anthropic_block(n, start, {"type": "input_json_delta", "partial_json": given})
    return b"".join([anthropic_start(), *blocks, *anthropic_end("tool_use" if calls else "end_turn", 5)])


def _converse(text: list[str], calls: list[Call]) -> bytes:
    events = [bedrock_delta(0, text=token) for token in text] + [bedrock_stop(0)]
    for n, (name, given) in enumerate(calls, 1):
        start = {"toolUse": {"toolUseId": f"tooluse_{n}", "name": name}}
        events += [
            bedrock_event("contentBlockStart", {"contentBlockIndex": n, "start": start}),
            bedrock_delta(n, toolUse={"input": given}),
            bedrock_stop(n),
        ]
    return b"".join([*events, *bedrock_end("tool_use" if calls else "end_turn")])
