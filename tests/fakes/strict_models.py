"""Model servers that refuse what the real ones refuse, each with its own habits.

Asked, each calls the tool `lookup` five times (twice at once in the second round) and then answers. They
stand behind an `httpx.MockTransport`, so that a hundred requests take a moment; what they send are the real
bytes of `model_bytes`.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import botocore.session
import httpx
import orjson
from botocore.validate import ParamValidator

from millrace.settings import Settings
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
)

ROUNDS = 5
Body = dict[str, Any]
_CHAT_FIELDS = frozenset({"model", "messages", "stream", "tools", "max_tokens", "stream_options"})
_MESSAGE_FIELDS = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls"},
    "tool": {"role", "content", "tool_call_id"},
}
_CALL_FIELDS = frozenset({"id", "type", "function"})


class Refused(Exception):
    """A 400 with the server's message."""


def streamed(kind: str, chunks: Iterator[bytes]) -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return httpx.Response(200, headers={"content-type": kind}, content=body())


@dataclass
class ChatServer:
    """A server of chat completions at `base`.

    `message_fields` are the fields of assistant messages that it accepts in addition to OpenAI's; None
    accepts any. `make_id` returns the id of its nth call, and `extra` the fields next to it.
    """

    base: str
    make_id: Callable[[int], str]
    message_fields: frozenset[str] | None = None
    limit_key: str = "max_tokens"
    stream_options: bool = True
    thinks: Callable[[int], list[Body]] = lambda number: []
    extra: Callable[[int], Body] = lambda number: {}
    demand: Callable[[list[Body]], None] = lambda messages: None
    model: str = "openai:model"
    thinking: int | None = None
    calls: int = 0
    asked: list[Body] = field(default_factory=list)

    def settings(self) -> Settings:
        return Settings("eu-central-1", openai_base_url=self.base, openai_api_key="k")

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        self.asked.append(body)
        try:
            self._check(body)
        except Refused as error:
            return httpx.Response(400, json={"error": {"message": str(error), "code": "invalid"}})
        return streamed("text/event-stream", self._answer(body["messages"]))

    def _check(self, body: Body) -> None:
        known = (_CHAT_FIELDS - {"max_tokens"}) | {self.limit_key}
        known = known if self.stream_options else known - {"stream_options"}
        if unknown := body.keys() - known:
            raise Refused(f"Extra inputs are not permitted: {sorted(unknown)}")
        names = {tool["function"]["name"] for tool in body.get("tools", [])}
        check_chat(body["messages"], names, self.message_fields)
        self.demand(body["messages"])

    def _answer(self, messages: list[Body]) -> Iterator[bytes]:
        round = since_user(messages)
        done = sum(message["role"] == "assistant" for message in round)
        if done >= ROUNDS:
            yield openai_chunk({"role": "assistant", "content": "All is found."})
            yield openai_chunk({}, "stop")
        else:
            for thought in self.thinks(self.calls):
                yield openai_chunk({"content": None} | thought)
            for index in range(2 if done == 1 else 1):
                yield openai_chunk({"tool_calls": [self._call(index)]})
            yield openai_chunk({}, "tool_calls")
        yield OPENAI_DONE

    def _call(self, index: int) -> Body:
        number = self.calls
        self.calls += 1
        function = {"name": "lookup", "arguments": orjson.dumps({"n": number}).decode()}
        return {"index": index, "id": self.make_id(number), "type": "function", "function": function} | (
            self.extra(number) if index == 0 else {}
        )


def since_user(messages: list[Body]) -> list[Body]:
    """Return the messages after the user's last one."""
    last = max(place for place, message in enumerate(messages) if message["role"] == "user")
    return messages[last + 1 :]


