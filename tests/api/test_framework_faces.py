"""The agent of LangChain's quickstart, a graph of LangGraph, behind the native stream, the AI SDK and A2A,
with a model that speaks the real bytes of OpenAI."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import httpx
import orjson
import pytest

from millrace.settings import Settings
from tests.a2a.talk import answer_of, frames, message, states
from tests.api.faces import facing_all
from tests.aws import Aws
from tests.fakes.model_bytes import OPENAI_DONE, openai_chunk, openai_usage
from tests.fakes.model_server import Exchange, Gate, ModelServer, Script
from tests.sse import Sent, read_events
from tests.tokens import Issuer

pytestmark = pytest.mark.skipif(find_spec("langchain_openai") is None, reason="LangChain is not installed")

EVENTS = {"accept": "text/event-stream"}
CLOSE = {"connection": "close"}
WHOLE = "It's always sunny."


class Weather(ModelServer):
    """Calls the tool that it is offered, then answers. A `gate` is passed behind the first word."""

    gate: Gate | None = None

    def _script(self, exchange: Exchange) -> Script:
        asked = json.loads(exchange.body)
        if any(one["role"] == "tool" for one in asked["messages"]):
            return Script([*self._answer(), OPENAI_DONE], headers=CLOSE)
        function = {"name": asked["tools"][0]["function"]["name"], "arguments": '{"city": "sf"}'}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        return Script(
            [
                openai_chunk({"role": "assistant", "content": None, "tool_calls": [call]}),
                openai_chunk({}, "tool_calls"),
                openai_usage(10, 5),
                OPENAI_DONE,
            ],
            headers=CLOSE,
        )

    def _answer(self) -> Iterator[bytes | Gate]:
        yield openai_chunk({"role": "assistant", "content": "It's "})
        if self.gate:
            yield self.gate
        yield openai_chunk({"content": "always sunny."})
        yield openai_chunk({}, "stop")
        yield openai_usage(20, 3)


@pytest.fixture
def whole_settings(aws_environment: Aws, settings: Settings) -> Settings:
    """The settings of all functions together."""
    environ: dict[str, str] = {}
    for name in aws_environment.deployment.functions:
        environ |= {key: value for key, value in aws_environment.environment(name).items() if value}
    found = Settings.from_environment(environ)
    about = ("oidc_issuer", "oidc_audience", "oidc_jwks_url")
    return replace(found, **{name: getattr(settings, name) for name in about})


@pytest.fixture
def model() -> Iterator[Weather]:
    with Weather() as running:
        yield running


@pytest.fixture
def chat(
    whole_settings: Settings, issuer: Issuer, organization: str, model: Weather
) -> Iterator[httpx.Client]:
    from langchain_openai import ChatOpenAI

    chains = import_module("tests.frameworks.chains")
    asked = ChatOpenAI(model="gpt-5", base_url=f"{model.url}/v1", api_key=lambda: "key", max_retries=0)
    agent = chains.langchain_agent("weather", chains.weather(asked))
    with facing_all(whole_settings, issuer, organization, agent) as face, face.client() as client:
        yield client


def native(chat: httpx.Client) -> list[Sent]:
    path, body = "/api/conversations/c1/messages?detail=full", {"agentId": "weather", "content": "sf?"}
    with chat.stream("POST", path, json=body, headers=EVENTS) as response:
        assert response.status_code == 200, response.read()
        return list(read_events(response.iter_lines()))


def of(events: list[Sent], kind: str) -> list[Any]:
    return [one.data for one in events if one.data["type"] == kind]


def test_native_stream_shows_the_answer_and_the_tool(chat: httpx.Client) -> None:
    events = native(chat)
    assert "".join(one["token"] for one in of(events, "token")) == WHOLE
    assert "step__get_weather" in [one["name"] for one in of(events, "tool_call")]
    [result] = [one for one in of(events, "tool_result") if one["name"] == "step__get_weather"]
    assert result["summary"] == '"It\'s always sunny in sf!"'
    usage = of(events, "done")[0]["usage"]
    assert (usage["input"], usage["output"]) == (30, 8)


def test_ai_sdk_stream_shows_the_answer_and_the_tool(chat: httpx.Client) -> None:
    asked = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "sf?"}]}
    body = {"id": "c1", "messages": [asked], "trigger": "submit-message", "agentId": "weather"}
    with chat.stream("POST", "/api/chat", json=body) as response:
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: {")]
    chunks = [orjson.loads(line) for line in lines]
    assert "".join(one["delta"] for one in chunks if one["type"] == "text-delta") == WHOLE
    tools = [one["toolName"] for one in chunks if one["type"] == "tool-input-available"]
    assert "step__get_weather" in tools


def test_a2a_task_completes_with_the_answer(chat: httpx.Client) -> None:
    path = "/a2a/weather/message:stream"
    with chat.stream("POST", path, json=message("sf?"), headers={"a2a-version": "1.0"}) as response:
        events = list(frames(response))
    assert states(events)[-1] == "COMPLETED"
    assert answer_of(events) == WHOLE


def test_stop_ends_the_models_call(chat: httpx.Client, model: Weather) -> None:
    model.gate = gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(native, chat)
        assert gate.reached.wait(30)
        assert chat.post("/api/conversations/c1/stop").status_code == 202
        assert of(reading.result(30), "done")[0]["finishReason"] == "stopped"
    assert model.exchanges[-1].disconnected.wait(30)


def test_stream_that_was_cut_resumes_where_it_was(chat: httpx.Client, model: Weather) -> None:
    model.gate = gate = Gate()
    seen: list[Sent] = []
    path, body = "/api/conversations/c1/messages?detail=full", {"agentId": "weather", "content": "sf?"}
    with chat.stream("POST", path, json=body, headers=EVENTS) as response:
        for event in read_events(response.iter_lines()):
            seen.append(event)
            if event.data["type"] == "token":
                break
    gate.open()
    headers = EVENTS | {"last-event-id": str(seen[-1].id)}
    path = f"/api/runs/{seen[0].run_id}/stream?detail=full"
    with chat.stream("GET", path, headers=headers) as response:
        seen += read_events(response.iter_lines())
    assert "".join(one["token"] for one in of(seen, "token")) == WHOLE
    assert len(model.exchanges) == 2
