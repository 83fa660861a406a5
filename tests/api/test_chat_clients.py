"""The AI SDK's own clients, unmodified, against its endpoints."""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.agent.model import Text
from millrace.api.conversation_app import create_app as conversation_app
from millrace.domain.agents import Agent
from millrace.domain.runs import ContinueRun
from millrace.services.mcp_secrets import McpSecrets
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.platform import HttpClients, Platform
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.api.chatting import ECHO, continue_lost, frames_of
from tests.api.talk import error_of
from tests.clients import FOLDER as CLIENTS
from tests.clients import run_client
from tests.protocols.test_ai_sdk import kept
from tests.services.asking import call
from tests.services.scripted import Scripted
from tests.serving import served
from tests.sse import read_events
from tests.tokens import Issuer

VERSIONS = pytest.mark.parametrize("version", ["6", "7"])


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def talk(chat: httpx.Client, version: str, *steps: dict[str, Any], id: str = "c1") -> Any:
    """Run the SDK's own chat through these steps."""
    token = chat.headers["authorization"].removeprefix("Bearer ")
    given = json.dumps({"id": id, "steps": steps})
    return asyncio.run(run_client("ai_sdk_chat.mjs", version, str(chat.base_url).rstrip("/"), token, given))


def send(text: str, **more: Any) -> dict[str, Any]:
    return {"do": "send", "text": text, "body": ECHO} | more


@pytest.fixture
def continuing(platform: Platform) -> None:
    """The run queue does what its function does: another process goes on with the run."""
    go_on_in(platform, Platform.make(platform.settings, platform.stores))


def go_on_in(platform: Platform, other: Platform) -> None:
    """Have runs that are put on the queue of one process go on in another."""

    async def enqueue(organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        task = asyncio.create_task(go_on(ContinueRun(organization, run_id, reason)))
        platform.tasks.add(task)
        task.add_done_callback(platform.tasks.discard)

    async def go_on(asked: ContinueRun) -> None:
        session = await continue_run(other, asked)
        if session is not None:
            await session.over()

    platform.stores.run_queue.enqueue = enqueue  # type: ignore[method-assign]


def hire(platform: Platform, organization: str, **settings: Any) -> None:
    given = {"id": "clerk", "name": "Clerk", "model": "echo:"} | settings
    asyncio.run(platform.stores.agents.create(organization, Agent.model_validate(given)))


@VERSIONS
def test_chat_sends_and_reads_an_answer_with_its_tools(chat: httpx.Client, version: str) -> None:
    found = talk(chat, version, send("/echo tools=1\nHello world"), send("And again"))
    assert found["errors"] == []
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "user", "assistant"]
    first = found["messages"][1]
    assert text_of(first) == "Hello world"
    [tool] = [part for part in first["parts"] if part["type"] == "tool-echo_tool"]
    assert (tool["state"], tool["providerExecuted"]) == ("output-available", True)
    assert first["metadata"]["usage"]["total"] > 0
    assert found["requests"][0]["runId"] == first["metadata"]["runId"]
    assert text_of(found["messages"][3]) == "And again"
    history = chat.get("/api/conversations/c1/messages").json()["items"]
    assert first["id"] in {one["id"] for one in history}


@VERSIONS
@pytest.mark.parametrize("cut", [1, 5, 14])
def test_chat_that_was_cut_resumes_to_the_whole_answer(chat: httpx.Client, version: str, cut: int) -> None:
    said = send("/echo tokens=30 tools=1 delayMs=40\nword", cut=cut)
    again = [{"do": "resume"}] if version == "7" else [{"do": "reload"}, {"do": "resume"}]
    found = talk(chat, version, said, *again)
    assert found["errors"] == []
    assert [one["status"] for one in found["requests"]] == [200, 200]
    assert text_of(found["shown"][0][-1]) != text_of(found["messages"][1])
    resumed = found["messages"][1]
    assert text_of(resumed).split() == ["word"] * 30
    history = chat.get("/api/conversations/c1/messages").json()["items"]
    assert (history[-1]["id"], history[-1]["content"]) == (resumed["id"], [{"text": text_of(resumed)}])
    assert [part["type"] for part in resumed["parts"]].count("tool-echo_tool") == 1


@VERSIONS
def test_chat_without_an_active_answer_resumes_nothing(chat: httpx.Client, version: str) -> None:
    found = talk(chat, version, send("hi"), {"do": "resume"})
    assert found["requests"][-1]["status"] == 204
    assert text_of(found["messages"][-1]) == "hi"
    assert error_of(chat.get("/api/chat/unknown/stream")) == (404, "conversation_not_found")