def check_chat(messages: list[Body], tools: set[str], more: frozenset[str] | None) -> None:
    """Check the rules of every server of the protocol."""
    if next(message["role"] for message in messages if message["role"] != "system") != "user":
        raise Refused("The first message must be the user's.")
    seen: set[str] = set()
    waiting: list[str] = []
    for message in messages:
        unknown = message.keys() - _MESSAGE_FIELDS[message["role"]]
        if unknown and (message["role"] != "assistant" or (more is not None and unknown - more)):
            raise Refused(f"for 'role:{message['role']}': property {sorted(unknown)} is unsupported")
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                raise Refused("A tool message must answer a call of the message before.")
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            raise Refused(f"These tool_call_ids have no response: {waiting}")
        waiting = [_checked(call, tools, seen, more) for call in message.get("tool_calls", [])]
        if not (message.get("content") or waiting):
            raise Refused("A message must have content.")
    if waiting:
        raise Refused(f"These tool_call_ids have no response: {waiting}")


def _checked(call: Body, tools: set[str], seen: set[str], more: frozenset[str] | None) -> str:
    if more is not None and call.keys() - _CALL_FIELDS - more:
        raise Refused(f"property {sorted(call.keys() - _CALL_FIELDS)} of a call is unsupported")
    if call["function"]["name"] not in tools:
        raise Refused(f"No tool {call['function']['name']!r} in tools.")
    if not isinstance(orjson.loads(call["function"]["arguments"]), dict):
        raise Refused("Arguments must be an object.")
    if call["id"] in seen:
        raise Refused(f"The id {call['id']} is there twice.")
    seen.add(call["id"])
    return str(call["id"])


def assistants(messages: list[Body]) -> list[Body]:
    return [message for message in messages if message["role"] == "assistant"]


# --- the servers -----------------------------------------------------------------------------------


def demand_openai(messages: list[Body]) -> None:
    for message in assistants(messages):
        for call in message.get("tool_calls", []):
            if len(call["id"]) > 40:
                raise Refused("string too long. Expected a string with maximum length 40")


def demand_deepseek(messages: list[Body]) -> None:
    """Require the field in every assistant turn, with the exact text in the server's own calls."""
    for message in assistants(messages):
        if "reasoning_content" not in message:
            raise Refused("The `reasoning_content` in the thinking mode must be passed back to the API.")
        own = [call["id"] for call in message.get("tool_calls", []) if call["id"].startswith("call_00_")]
        if own and message["reasoning_content"] != f"thought {own[0].removeprefix('call_00_')}":
            raise Refused("The `reasoning_content` in the thinking mode must be passed back to the API.")


def demand_gemini(messages: list[Body]) -> None:
    for message in assistants(since_user(messages)):
        signed = message["tool_calls"][0].get("extra_content", {}).get("google", {}).get("thought_signature")
        own = re.fullmatch(r"function-call-(\d+)", message["tool_calls"][0]["id"])
        if not own or signed != f"signature {own[1]}":
            raise Refused("Function call is missing a thought_signature in functionCall parts.")
    for message in assistants(messages):
        if message.get("tool_calls") and "extra_content" not in message["tool_calls"][0]:
            raise Refused("Function call is missing a thought_signature in functionCall parts.")


