"""Anthropic's Messages API, streamed.

Format: https://platform.claude.com/docs/en/build-with-claude/streaming. Unknown event types are skipped, as
it requires. The prefix that repeats in a conversation is marked for the prompt cache in the four places that
are allowed: tools, system, and the last two user turns, as the server looks back only 20 blocks from a marker
for that of an earlier request. Reading from the cache costs a tenth of the input price or less.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

import httpx
import orjson
from msgspec.structs import replace

from millrace.agent.accepts import MediaRules
from millrace.agent.model import (
    Block,
    Delta,
    Finish,
    Message,
    ModelRequest,
    PromptUsage,
    Text,
    ThinkingBlock,
    Usage,
)
from millrace.agent.output import instruction
from millrace.agent.providers.claude_output import can_hold_to
from millrace.agent.providers.connection import Call, stream_deltas
from millrace.agent.providers.error_statuses import status_of
from millrace.agent.providers.extended_thinking import thinking_fields
from millrace.agent.providers.failures import Server, failure, incomplete, words
from millrace.agent.providers.finish_reasons import finish_reason
from millrace.agent.providers.history import count, tools, turns
from millrace.agent.providers.lenient_json import Joiner, parse
from millrace.agent.providers.sse import SseReader
from millrace.agent.providers.thoughts import OpenThought
from millrace.agent.providers.tool_calls import OpenCall, OpenCalls, arguments_text
from millrace.domain.content import attached
from millrace.errors import ProviderError
from millrace.settings import Settings

VERSION = "2023-06-01"

_CACHED: Block = {"cache_control": {"type": "ephemeral"}}


class AnthropicProvider:
    """A `Provider` for the Messages API."""

    # platform.claude.com/docs/en/build-with-claude/vision: 5 MB of base64 per image, 32 MB per request.
    media = MediaRules(
        image_bytes=3_932_160,
        pdf_bytes=20_000_000,
        pdfs=20,
        bytes=20_000_000,
        urls=frozenset({"image", "file"}),
    )

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        key = settings.anthropic_api_key
        self._client = client
        self._url = f"{settings.anthropic_base_url.rstrip('/')}/v1/messages"
        self._headers = {"x-api-key": key, "anthropic-version": VERSION}
        self._server = Server("Anthropic", "Check ANTHROPIC_API_KEY.", (key,))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `Provider`."""

        async def prepare() -> Call:
            return Call(self._url, self._headers, orjson.dumps(messages_request(request)))

        return stream_deltas(self._client, self._server, prepare, MessageReader(self._server))


def messages_request(request: ModelRequest) -> dict[str, Any]:
    """Return the body of the request, with its cache markers."""
    past = turns(request.messages)
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": [_message(turn) for turn in past],
        "stream": True,
    } | thinking_fields(request, past)
    # Every second turn from the end is a user turn: roles alternate, and the last turn is the user's.
    for turn in body["messages"][-1::-2][:2]:
        _mark_last(turn["content"])
    words = request.system
    if request.response_schema is not None:
        if can_hold_to(request.model, request.response_schema):
            format = {"type": "json_schema", "schema": request.response_schema}
            body["output_config"] = body.get("output_config", {}) | {"format": format}
        else:
            words = instruction(request)
    if words.strip():
        body["system"] = [{"type": "text", "text": words} | _CACHED]
    if offered := tools(request):
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in offered
        ]
        _mark_last(body["tools"])
    return body


def _mark_last(blocks: list[Block]) -> None:
    """Mark the last block that is not thinking, which cannot have a marker."""
    if blocks and "thinking" not in blocks[-1].get("type", ""):
        blocks[-1] |= _CACHED


def _message(turn: Message) -> Message:
    return {"role": turn["role"], "content": [_block(block) for block in turn["content"]]}


def _block(block: Block) -> Block:
    if use := block.get("toolUse"):
        return {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}
    if result := block.get("toolResult"):
        return _tool_result(result)
    if reasoning := block.get("reasoningContent"):
        return _thinking(reasoning)
    return _attachment(block) if attached(block) else {"type": "text", "text": block["text"]}


def _attachment(block: Block) -> Block:
    about = attached(block) or {}
    source = {"type": "url", "url": about.get("url")}
    if "data" in about:
        source = {"type": "base64", "media_type": about["mediaType"], "data": about["data"]}
    if "image" in block:
        return {"type": "image", "source": source}
    document = {"type": "document", "source": source}
    return document | {"title": about["name"]} if about.get("name") else document


def _tool_result(result: Block) -> Block:
    content = [{"type": "text", "text": part["text"]} for part in result["content"]]
    block = {"type": "tool_result", "tool_use_id": result["toolUseId"], "content": content}
    return block | {"is_error": True} if result.get("status") == "error" else block


def _thinking(reasoning: Block) -> Block:
    if redacted := reasoning.get("redactedContent"):
        return {"type": "redacted_thinking", "data": redacted}
    text = reasoning["reasoningText"]
    return {"type": "thinking", "thinking": text["text"], "signature": text["signature"]}


