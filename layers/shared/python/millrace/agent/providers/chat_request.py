"""The body of a chat completion request, in the dialect of the server."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import orjson

from millrace.agent.model import Block, Message, ModelRequest, ToolSpec
from millrace.agent.output import instruction, is_plain
from millrace.agent.providers.chat_calls import EXTRAS
from millrace.agent.providers.chat_servers import ChatDialect
from millrace.agent.providers.history import text_of, tools, turns
from millrace.domain.content import attached

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Google's placeholder signature for a call that another model made.
_UNSIGNED = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}


def chat_request(request: ModelRequest, dialect: ChatDialect, server: str) -> dict[str, Any]:
    """Return the body. `server` is the server's key in `providerData`."""
    offered = tools(request)
    format = _response_format(request, dialect, bool(offered))
    words = request.system if format.get("type") == "json_schema" else instruction(request)
    system = [{"role": "system", "content": words}] if words.strip() else []
    past = turns(request.messages, server, every_thought=dialect.reasoning == "always")
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [*system, *_Writer(dialect).messages(past)],
        "stream": True,
        dialect.limit_key: request.max_tokens,
    }
    if dialect.stream_options:
        body["stream_options"] = {"include_usage": True}
    if format:
        body["response_format"] = format
    if offered:
        body["tools"] = [_tool(tool) for tool in offered]
    return body


def _response_format(request: ModelRequest, dialect: ChatDialect, has_tools: bool) -> dict[str, Any]:
    """Return the structured output that the server supports for the schema; many support none together with
    tools."""
    schema = request.response_schema
    beside_tools = has_tools and not dialect.schema_with_tools
    if schema is None or beside_tools or dialect.schema == "none":
        return {}
    if dialect.schema == "json_object":
        return {"type": "json_object"}
    # `json_schema` accepts only an object at the top level.
    if schema.get("type") != "object":
        return {}
    named = {"name": "answer", "schema": schema, "strict": is_plain(schema)}
    return {"type": "json_schema", "json_schema": named}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


class _Writer:
    """Writes turns as messages. A call is sent back under the id that its own server gave it."""

    def __init__(self, dialect: ChatDialect) -> None:
        self._dialect = dialect
        self._ids: dict[str, str] = {}

    def messages(self, past: list[Message]) -> Iterator[Message]:
        for turn in past:
            if turn["role"] == "assistant":
                yield from self._assistant(turn["content"])
            else:
                yield from self._user(turn["content"])

    def _assistant(self, content: list[Block]) -> Iterator[Message]:
        calls = [self._call(block) for block in content if "toolUse" in block]
        if self._dialect.signs_calls and calls and not any(name in calls[0] for name in EXTRAS):
            # Gemini signs only the first call of a turn.
            calls[0] |= _UNSIGNED
        text = text_of(content)
        message: Message = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = calls
        if calls or text:
            yield message | self._reasoning(content)

    def _reasoning(self, content: list[Block]) -> Block:
        back: Block = {}
        for block in content:
            own = block.get("providerData")
            if own and "reasoningContent" in block and self._dialect.reasoning != "nothing":
                back |= {name: own[name] for name in ("reasoning_details",) if name in own}
                if field := own.get("field"):
                    back[field] = block["reasoningContent"]["reasoningText"]["text"]
        return {"reasoning_content": ""} | back if self._dialect.reasoning == "always" else back

    def _call(self, block: Block) -> Block:
        use, own = block["toolUse"], block.get("providerData") or {}
        self._ids[use["toolUseId"]] = id = self._id(use["toolUseId"], own.get("id"))
        function = {"name": use["name"], "arguments": orjson.dumps(use["input"]).decode()}
        extras = {name: own[name] for name in EXTRAS if name in own}
        return {"id": id, "type": "function", "function": function} | extras

    def _id(self, id: str, own: str | None) -> str:
        if self._dialect.short_ids:
            return id if len(id) == 9 and id.isalnum() else _short_id(id)
        return own if own and own not in self._ids.values() else id

    def _user(self, content: list[Block]) -> Iterator[Message]:
        results = [self._result(block["toolResult"]) for block in content if "toolResult" in block]
        text = text_of(content)
        if text and results and not self._dialect.user_after_tools and not any(map(attached, content)):
            results[-1]["content"] += f"\n\n{text}"
            text = ""
        yield from results
        beside = [
            _attachment(block) if attached(block) else _text(block) for block in content if _says(block)
        ]
        if any(map(attached, content)):
            yield {"role": "user", "content": beside}
        elif text:
            yield {"role": "user", "content": text}

    def _result(self, result: Block) -> Message:
        # The protocol has no field for a failed tool.
        failed = "Error: " if result.get("status") == "error" else ""
        id = self._ids.get(result["toolUseId"], result["toolUseId"])
        return {"role": "tool", "tool_call_id": id, "content": failed + text_of(result["content"])}


def _says(block: Block) -> bool:
    return "text" in block or attached(block) is not None


def _text(block: Block) -> Block:
    return {"type": "text", "text": block["text"]}


def _attachment(block: Block) -> Block:
    about = attached(block) or {}
    url = f"data:{about['mediaType']};base64,{about['data']}" if "data" in about else about["url"]
    if "image" in block:
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": about.get("name") or "document.pdf", "file_data": url}}


def _short_id(id: str) -> str:
    """Return an id of nine letters and digits, always the same for the same id."""
    number = int.from_bytes(sha256(id.encode()).digest()[:8], "big")
    digits = ""
    while len(digits) < 9:
        number, digit = divmod(number, len(_DIGITS))
        digits += _DIGITS[digit]
    return digits
