"""Complete runs with real providers on a fake model server: tools, live messages, stops, retries, sub-agents,
MCP. The server records what a model would have received."""

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from msgspec.structs import replace

from millrace.api.conversation_app import create_app
from millrace.domain.conversations import LIVE_MESSAGE_MARKER
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.agent.tools.mcp_servers import Running, mcp_server
from tests.api.talk import attach, say, saying
from tests.aws import Aws
from tests.fakes.model_bytes import (
    anthropic_answer,
    anthropic_block,
    anthropic_end,
    anthropic_event,
    anthropic_start,
    anthropic_text,
    bedrock_answer,
    bedrock_delta,
    bedrock_end,
    bedrock_event,
    bedrock_stop,
    openai_answer,
    openai_chunk,
)
from tests.fakes.model_server import ACCESS_KEY, REGION, SECRET_KEY, Gate, ModelServer, Script
from tests.serving import served
from tests.sse import answer, types

SUM = {"expression": "6 * 7"}


@pytest.fixture
def talk(
    settings: Settings, chat: httpx.Client, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """The conversation app whose providers all lead to the fake server."""
    mine = replace(
        settings,
        region=REGION,
        openai_base_url=f"{model_server.url}/v1",
        openai_api_key="sk-openai",
        anthropic_base_url=model_server.url,
        anthropic_api_key="sk-ant",
        bedrock_endpoint_url=model_server.url,
        allow_loopback_http=True,
    )
    platform = Platform.make(mine, Stores.connect(settings))
    platform.stores.aws.client("ssm")
    app = create_app(mine, platform)  # its AWS clients have the emulator's credentials from here on
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with served(app) as url, httpx.Client(base_url=url, headers=chat.headers, timeout=30) as client:
        yield client


@pytest.fixture
def make(management_at_home: httpx.Client, aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(model: str, **more: Any) -> None:
        agent = {"id": "agent", "name": "Agent", "model": model, "tools": ["calculator"]} | more
        with monkeypatch.context() as patch:  # not with the key that `talk` has for Bedrock
            for name, value in aws_environment.environ.items():
                patch.setenv(name, value)
            made = management_at_home.post("/api/agents", json=agent)
        assert made.status_code == 201, made.text

    return make


def anthropic_call(name: str, arguments: dict[str, Any]) -> list[bytes]:
    use = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    piece = {"type": "input_json_delta", "partial_json": orjson.dumps(arguments).decode()}
    return anthropic_block(0, use, piece)


def bedrock_call(name: str, arguments: dict[str, Any]) -> list[bytes]:
    start = {"toolUse": {"toolUseId": "tooluse_1", "name": name}}
    return [
        bedrock_event("contentBlockStart", {"contentBlockIndex": 0, "start": start}),
        bedrock_delta(0, toolUse={"input": orjson.dumps(arguments).decode()}),
        bedrock_stop(0),
    ]


@pytest.mark.parametrize("provider", ["anthropic", "bedrock"])
def test_results_and_live_messages_form_one_turn_results_first(
    talk: httpx.Client, make: Any, model_server: ModelServer, provider: str
) -> None:
    make(f"{provider}:us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    gate = Gate()
    if provider == "anthropic":
        first: list[Any] = [anthropic_start(), *anthropic_call("calculator", SUM), gate]
        first += anthropic_end("tool_use", 9)
        second = anthropic_answer(["It is", " 42, in blue."])
    else:
        first = [bedrock_event("messageStart", {"role": "assistant"}), *bedrock_call("calculator", SUM), gate]
        first += bedrock_end("tool_use")
        second = bedrock_answer(["It is", " 42, in blue."])
    kind = {} if provider == "anthropic" else {"content-type": "application/vnd.amazon.eventstream"}
    model_server.play(Script(first, headers=kind), Script(list(second), headers=kind))
    with saying(talk, "What is 6 * 7?", agentId="agent") as events:
        seen = [next(events)]
        assert gate.reached.wait(10)
        accepted = talk.post("/api/conversations/c1/inject", json={"content": "In blue, please."})
        assert accepted.status_code == 202
        gate.open()
        seen += events
    assert types(seen) == ["start", "tool_call", "tool_result", "injected", "token", "done"]
    assert answer(seen) == "It is 42, in blue."
    turns = model_server.exchanges[-1].json["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    last = turns[-1]["content"]
    kinds = [block.get("type") or next(iter(block)) for block in last if "cachePoint" not in block]
    assert kinds == (["tool_result", "text"] if provider == "anthropic" else ["toolResult", "text"])
    assert [block["text"] for block in last if "text" in block] == [
        f"{LIVE_MESSAGE_MARKER}\nIn blue, please."
    ]
    assert "42" in str(last[0])


def test_thinking_goes_back_with_its_signature_in_front_of_the_call_it_led_to(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("anthropic:claude-sonnet-4-5", thinkingTokens=2048)
    thought = anthropic_block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Multiply."},
        {"type": "signature_delta", "signature": "sig"},
    )
    call = anthropic_call("calculator", SUM)
    model_server.play(
        Script([anthropic_start(), *thought, *call, *anthropic_end("tool_use", 9)]),
        Script(anthropic_answer(["42."])),
    )
    events = say(talk, "What is 6 * 7?", agentId="agent")
    assert types(events) == ["start", "thinking", "tool_call", "tool_result", "token", "done"]
    first, second = (exchange.json for exchange in model_server.exchanges)
    assert first["thinking"] == second["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert first["max_tokens"] > 2048
    assert second["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "Multiply.",
        "signature": "sig",
    }


def test_history_of_a_conversation_reaches_the_model(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("openai:gpt-4o", instructions="Be brief.")
    model_server.play(Script(openai_answer(["Paris", "."])), Script(openai_answer(["The Seine."])))
    assert answer(say(talk, "The capital of France?", agentId="agent")) == "Paris."
    done = say(talk, "Its river?", agentId="agent")[-1].data
    sent = model_server.exchanges[-1].json
    assert [(m["role"], m["content"]) for m in sent["messages"]] == [
        ("system", "Be brief."),
        ("user", "The capital of France?"),
        ("assistant", "Paris."),
        ("user", "Its river?"),
    ]
    assert done["cost"] > 0


def test_price_that_is_not_known_is_null(talk: httpx.Client, make: Any) -> None:
    make("openai:fake-tokens=3-delayms=0")
    assert say(talk, "hi", agentId="agent")[-1].data["cost"] is None


def test_busy_server_is_asked_again_before_the_first_token_and_people_are_told(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("anthropic:claude-sonnet-4-5")
    busy = Script([b'{"error": {"type": "overloaded_error", "message": "Overloaded"}}'], status=529)
    model_server.play(busy, Script(anthropic_answer(["Here", " I am."])))
    events = say(talk, "hi", agentId="agent")
    assert types(events) == ["start", "status", "token", "done"]
    assert answer(events) == "Here I am."


def test_failure_after_the_first_token_is_an_error_and_not_a_second_try(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("anthropic:claude-sonnet-4-5")
    overloaded = anthropic_event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    model_server.play(Script([anthropic_start(), *anthropic_text(0, ["Half", " an"]), overloaded]))
    events = say(talk, "hi", agentId="agent")
    assert answer(events) == "Half an"
    assert events[-1].data["type"] == "error"
    assert events[-1].data["retryable"] is True
    assert len(model_server.exchanges) == 1
    stored = talk.get("/api/conversations/c1/messages").json()["items"][-1]
    assert stored["content"] == [{"text": "Half an"}]
    assert stored["interrupted"] is True


def test_key_that_is_refused_says_so_and_shows_no_key(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("openai:gpt-4o")
    model_server.play(Script([b'{"error": {"message": "Incorrect API key"}}'], status=401))
    last = say(talk, "hi", agentId="agent")[-1].data
    assert last["code"] == "provider_auth"
    assert "sk-openai" not in str(last)


def test_stop_closes_the_providers_connection(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("bedrock:amazon.nova-pro-v1:0")
    kind = {"content-type": "application/vnd.amazon.eventstream"}
    steps: list[Any] = [
        bedrock_event("messageStart", {"role": "assistant"}),
        bedrock_delta(0, text="Well"),
        Gate(),
    ]
    model_server.play(Script(steps, headers=kind))
    with saying(talk, "hi", agentId="agent") as events:
        while next(events).data["type"] != "token":
            pass
        talk.post("/api/conversations/c1/stop")
        assert list(events)[-1].data["finishReason"] == "stopped"
    assert model_server.exchanges[-1].disconnected.wait(10)


def test_stopped_run_has_used_what_the_server_told_at_its_start(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("anthropic:claude-sonnet-4-5")
    steps: list[Any] = [anthropic_start(input_tokens=5000), *anthropic_text(0, ["Well"])[:-1], Gate()]
    model_server.play(Script(steps))
    with saying(talk, "hi", agentId="agent") as events:
        while next(events).data["type"] != "token":
            pass
        talk.post("/api/conversations/c1/stop")
        done = list(events)[-1].data
    assert done["usage"] == {"input": 5000, "output": 1, "total": 5001, "estimated": True}
    assert done["cost"] > 0.015
    stored = talk.get("/api/conversations/c1/messages").json()["items"][-1]
    run = talk.get(f"/api/runs/{stored['runId']}").json()
    assert (run["usage"], run["cost"]) == (done["usage"], done["cost"])


def test_failed_run_has_used_what_was_sent_and_received(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("openai:gpt-5")
    model_server.play(Script([openai_chunk({"content": "Half an answer"})], cut=True))
    last = say(talk, "x" * 4000, agentId="agent")
    assert last[-1].data["type"] == "error"
    stored = talk.get("/api/conversations/c1/messages").json()["items"][-1]
    assert stored["usage"]["input"] >= 1000
    assert stored["usage"]["output"] >= 3
    assert stored["usage"]["estimated"] is True
    assert stored["cost"] > 0
    assert talk.get(f"/api/runs/{stored['runId']}").json()["usage"] == stored["usage"]


def test_silence_after_a_live_message_is_asked_again_once(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("anthropic:claude-sonnet-4-5")
    gate = Gate()
    model_server.play(
        Script([anthropic_start(), *anthropic_text(0, ["First."]), gate, *anthropic_end("end_turn", 2)]),
        Script([anthropic_start(), *anthropic_end("end_turn", 0)]),
        Script(anthropic_answer(["Second."])),
    )
    with saying(talk, "hi", agentId="agent") as events:
        seen = [next(events)]
        assert gate.reached.wait(10)
        talk.post("/api/conversations/c1/inject", json={"content": "and?"})
        gate.open()
        seen += events
    assert answer(seen) == "First.Second."
    assert len(model_server.exchanges) == 3


def test_hidden_text_is_thinking_wherever_the_model_cuts_it(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("openai:deepseek-r1")
    model_server.play(Script(openai_answer(["<th", "ink>sec", "ret</thi", "nk>vis", "ible"])))
    events = say(talk, "hi", agentId="agent")
    assert answer(events) == "visible"
    thoughts = [event.data["text"] for event in events if event.data["type"] == "thinking"]
    assert "".join(thoughts) == "secret"
    stored = talk.get("/api/conversations/c1/messages").json()["items"][-1]
    assert stored["content"] == [{"text": "visible"}]


def test_sub_agent_is_a_tool_whose_events_are_tagged_and_whose_words_are_not_the_answer(
    talk: httpx.Client, make: Any, management: httpx.Client, model_server: ModelServer
) -> None:
    make("anthropic:claude-sonnet-4-5", tools=["agent:echo"])
    ask = anthropic_call("ask_echo", {"task": "/echo tools=1\nsub answer"})
    model_server.play(
        Script([anthropic_start(), *ask, *anthropic_end("tool_use", 9)]),
        Script(anthropic_answer(["It said: sub answer."])),
    )
    events = say(talk, "ask the other", agentId="agent")
    assert answer(events) == "It said: sub answer."
    nested = [event.data for event in events if "parent" in event.data]
    assert {event["parent"] for event in nested} == {"toolu_1"}
    assert {event["agentId"] for event in nested} == {"echo"}
    assert [event["type"] for event in nested].count("tool_call") == 1
    reported = model_server.exchanges[-1].json["messages"][-1]["content"][0]
    assert reported["type"] == "tool_result"
    assert "sub answer" in str(reported["content"])
    run_id = events[0].data["runId"]
    whole = attach(talk, f"/api/runs/{run_id}/stream?detail=answer")
    assert not any("parent" in event.data for event in whole)


def test_tools_of_an_mcp_server_are_called_and_a_dead_server_costs_only_its_tools(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    with running_mcp() as mcp:
        servers = [
            {"name": "maths", "url": mcp.url, "headers": {"Authorization": "Bearer mcp-key"}},
            {"name": "dead", "url": "http://127.0.0.1:9/mcp"},
        ]
        make("anthropic:claude-sonnet-4-5", tools=[], mcpServers=servers)
        call = anthropic_call("maths__add", {"a": 40, "b": 2})
        model_server.play(
            Script([anthropic_start(), *call, *anthropic_end("tool_use", 9)]),
            Script(anthropic_answer(["42."])),
        )
        events = say(talk, "add", agentId="agent")
    assert types(events) == ["start", "status", "tool_call", "tool_result", "token", "done"]
    assert "dead" in next(event.data["message"] for event in events if event.data["type"] == "status")
    assert next(event.data for event in events if event.data["type"] == "tool_result")["summary"] == "42"
    assert set(mcp.keys) == {"Bearer mcp-key"}


class running_mcp:
    """The MCP server of the tools' tests, in a thread of its own."""

    def __enter__(self) -> Running:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(20)
        return self._running

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with mcp_server() as self._running:
            self._ready.set()
            await self._over.wait()


def test_agent_tools_whose_plain_names_would_be_equal_are_told_apart(
    talk: httpx.Client, make: Any, model_server: ModelServer
) -> None:
    make("anthropic:claude-sonnet-4-5", tools=["agent:x.b", "agent:x:b", "agent:y.b"])
    model_server.play(Script(anthropic_answer(["Hello."])))
    assert answer(say(talk, "hi", agentId="agent")) == "Hello."
    offered = [tool["name"] for tool in model_server.exchanges[-1].json["tools"]]
    assert len(set(offered)) == 3
    assert offered[2] == "ask_y_b"
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in offered)