class MessageReader(SseReader):
    """Reads the events of one message."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._calls = OpenCalls()
        self._thoughts: dict[int | None, OpenThought] = {}
        self._text = Joiner()
        self._reason = ""
        self._counts: dict[str, int] = {}

    def read(self, data: bytes) -> Iterable[Delta]:
        """Return the deltas of one event. The most frequent one, a piece of text, takes the shortest path."""
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            return self._event(parse(data))
        if event.get("type") == "content_block_delta" and not self._text.holds:
            delta = event["delta"]
            if delta["type"] == "text_delta":
                return (Text(delta["text"]),)
        return self._event(event)

    def _event(self, event: dict[str, Any]) -> Iterable[Delta]:
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._piece(event.get("index"), event["delta"])
        if kind == "content_block_start":
            return self._start(event.get("index"), event["content_block"])
        if kind == "content_block_stop":
            return self._stop(event.get("index"))
        return self._envelope(kind, event)

    def read_error(self, data: bytes) -> Iterable[Delta]:
        """See `SseReader`."""
        try:
            event = parse(data)
        except ValueError:
            event = {"message": data.decode(errors="replace")}
        raise self._failure(event)

    def _envelope(self, kind: str | None, event: dict[str, Any]) -> Iterable[Delta]:
        if kind == "message_start":
            self._count((event.get("message") or {}).get("usage"))
            self._counts.pop("output_tokens", None)  # preliminary; the final count comes at the end
            return (PromptUsage(replace(self._counted(), output=0)),) if self._knows("input_tokens") else ()
        elif kind == "message_delta":
            self._reason = (event.get("delta") or {}).get("stop_reason") or self._reason
            self._count(event.get("usage"))
        elif kind == "message_stop":
            self.done = True
        elif kind == "error" or (kind is None and words(event)):
            raise self._failure(event)
        return ()

    def _start(self, index: int | None, block: Block) -> Iterator[Delta]:
        kind = block["type"]
        if kind == "text":
            yield from self._say(block.get("text"))
        elif kind == "tool_use":
            call = self._calls.start(OpenCall(block.get("id") or "", block.get("name") or ""), index)
            # Anthropic sends {} here and the arguments in pieces. Compatible servers may send all of them
            # here.
            call.add(arguments_text(block.get("input") or None))
        elif kind == "redacted_thinking":
            yield ThinkingBlock({"reasoningContent": {"redactedContent": block["data"]}})
        elif kind == "thinking":
            self._thoughts[index] = thought = OpenThought()
            yield from thought.add(block.get("thinking"))
            thought.sign(block.get("signature"))

    def _piece(self, index: int | None, delta: Block) -> Iterator[Delta]:
        kind = delta["type"]
        if kind == "text_delta":
            yield from self._say(delta["text"])
        elif kind == "thinking_delta":
            yield from self._thoughts.setdefault(index, OpenThought()).add(delta["thinking"])
        elif kind == "signature_delta":
            self._thoughts.setdefault(index, OpenThought()).sign(delta["signature"])
        elif kind == "input_json_delta" and (call := self._calls.get(index)):
            call.add(delta["partial_json"] or "")

    def _say(self, text: str | None) -> Iterator[Delta]:
        if text := self._text.join(text or ""):
            yield Text(text)

    def _stop(self, index: int | None) -> Iterator[Delta]:
        if rest := self._text.finish():
            yield Text(rest)
        if thought := self._thoughts.pop(index, None):
            yield from thought.close()

    def _count(self, usage: dict[str, Any] | None) -> None:
        """Update the counts, which are cumulative: one that an event omits or sends as null stays
        unchanged."""
        given = {name: count(value) for name, value in (usage or {}).items() if type(value) is int}
        self._counts.update(given)

    def _failure(self, event: dict[str, Any]) -> ProviderError:
        error = event.get("error")
        kind = error.get("type", "") if isinstance(error, dict) else ""
        return failure(self._server, status_of(kind) or 500, words(event))

    def close(self) -> Iterator[Delta]:
        """End the message (see `SseReader`). If it has no stop reason, all that is known is that it has
        ended."""
        if not self.done:
            raise incomplete(self._server)
        reason = finish_reason(self._server, self._reason or "end_turn")
        yield from self._calls.close(cut=reason == "max_tokens")
        yield Finish(reason, self._counted() if self._knows("input_tokens", "output_tokens") else None)

    def _knows(self, *names: str) -> bool:
        return all(name in self._counts for name in names)

    def _counted(self) -> Usage:
        read = self._counts.get("cache_read_input_tokens", 0)
        write = self._counts.get("cache_creation_input_tokens", 0)
        fresh = self._counts.get("input_tokens", 0)
        return Usage(fresh + read + write, self._counts.get("output_tokens", 0), read, write)
