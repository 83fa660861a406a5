"""Structured output: requested in each provider's way, validated, and requested once more."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import orjson
import pytest

from millrace.agent.model import Delta, Finish, FinishReason, ModelRequest, Text, ToolSpec
from millrace.agent.output import OUTPUT_BYTES, is_plain
from millrace.agent.providers.anthropic import messages_request
from millrace.agent.providers.bedrock import converse_request
from millrace.agent.providers.chat_request import chat_request
from millrace.agent.providers.chat_servers import DIALECTS
from millrace.agent.providers.registry import ProviderRegistry
from millrace.errors import InvalidRequest, ProviderError
from millrace.services.runs.output_format import check_response_schema, output_format
from millrace.settings import Settings
from tests.agent.looping import Conversation
from tests.agent.providers.asking import user
from tests.fakes.strict_models import check_converse

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
BOUNDED = CITY | {"properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 1}}}
PARIS = '{"city": "Paris", "people": 2100000}'
VALUE = {"city": "Paris", "people": 2100000}
TOOL = ToolSpec("t", "T.", {"type": "object"})


def asked(schema: dict[str, Any], model: str = "m", tools: bool = False) -> ModelRequest:
    return ModelRequest(model, "Be brief.", [user("Hi")], [TOOL] if tools else [], response_schema=schema)


def chat(dialect: str, schema: dict[str, Any] = CITY, tools: bool = False) -> tuple[Any, str]:
    """The response format and the system prompt."""
    body = chat_request(asked(schema, tools=tools), DIALECTS[dialect], "s")
    return body.get("response_format"), body["messages"][0]["content"]


@pytest.mark.parametrize("dialect", ["openai", "azure", "openrouter", "generic", "gemini", "groq", "mistral"])
def test_chat_servers_are_held_to_the_schema(dialect: str) -> None:
    named = {"name": "answer", "schema": CITY, "strict": True}
    assert chat(dialect) == ({"type": "json_schema", "json_schema": named}, "Be brief.")
    assert chat(dialect, BOUNDED)[0]["json_schema"]["strict"] is False


def test_servers_get_the_schema_in_words_where_they_take_it_in_no_other_way() -> None:
    for dialect, tools, schema in (
        ("groq", True, CITY),
        ("gemini", True, CITY),
        ("generic", True, CITY),
        ("openai", False, {"type": "array"}),
    ):
        format, words = chat(dialect, schema, tools)
        assert format is None
        assert words.startswith("Be brief.\n\n")
        assert '"type":' in words
    format, words = chat("deepseek")
    assert format == {"type": "json_object"}
    assert "JSON Schema" in words
    assert chat("openai", tools=True)[0]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("model", "schema", "held"),
    [
        ("claude-sonnet-4-5-20250929", CITY, True),
        ("claude-opus-4-1", CITY, True),
        ("claude-opus-5-5", CITY, True),
        ("claude-sonnet-4-20250514", CITY, False),
        ("claude-3-7-sonnet-20250219", CITY, False),
        ("claude-sonnet-4-5", BOUNDED, False),
    ],
)
def test_claude_is_held_to_what_it_can_be_held_to(model: str, schema: dict[str, Any], held: bool) -> None:
    body = messages_request(asked(schema, model))
    if held:
        assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
        assert body["system"][0]["text"] == "Be brief."
    else:
        assert "output_config" not in body
        assert "JSON Schema" in body["system"][0]["text"]
    converse = converse_request(asked(schema, f"us.anthropic.{model}-v1:0"))
    check_converse(converse)
    assert ("outputConfig" in converse) is held
    assert ("JSON Schema" in converse["system"][0]["text"]) is not held


def test_schema_and_thinking_stand_side_by_side() -> None:
    request = ModelRequest(
        "claude-opus-5", "", [user("Hi")], max_tokens=9000, thinking_tokens=4096, response_schema=CITY
    )
    assert messages_request(request)["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": CITY},
    }


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        (CITY, True),
        ({"type": "string", "enum": ["a"]}, True),
        ({"$ref": "#/$defs/c", "$defs": {"c": CITY}}, True),
        (BOUNDED, False),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"anyOf": [{"type": "string", "pattern": "x"}]}, False),
    ],
)
def test_plain_schemas(schema: dict[str, Any], plain: bool) -> None:
    assert is_plain(schema) is plain


class Answers:
    """A provider that gives these answers in turn."""

    def __init__(self, *answers: str, reason: FinishReason = "stop") -> None:
        self.answers = list(answers)
        self.reason = reason
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        for token in self.answers.pop(0).split(" "):
            yield Text(f"{token} ")
        yield Finish(self.reason, None)


async def ask(answers: Answers) -> Conversation:
    conversation = Conversation()
    await conversation.ask("Which city?", answers, "m", response_schema=CITY)
    return conversation


@pytest.mark.parametrize("text", [PARIS, f"```json\n{PARIS}\n```", f"Here it is: {PARIS} Good?"])
async def test_answer_that_fits_is_the_output(text: str) -> None:
    conversation = await ask(Answers(text))
    assert conversation.output is not None
    assert conversation.output.value == VALUE
    assert conversation.text().strip() == text


async def test_answer_that_does_not_fit_is_asked_for_again_and_never_shown() -> None:
    answers = Answers('{"city": "Paris"}', PARIS)
    conversation = await ask(answers)
    assert conversation.output is not None
    assert conversation.output.value == VALUE
    assert conversation.text().strip() == PARIS
    assert [message.role for message in conversation.history] == ["user", "assistant"]
    asked_again = answers.requests[1].messages
    assert [turn["role"] for turn in asked_again] == ["user", "assistant", "user"]
    assert "'people' is a required property" in asked_again[-1]["content"][0]["text"]


async def test_second_answer_that_does_not_fit_fails_the_run_and_is_kept() -> None:
    conversation = Conversation()
    answers = Answers("none", "none at all", "never asked")
    with pytest.raises(ProviderError, match="not JSON") as caught:
        await conversation.ask("Which city?", answers, "m", response_schema=CITY)
    assert caught.value.code == "output_invalid"
    assert len(answers.answers) == 1
    assert conversation.text().strip() == "none at all"
    assert conversation.history[-1].content == [{"text": "none at all "}]


async def test_answer_that_was_cut_off_has_no_output() -> None:
    conversation = await ask(Answers('{"city": "Par', reason="max_tokens"))
    assert conversation.output is None
    assert conversation.text().strip() == '{"city": "Par'


def test_output_has_a_limit() -> None:
    format = output_format({"type": "string"})
    assert format is not None
    with pytest.raises(InvalidRequest, match="must not exceed"):
        format.read(f'"{"x" * OUTPUT_BYTES}"')


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "city"},
        {"type": "string", "pattern": "("},
        {"type": "string", "description": "x" * 40_000},
    ],
)
def test_schema_that_cannot_be_used_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_response_schema(schema)
    assert caught.value.code == "invalid_schema"


class WithoutFormat:
    """A server of chat completions that answers a `response_format` with an error, and else a city."""

    def __init__(self, status: int, message: str) -> None:
        self.bodies: list[Any] = []
        self._refusal = (status, {"error": {"message": message}})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(orjson.loads(request.content))
        if "response_format" in self.bodies[-1]:
            return httpx.Response(self._refusal[0], json=self._refusal[1])
        choice = {"index": 0, "message": {"content": PARIS}, "finish_reason": "stop"}
        return httpx.Response(200, json={"choices": [choice]})

    async def ask(self, times: int) -> list[Delta]:
        settings = Settings("r", openai_base_url="http://10.0.0.7/v1")
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as client:
            provider, model = ProviderRegistry(settings, lambda: client).provider_for("openai:m")
            answers = [[d async for d in provider.stream(asked(CITY, model))] for _ in range(times)]
        return answers[-1]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model does not support response format `json_schema`."),
        (422, "response_format: extra fields not permitted"),
    ],
)
async def test_server_without_structured_output_gets_the_schema_in_words(status: int, message: str) -> None:
    server = WithoutFormat(status, message)
    assert (await server.ask(times=2))[0] == Text(PARIS)
    assert ["response_format" in body for body in server.bodies] == [True, False, False]
    assert "JSON Schema" in server.bodies[-1]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("status", "message"), [(400, "The prompt is too long."), (500, "response_format broke the server")]
)
async def test_other_refusals_of_a_schema_are_errors(status: int, message: str) -> None:
    server = WithoutFormat(status, message)
    with pytest.raises(ProviderError, match=message):
        await server.ask(times=1)
    assert len(server.bodies) == 1