def demand_mistral(messages: list[Body]) -> None:
    for message in assistants(messages):
        for call in message.get("tool_calls", []):
            if not re.fullmatch(r"[a-zA-Z0-9]{9}", call["id"]):
                raise Refused(f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9.")
    for before, after in pairwise(messages):
        if (before["role"], after["role"]) == ("tool", "user"):
            raise Refused("Unexpected role 'user' after role 'tool'")


def demand_openrouter(messages: list[Body]) -> None:
    for message in assistants(since_user(messages)):
        number = message["tool_calls"][0]["id"].removeprefix("toolu_or_")
        sealed = {"type": "reasoning.encrypted", "index": 0, "data": f"sealed {number}"}
        if message.get("reasoning_details") != [sealed]:
            raise Refused("reasoning_details must be passed back unmodified")


def demand_kimi(messages: list[Body]) -> None:
    for message in assistants(since_user(messages)):
        if not message.get("reasoning_content"):
            raise Refused(
                "thinking is enabled but reasoning_content is missing in assistant tool call message"
            )


NOTHING_MORE: frozenset[str] = frozenset()


def chat_servers() -> dict[str, ChatServer]:
    """Return a new server of each kind."""
    return {
        "openai": ChatServer(
            "https://api.openai.com/v1",
            lambda number: f"call_{number:024d}",
            NOTHING_MORE,
            limit_key="max_completion_tokens",
            demand=demand_openai,
        ),
        "deepseek": ChatServer(
            "https://api.deepseek.com/v1",
            lambda number: f"call_00_{number}",
            thinks=lambda number: [{"reasoning_content": "thought "}, {"reasoning_content": str(number)}],
            demand=demand_deepseek,
        ),
        "gemini": ChatServer(
            "https://generativelanguage.googleapis.com/v1beta/openai",
            lambda number: f"function-call-{number}",
            frozenset({"extra_content"}),
            extra=lambda number: {"extra_content": {"google": {"thought_signature": f"signature {number}"}}},
            demand=demand_gemini,
        ),
        "groq": ChatServer(
            "https://api.groq.com/openai/v1",
            lambda number: f"fc_{number}",
            NOTHING_MORE,
            thinks=lambda number: [{"reasoning": "a thought"}],
        ),
        "mistral": ChatServer(
            "https://api.mistral.ai/v1",
            lambda number: f"Mi{number:07d}",
            NOTHING_MORE,
            stream_options=False,
            demand=demand_mistral,
        ),
        "openrouter": ChatServer(
            "https://openrouter.ai/api/v1",
            lambda number: f"toolu_or_{number}",
            thinks=lambda number: [
                {
                    "reasoning_details": [
                        {"type": "reasoning.encrypted", "index": 0, "data": f"sealed {number}"}
                    ]
                }
            ],
            demand=demand_openrouter,
        ),
        # Its ids hold a dot and a colon, and are the same in each conversation turn.
        "kimi": ChatServer(
            "https://api.moonshot.ai/v1",
            lambda number: f"functions.lookup:{number % 6}",
            thinks=lambda number: [{"reasoning_content": "a thought"}],
            demand=demand_kimi,
        ),
        "vllm": ChatServer("http://10.0.0.7:8000/v1", lambda number: f"chatcmpl-tool-{number:032x}"),
    }


@dataclass
class MessagesServer:
    """Anthropic's Messages API with extended thinking."""

    model: str = "anthropic:claude-sonnet-4-5"
    thinking: int | None = 2048
    calls: int = 0
    asked: list[Body] = field(default_factory=list)

    def settings(self) -> Settings:
        return Settings("eu-central-1", anthropic_api_key="k")

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        self.asked.append(body)
        try:
            check_messages(body)
        except Refused as failure:
            error = {"type": "invalid_request_error", "message": str(failure)}
            return httpx.Response(400, json={"type": "error", "error": error})
        return streamed("text/event-stream", self._answer(body))

    def _answer(self, body: Body) -> Iterator[bytes]:
        done = rounds_of(body["messages"], "tool_result")
        yield anthropic_start()
        if done >= ROUNDS:
            yield from anthropic_text(0, ["All is found."])
            yield from anthropic_end("end_turn", 3)
            return
        thought = [
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "signature_delta", "signature": "sig"},
        ]
        yield from anthropic_block(0, {"type": "thinking", "thinking": "", "signature": ""}, *thought)
        for index in range(1, 3 if done == 1 else 2):
            self.calls += 1
            block = {"type": "tool_use", "id": f"toolu_{self.calls:024d}", "name": "lookup", "input": {}}
            yield from anthropic_block(index, block, {"type": "input_json_delta", "partial_json": '{"n": 1}'})
        yield from anthropic_end("tool_use", 3)


def rounds_of(messages: list[Body], result: str) -> int:
    """Return the number of tool rounds since the last question."""
    count = 0
    for message in reversed(messages):
        if message["role"] == "user":
            if not any(block.get("type") == result or result in block for block in message["content"]):
                return count
            count += 1
    return count