@VERSIONS
@pytest.mark.parametrize("approved", [True, False])
def test_approval_is_given_by_the_clients_own_tool_parts(
    chat: httpx.Client, platform: Platform, organization: str, continuing: None, version: str, approved: bool
) -> None:
    hire(platform, organization, tools=[{"name": "echo_tool", "policy": "ask"}])
    asked = send("/echo tools=1\nhello", body={"agentId": "clerk"})
    found = talk(chat, version, asked, {"do": "approve", "approved": approved, "reason": "No."})
    assert found["errors"] == []
    waiting, ended = found["shown"][0][1], found["messages"][1]
    [call] = [part for part in waiting["parts"] if part["type"] == "tool-echo_tool"]
    assert (call["state"], call["input"]) == ("approval-requested", {"text": "hello"})
    [answered] = [part for part in ended["parts"] if part["type"] == "tool-echo_tool"]
    assert answered["state"] == ("output-available" if approved else "output-denied")
    assert len(found["messages"]) == 2
    assert text_of(ended) == "hello"
    assert ended["id"] == waiting["id"]
    first, second = found["requests"]
    assert second["runId"].startswith(f"{first['runId']}.")
    rest = frames_of(chat.get(f"/api/chat/{second['runId']}/stream"))
    assert frames_of(chat.get(f"/api/chat/{second['runId']}/stream?startIndex=2")) == rest[2:]


def test_chat_whose_process_dies_goes_on_in_the_same_message(
    chat: httpx.Client, settings: Settings, organization: str
) -> None:
    said = send("/echo tools=1 tokens=60 delayMs=120\nword")
    with ThreadPoolExecutor(1) as threads:
        talking = threads.submit(talk, chat, "7", said)
        continue_lost(settings, organization, wait_until_speaking(chat))
        found = talking.result()
    shown = kept(found["messages"][1]["parts"])
    assert "".join(part["text"] for part in shown if part["type"] == "text").split() == ["word"] * 60
    assert [part["type"] for part in shown].count("data-rewind") == 1
    assert [part["type"] for part in shown].count("tool-echo_tool") == 1
    assert found["errors"] == []


@VERSIONS
def test_page_in_docs_connects_a_client_as_it_stands(
    chat: httpx.Client, tmp_path: Path, version: str
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "ai-sdk.md").read_text()
    transport, stop, current = re.findall(r"```js\n(.*?)```", page, re.DOTALL)
    if version == "6":
        transport = transport.replace("/api/chat?ai=7", "/api/chat")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "ai").symlink_to(CLIENTS / "node_modules" / f"ai{version}")
    (tmp_path / "page.mjs").write_text(
        transport.replace("assistant", "echo")
        + stop
        + current
        + """
import { readUIMessageStream } from 'ai';
const [url, token] = process.argv.slice(2);
const messages = [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: '/echo hang=1\\nHello' }] }];
const read = async stream => {
  let last;
  for await (const message of readUIMessageStream({ stream })) last = message;
  return last;
};
const transport = millrace(url, async () => token);
const sent = read(await transport.sendMessages({ chatId: 'c1', messages, trigger: 'submit-message' }));
const resumed = read(await transport.reconnectToStream({ chatId: 'c1' }));
const stopped = await stopAnswer(url, 'c1', token);
const [first, second] = [await sent, await resumed];
const same = JSON.stringify(first.parts) === JSON.stringify(second.parts);
const { metadata, parts } = first;
console.log(JSON.stringify({ status: stopped.status, same, parts: current(parts), metadata }));
"""
    )
    token = chat.headers["authorization"].removeprefix("Bearer ")
    found = asyncio.run(run_client(str(tmp_path / "page.mjs"), str(chat.base_url).rstrip("/"), token))
    assert (found["status"], found["same"]) == (202, True)
    assert found["metadata"]["finishReason"] == "stopped"
    assert found["metadata"]["agentId"] == "echo"
    assert "text" in {part["type"] for part in found["parts"]}


def wait_until_speaking(chat: httpx.Client) -> str:
    """Return the id of the chat's run once its answer is in the log."""
    path, headers = "/api/conversations/c1/stream", {"accept": "text/event-stream"}
    with chat.stream("GET", path, headers=headers) as response:
        events = read_events(response.iter_lines())
        return str(next(event.id for event in events if "token" in event.data)).partition(".")[0]


@VERSIONS
def test_question_is_answered_as_a_tool_of_the_client(
    settings: Settings, issuer: Issuer, organization: str, version: str
) -> None:
    question = call("ask_user", question="Which?", options=["red", "blue"])
    models = Scripted(settings, [[question], [Text("Blue it is.")]])
    stores = Stores.connect(settings)
    platform = Platform(settings, stores, models, HttpClients(settings), McpSecrets(stores.sealer))
    go_on_in(platform, platform)
    hire(platform, organization, tools=["ask_user"])
    with (
        served(conversation_app(settings, platform)) as url,
        httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as chat,
    ):
        asked = send("Paint it.", body={"agentId": "clerk"})
        found = talk(chat, version, asked, {"do": "output", "tool": "ask_user", "output": "blue"})
    assert found["errors"] == []
    [waiting] = [part for part in found["shown"][0][1]["parts"] if part["type"] == "tool-ask_user"]
    assert waiting["state"] == "input-available"
    assert waiting["input"] == {"question": "Which?", "options": ["red", "blue"]}
    [answered] = [part for part in found["messages"][1]["parts"] if part["type"] == "tool-ask_user"]
    assert (answered["state"], answered["output"]) == ("output-available", "blue")
    assert text_of(found["messages"][1]) == "Blue it is."
    assert len(found["messages"]) == 2
