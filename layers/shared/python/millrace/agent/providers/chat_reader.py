"""Reads the chunks of a chat completion from any server that speaks OpenAI's protocol.

Format: https://platform.openai.com/docs/api-reference/chat-streaming. Some of this looks odd but is
deliberate, for servers that are in use (for tool calls see `chat_calls`, for usage `chat_usage`, for JSON
`lenient_json`):

- Reasoning is in `reasoning_content`, `reasoning`, `thinking`, `reasoning_details` or parts of `content`.
  Some gateways send two of them with the same text.
- An error may be `error`, an `error:` line, an event called error, a choice's `error`, or an object with a
  reason and no choices, as web frameworks write it (`{"detail": ...}`).
- `[DONE]` or the finish reason may be missing: either ends the message; without both, that is an error.
- The last chunk may repeat the whole `message` in addition to its deltas (MiniMax); a server that does not
  stream sends nothing else.
- Tool calls with the finish reason "stop" are tool calls.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from msgspec.structs import replace

from millrace.agent.model import Block, Delta, Finish, Text, Thinking, ThinkingBlock, Usage
from millrace.agent.providers.chat_calls import ChatCalls
from millrace.agent.providers.chat_usage import usage_of
from millrace.agent.providers.error_statuses import status_in
from millrace.agent.providers.failures import Server, failure, incomplete, words
from millrace.agent.providers.finish_reasons import finish_reason, is_given
from millrace.agent.providers.lenient_json import Joiner, parse
from millrace.agent.providers.reasoning_details import ReasoningDetails
from millrace.agent.providers.sse import SseReader
from millrace.errors import ProviderError

_REASONING = ("reasoning_content", "reasoning", "thinking")


class ChatReader(SseReader):
    """Reads the chunks of one chat completion. `key` is the server's name in `providerData`."""

    reads_json = True

    def __init__(self, server: Server, key: str = "") -> None:
        super().__init__()
        self._server = server
        self._key = key
        self._calls = ChatCalls()
        self._details = ReasoningDetails()
        self._reasoning: list[str] = []
        self._reasoning_field = ""
        self._text, self._thought = Joiner(), Joiner()
        self._spoke = self._refused = False
        self._reason = ""
        self._usage: Usage | None = None

    def read(self, data: bytes) -> Iterable[Delta]:
        """Return the deltas of one chunk. The most frequent one, a piece of text, takes the shortest path."""
        if data == b"[DONE]":
            self.done = True
            return ()
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            return self._whole(parse(data))
        choices = chunk.get("choices")
        if choices and chunk.get("usage") is None and "error" not in chunk:
            choice = choices[0]
            delta = choice.get("delta")
            # A second field may be reasoning or a tool call, so only a delta with nothing but text takes the
            # short path.
            if delta and len(delta) == 1 and choice.get("finish_reason") is None:
                text = delta.get("content")
                if type(text) is str and not self._text.holds:
                    self._spoke = True
                    return (Text(text),) if text else ()
        return self._whole(chunk)

    def read_error(self, data: bytes) -> Iterable[Delta]:
        """See `SseReader`."""
        try:
            found = parse(data)
        except ValueError:
            found = data.decode(errors="replace")
        raise self._failure(_error_in(found) or found)

    def _whole(self, chunk: dict[str, Any]) -> Iterator[Delta]:
        if error := _error_in(chunk):
            raise self._failure(error)
        self._usage = usage_of(chunk) or self._usage
        # Only one choice is requested; the text of a second one would be mixed into it.
        for choice in (chunk.get("choices") or ())[:1]:
            yield from self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> Iterator[Delta]:
        delta = choice.get("delta")
        if not delta and not self._spoke:
            delta = choice.get("message")
        yield from self._delta(delta or {})
        if error := choice.get("error"):
            raise self._failure(error)
        reason = choice.get("finish_reason")
        self._reason = str(reason) if is_given(reason) else self._reason

    def _delta(self, delta: dict[str, Any]) -> Iterator[Delta]:
        yield from self._think(delta)
        if content := delta.get("content"):
            yield from self._content(content)
        if refusal := delta.get("refusal"):
            self._refused = True
            yield from self._say(refusal)
        self._calls.add_delta(delta)
        self._spoke = self._spoke or bool(self._calls)

    def _think(self, delta: dict[str, Any]) -> Iterator[Delta]:
        shown = self._details.add(delta.get("reasoning_details"))
        for field in _REASONING:
            text = delta.get(field)
            if text and isinstance(text, str):
                self._reasoning_field = field
                yield from self._reason_on(text)
                return
        yield from self._reason_on(shown)

    def _reason_on(self, text: str) -> Iterator[Delta]:
        if text := self._thought.join(text):
            self._reasoning.append(text)
            yield Thinking(text)

    def _say(self, text: str) -> Iterator[Delta]:
        if text := self._text.join(text):
            self._spoke = True
            yield Text(text)

    def _content(self, content: Any) -> Iterator[Delta]:
        """Yield text, or Mistral's parts: `{"type": "text", "text"}` and `{"type": "thinking", "thinking":
        [...]}`. Other types, such as references and images, have no text."""
        if isinstance(content, str):
            yield from self._say(content)
            return
        for part in [content] if isinstance(content, dict) else content:
            if part.get("type") == "text":
                yield from self._say(part.get("text") or "")
            elif part.get("type") == "thinking":
                yield from self._reason_on(_thought(part.get("thinking")))

    def _failure(self, error: Any) -> ProviderError:
        message = words(error) or "an error without a reason"
        if not isinstance(error, dict):
            return failure(self._server, 500, message)
        spent = "insufficient_quota" in (error.get("code"), error.get("type"))
        return failure(self._server, status_in(error), message, retryable=False if spent else None)

    def close(self) -> Iterator[Delta]:
        """See `SseReader`."""
        if thought := self._thought.finish():
            yield Thinking(thought)
        if text := self._text.finish():
            yield Text(text)
        if not (self.done or self._reason):
            raise incomplete(self._server)
        reason = finish_reason(self._server, self._reason or "stop")
        if self._calls:
            yield from self._kept_reasoning()
        for call in self._calls.close(cut=reason == "max_tokens"):
            data = call.provider_data
            yield replace(call, provider_data={self._key: data}) if data else call
        if reason in ("stop", "other") and self._calls:
            reason = "tool_use"
        yield Finish("refusal" if self._refused else reason, self._usage)

    def _kept_reasoning(self) -> Iterator[Delta]:
        """Yield the reasoning that led to tool calls, which some servers want back together with the
        results."""
        back: Block = {"field": self._reasoning_field} if self._reasoning_field else {}
        if details := self._details.whole():
            back["reasoning_details"] = details
        if back:
            text = {"text": "".join(self._reasoning)}
            yield ThinkingBlock(
                {"reasoningContent": {"reasoningText": text}, "providerData": {self._key: back}}
            )


def _error_in(chunk: Any) -> Any:
    """Return the error of a chunk, or None."""
    if not isinstance(chunk, dict):
        return None
    if error := chunk.get("error"):
        return error if isinstance(error, str | dict) else chunk
    if chunk.get("object") == "error" or chunk.get("type") == "error":
        return chunk
    return chunk if not chunk.get("choices") and words(chunk) else None


def _thought(given: Any) -> str:
    if isinstance(given, str):
        return given
    return "".join(part.get("text") or "" for part in given or ())