_BLOCKS = {
    "text": {"type", "text", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
}


def check_messages(body: Body) -> None:
    names = {tool["name"] for tool in body.get("tools", [])}
    waiting: list[str] = []
    seen: set[str] = set()
    check_roles(body["messages"])
    for message in body["messages"]:
        for block in message["content"]:
            if unknown := block.keys() - _BLOCKS[block["type"]]:
                raise Refused(f"Extra inputs are not permitted: {sorted(unknown)}")
        check_answers([one["tool_use_id"] for one in typed(message, "tool_result")], waiting)
        calls = typed(message, "tool_use")
        waiting = [block["id"] for block in calls]
        check_ids(waiting, seen)
        if not {block["name"] for block in calls} <= names:
            raise Refused("No such tool.")
    rounds = rounds_of(body["messages"], "tool_result") if "thinking" in body else 0
    if rounds and body["messages"][-2]["content"][0]["type"] != "thinking":
        raise Refused("Expected `thinking`, but found `tool_use`.")


def typed(message: Body, kind: str) -> list[Body]:
    return [block for block in message["content"] if block["type"] == kind]


def check_roles(messages: list[Body]) -> None:
    for place, message in enumerate(messages):
        if message["role"] != ("user", "assistant")[place % 2]:
            raise Refused("roles must alternate between user and assistant, the user first")
    if len(messages) % 2 == 0:
        raise Refused("The last message must be the user's.")


def check_answers(answered: list[str], waiting: list[str]) -> None:
    if sorted(answered) != sorted(waiting):
        raise Refused(f"`tool_use` ids without `tool_result` blocks immediately after: {waiting}, {answered}")


def check_ids(ids: list[str], seen: set[str]) -> None:
    for id in ids:
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id) or id in seen:
            raise Refused(f"tool_use.id: {id} should match the pattern '^[a-zA-Z0-9_-]+$' and be unique")
        seen.add(id)


@dataclass
class ConverseServer:
    """Bedrock's ConverseStream. botocore's own model checks the shape of a request."""

    model: str = "bedrock:us.amazon.nova-pro-v1:0"
    thinking: int | None = None
    calls: int = 0
    asked: list[Body] = field(default_factory=list)

    def settings(self) -> Settings:
        return Settings("eu-central-1", aws_bearer_token_bedrock="k")

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        self.asked.append(body)
        try:
            check_converse(body)
        except Refused as error:
            return httpx.Response(400, json={"message": str(error)})
        return streamed("application/vnd.amazon.eventstream", self._answer(body))

    def _answer(self, body: Body) -> Iterator[bytes]:
        done = rounds_of(body["messages"], "toolResult")
        if done >= ROUNDS:
            yield bedrock_delta(0, text="All is found.")
            yield bedrock_stop(0)
            yield from bedrock_end("end_turn")
            return
        for index in range(2 if done == 1 else 1):
            self.calls += 1
            start = {"toolUse": {"toolUseId": f"tooluse_{self.calls}", "name": "lookup"}}
            yield bedrock_event("contentBlockStart", {"contentBlockIndex": index, "start": start})
            yield bedrock_delta(index, toolUse={"input": '{"n": 1}'})
            yield bedrock_stop(index)
        yield from bedrock_end("tool_use")


_CONVERSE = (
    botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("ConverseStream")
)


def check_converse(body: Body) -> None:
    shape = _CONVERSE.input_shape
    assert shape is not None
    report = ParamValidator().validate(body | {"modelId": "m"}, shape)
    if report.has_errors():
        raise Refused(report.generate_report())
    check_roles(body["messages"])
    waiting: list[str] = []
    seen: set[str] = set()
    for message in body["messages"]:
        if any(not block.get("text", "x").strip() for block in message["content"]):
            raise Refused("The text field in the ContentBlock object is blank.")
        check_answers([one["toolUseId"] for one in of(message, "toolResult")], waiting)
        waiting = [one["toolUseId"] for one in of(message, "toolUse")]
        check_ids(waiting, seen)
    if seen and not body.get("toolConfig", {}).get("tools"):
        raise Refused(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )


def of(message: Body, kind: str) -> list[Body]:
    return [block[kind] for block in message["content"] if kind in block]


Fake = ChatServer | MessagesServer | ConverseServer


def servers() -> dict[str, Fake]:
    """Return a new server of every kind."""
    return {**chat_servers(), "anthropic": MessagesServer(), "bedrock": ConverseServer()}
