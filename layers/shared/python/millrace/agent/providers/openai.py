"""OpenAI's chat completions, streamed: api.openai.com and every server that speaks the same (vLLM, Ollama,
OpenRouter, LM Studio, llama.cpp), at `settings.openai_base_url`.

Format: https://platform.openai.com/docs/api-reference/chat-streaming. Deliberate oddities, each for servers
that are in use:
- `max_completion_tokens` goes to OpenAI and Azure (their reasoning models refuse `max_tokens`), `max_tokens`
  to every other host (many of them ignore the newer name).
- A call of a tool may lack its index, its id, or both, or come whole in one chunk; the same index with
  another id is another call. Arguments may be an object instead of its JSON.
- Reasoning comes as `reasoning` or `reasoning_content`; some gateways send both with the same text.
- Usage may be null, cumulative in every chunk, or alone in a chunk without choices.
- `[DONE]` or the finish reason may be missing: either is an end of message, neither is an error.
- Tool calls with the finish reason "stop" are tool calls.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import orjson

from millrace.agent.model import (
    Block,
    Delta,
    Finish,
    FinishReason,
    Message,
    ModelRequest,
    Text,
    Thinking,
    ToolSpec,
    Usage,
)
from millrace.agent.providers.connection import Call, stream_deltas
from millrace.agent.providers.failures import Server, failure, incomplete, words
from millrace.agent.providers.history import count, counted, text_of, tools, turns
from millrace.agent.providers.sse import SseReader
from millrace.agent.providers.tool_calls import OpenCall, OpenCalls
from millrace.errors import ProviderError
from millrace.settings import Settings

_REASONS: dict[str, FinishReason] = {
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
# What an error inside a stream stands for, by its `code` or `type`; a number there is the status itself.
_ERROR_STATUS = {
    "authentication_error": 401,
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "model_not_found": 404,
    "NotFoundError": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}
_NEWER_LIMIT_HOSTS = ("api.openai.com", ".openai.azure.com")


class OpenAIProvider:
    """A `Provider` for chat completions."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        base, key = settings.openai_base_url.rstrip("/"), settings.openai_api_key
        host = httpx.URL(base).host
        self._client = client
        self._url = f"{base}/chat/completions"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._limit_key = "max_completion_tokens" if host.endswith(_NEWER_LIMIT_HOSTS) else "max_tokens"
        self._server = Server(f"The model server {host}", "Check OPENAI_API_KEY.", (key,))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `Provider`."""

        async def prepare() -> Call:
            return Call(self._url, self._headers, orjson.dumps(chat_request(request, self._limit_key)))

        return stream_deltas(self._client, self._server, prepare, ChatReader(self._server))


def chat_request(request: ModelRequest, limit_key: str = "max_tokens") -> dict[str, Any]:
    """The body of the request. Thinking is not replayed: the protocol has no place for it."""
    system = [{"role": "system", "content": request.system}] if request.system.strip() else []
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [*system, *_messages(request.messages)],
        "stream": True,
        "stream_options": {"include_usage": True},
        limit_key: request.max_tokens,
    }
    if offered := tools(request):
        body["tools"] = [_tool(tool) for tool in offered]
    return body


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _messages(messages: list[Message]) -> Iterator[Message]:
    for turn in turns(messages):
        if turn["role"] == "assistant":
            yield from _assistant_message(turn["content"])
        else:
            yield from _user_messages(turn["content"])


def _assistant_message(content: list[Block]) -> Iterator[Message]:
    calls = [_past_call(block["toolUse"]) for block in content if "toolUse" in block]
    text = text_of(content)
    if calls:
        yield {"role": "assistant", "content": text or None, "tool_calls": calls}
    elif text:
        yield {"role": "assistant", "content": text}


def _past_call(use: Block) -> Block:
    function = {"name": use["name"], "arguments": orjson.dumps(use["input"]).decode()}
    return {"id": use["toolUseId"], "type": "function", "function": function}


def _user_messages(content: list[Block]) -> Iterator[Message]:
    for block in content:
        if result := block.get("toolResult"):
            # The protocol has no field for a failed tool.
            failed = "Error: " if result.get("status") == "error" else ""
            text = failed + text_of(result["content"])
            yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": text}
    if text := text_of(content):
        yield {"role": "user", "content": text}


class ChatReader(SseReader):
    """Reads the chunks of one chat completion."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._calls = OpenCalls()
        self._refused = False
        self._reason = ""
        self._usage: Usage | None = None

    def read(self, data: bytes) -> Iterable[Delta]:
        """The deltas of one chunk; the usual one, a piece of text, takes the shortest way."""
        if data == b"[DONE]":
            self.done = True
            return ()
        chunk = orjson.loads(data)
        choices = chunk.get("choices")
        if choices and chunk.get("usage") is None and "error" not in chunk:
            delta = choices[0].get("delta")
            if delta and len(delta) == 1 and choices[0].get("finish_reason") is None:
                text = delta.get("content")
                if type(text) is str:
                    return (Text(text),) if text else ()
        return self._whole(chunk)

    def _whole(self, chunk: dict[str, Any]) -> Iterator[Delta]:
        if chunk.get("error") or chunk.get("object") == "error":
            raise self._failure(chunk.get("error") or chunk)
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)
        for choice in (chunk.get("choices") or ())[:1]:
            yield from self._delta(choice.get("delta") or {})
            self._reason = choice.get("finish_reason") or self._reason

    def _delta(self, delta: dict[str, Any]) -> Iterator[Delta]:
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            yield Thinking(reasoning)
        if content := delta.get("content"):
            yield from _content(content)
        if refusal := delta.get("refusal"):
            self._refused = True
            yield Text(refusal)
        for piece in delta.get("tool_calls") or ():
            self._tool_piece(piece)

    def _tool_piece(self, piece: dict[str, Any]) -> None:
        function = piece.get("function") or {}
        call = self._call(piece.get("index"), piece.get("id") or "", function.get("name") or "")
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = orjson.dumps(arguments).decode()
        call.add(arguments or "")

    def _call(self, index: int | None, id: str, name: str) -> OpenCall:
        """The call that a piece belongs to: by index, else the last one. An id that is not its own, or a name
        without index and id, starts another."""
        call = self._calls.last() if index is None else self._calls.get(index)
        other = bool(id) and call is not None and id != call.id
        if call is None or other or (index is None and not id and name):
            return self._calls.start(OpenCall(id or f"call_{uuid4().hex}", name), index)
        call.name = call.name or name
        return call

    def _failure(self, error: Any) -> ProviderError:
        message = words(error) or "an error without a reason"
        if not isinstance(error, dict):
            return failure(self._server, 500, message)
        marks = [error.get("code"), error.get("status"), error.get("type")]
        status = next((mark for mark in map(_status, marks) if mark), 500)
        retryable = False if "insufficient_quota" in marks else None
        return failure(self._server, status, message, retryable=retryable)

    def close(self) -> Iterator[Delta]:
        """See `SseReader`."""
        if not (self.done or self._reason):
            raise incomplete(self._server)
        if self._reason == "error":
            raise failure(self._server, 500, "the model failed in mid-stream")
        reason = _REASONS.get(self._reason, "stop")
        yield from self._calls.close(cut=reason == "max_tokens")
        if reason == "stop" and self._calls:
            reason = "tool_use"
        yield Finish("refusal" if self._refused else reason, self._usage)


def _content(content: Any) -> Iterator[Delta]:
    """Text, or Mistral's parts: `{"type": "text", "text"}` and `{"type": "thinking", "thinking": [...]}`."""
    if isinstance(content, str):
        yield Text(content)
        return
    for part in content:
        if part["type"] == "text":
            yield Text(part["text"])
        elif part["type"] == "thinking":
            yield from (Thinking(thought["text"]) for thought in part["thinking"])


def _status(mark: Any) -> int:
    if type(mark) is int or (isinstance(mark, str) and mark.isdecimal()):
        return int(mark) if 400 <= int(mark) < 600 else 0
    return _ERROR_STATUS.get(mark, 0) if isinstance(mark, str) else 0


def _usage(usage: dict[str, Any]) -> Usage | None:
    if not counted(usage, "prompt_tokens", "completion_tokens"):
        return None
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        input=count(usage.get("prompt_tokens")),
        output=count(usage.get("completion_tokens")),
        cache_read=count(details.get("cached_tokens")),
        cache_write=count(details.get("cache_write_tokens")),
    )
