"""OpenAI's chat completions, streamed: api.openai.com and every server that speaks the same (vLLM, Ollama,
OpenRouter, LM Studio, llama.cpp), at `settings.openai_base_url`.

Format: https://platform.openai.com/docs/api-reference/chat-streaming; what comes back is `chat_reader`'s.
`max_completion_tokens` goes to OpenAI and Azure (their reasoning models refuse `max_tokens`), `max_tokens` to
every other host (many of them ignore the newer name).
"""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx
import orjson

from millrace.agent.model import Block, Delta, Message, ModelRequest, ToolSpec
from millrace.agent.providers.chat_reader import ChatReader
from millrace.agent.providers.connection import Call, stream_deltas
from millrace.agent.providers.failures import Server
from millrace.agent.providers.history import text_of, tools, turns
from millrace.settings import Settings

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
