"""Agents in code behind every protocol: text, calls, questions, errors, stops, live messages."""

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
from openai import OpenAI

from millrace.agent.tools.builtin import OWN_TOOLS
from millrace.agent.tools.own import tool_of
from millrace.app import AgentContext, ToolError, agent, log, status, thought, tool
from millrace.settings import Settings
from tests.a2a.talk import answer_of, frames, message, states, text_of
from tests.agent.test_attachments import PNG
from tests.api.faces import Face, facing_all, settings_of_all
from tests.aws import Aws
from tests.clients import run_client
from tests.mcp.talk import begin, call, result_of, resume
from tests.mcp.talk import frames as mcp_frames
from tests.sse import Sent, read_events
from tests.tokens import Issuer

CHAT, MESSAGES = "/api/chat", "/api/conversations/c1/messages?detail=full"
EVENTS = {"accept": "text/event-stream"}
WHOLE = "7 was sent. paid 80."


@agent("viewer")
async def viewer(ctx: AgentContext) -> AsyncIterator[Any]:
    """Looks at images and files."""
    for one in [*(one for said in ctx.history for one in said.attachments), *ctx.message.attachments]:
        yield f"{one.kind} {one.name} {one.size} {one.media_type} {len(await one.read())}; "
    async for piece in ctx.model.stream(ctx.messages, model="echo:"):
        yield piece


@dataclass
class Shop:
    """`paid`: what the tool has done. `began`, `ended` and `tell`, which has it go on, are of the `idler`."""

    paid: list[float] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[], Any] = lambda: None

    def agents(self) -> list[Any]:
        @tool(name="code_find", repeat="safe")
        async def find(order: str) -> str:
            """Look an order up."""
            return f"{order} was sent"

        @tool(name="code_pay", policy={"ask": "amount > 50"})
        async def pay(amount: float) -> str:
            """Pay."""
            self.paid.append(amount)
            return f"paid {amount:g}"

        for one in (tool_of(find), tool_of(pay)):
            assert one is not None
            OWN_TOOLS[one.name] = one

        @agent("shopkeeper", tools=[find, pay])
        async def shopkeeper(ctx: AgentContext) -> AsyncIterator[Any]:
            """Does all that an agent can."""
            yield status("Planning tasks...", "📖")
            yield thought("I look it up.")
            if "fail" in ctx.message:
                raise ToolError("The shop is closed.")
            found = await ctx.call_tool(find, order=await ctx.step("order", lambda: "7"))
            yield log("1 order read")
            yield f"{found}. "
            if "pay" in ctx.message:
                yield f"{await ctx.call_tool(pay, amount=80)}."

        @agent("idler")
        async def idler(ctx: AgentContext) -> AsyncIterator[Any]:
            """Works until it is stopped."""
            yield "One. "
            going = asyncio.Event()
            self.tell = partial(asyncio.get_running_loop().call_soon_threadsafe, going.set)
            self.began.set()
            try:
                await going.wait()
            finally:
                self.ended.set()
            yield " and ".join(await ctx.live_messages())

        return [shopkeeper, idler, viewer]


@pytest.fixture
def whole_settings(aws_environment: Aws, settings: Settings) -> Settings:
    return settings_of_all(aws_environment, settings)


@pytest.fixture
def shop() -> Iterator[Shop]:
    before = dict(OWN_TOOLS)
    yield Shop()
    OWN_TOOLS.clear()
    OWN_TOOLS.update(before)


@pytest.fixture
def face(whole_settings: Settings, issuer: Issuer, organization: str, shop: Shop) -> Iterator[Face]:
    with facing_all(whole_settings, issuer, organization, *shop.agents()) as made:
        yield made


@pytest.fixture
def chat(face: Face) -> Iterator[httpx.Client]:
    with face.client() as client:
        yield client


@pytest.fixture
def openai(face: Face) -> Iterator[OpenAI]:
    token = face.headers["authorization"].removeprefix("Bearer ")
    with OpenAI(base_url=f"{face.url}/v1", api_key=token, max_retries=0) as made:
        yield made


def sse(chat: httpx.Client, path: str, body: Any) -> list[Sent]:
    with chat.stream("POST", path, json=body, headers=EVENTS) as response:
        assert response.status_code == 200, response.read()
        return list(read_events(line for line in response.iter_lines() if line != "data: [DONE]"))


def of(events: list[Sent], kind: str) -> list[Any]:
    return [one.data for one in events if one.data["type"] == kind]


# --- the native stream ------------------------------------------------------------------------------


def say(chat: httpx.Client, content: str, agent_id: str = "shopkeeper") -> list[Sent]:
    return sse(chat, MESSAGES, {"agentId": agent_id, "content": content})


def test_native_stream_has_all_events_and_goes_on_behind_an_approval(chat: httpx.Client, shop: Shop) -> None:
    first = say(chat, "pay 80")
    assert [one["message"] for one in of(first, "status")] == ["Planning tasks...", "1 order read"]
    assert of(first, "thinking")[0]["text"] == "I look it up."
    assert [one["name"] for one in of(first, "tool_call")] == ["step__order", "code_find", "code_pay"]
    assert (of(first, "approval_requested")[0]["arguments"], first[-1].data["type"]) == (
        {"amount": 80},
        "waiting",
    )
    given = {"callId": of(first, "approval_requested")[0]["callId"], "decision": "approve"}
    second = sse(chat, f"/api/runs/{first[0].run_id}/answers", given)
    assert "".join(one["token"] for one in of([*first, *second], "token")) == WHOLE
    assert of(second, "done")[0]["finishReason"] == "stop"
    assert shop.paid == [80]


def test_native_stream_tells_an_error(chat: httpx.Client) -> None:
    [error] = of(say(chat, "fail"), "error")
    assert (error["code"], error["message"]) == ("tool_failed", "The shop is closed.")


def test_stop_ends_the_function(chat: httpx.Client, shop: Shop) -> None:
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(say, chat, "go on", "idler")
        assert shop.began.wait(30)
        assert chat.post("/api/conversations/c1/stop").status_code == 202
        assert of(reading.result(30), "done")[0]["finishReason"] == "stopped"
    assert shop.ended.wait(30)


def test_live_message_is_what_the_function_looks_for(chat: httpx.Client, shop: Shop) -> None:
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(say, chat, "go on", "idler")
        assert shop.began.wait(30)
        sent = chat.post("/api/conversations/c1/inject", json={"content": "hurry"})
        assert sent.status_code == 202, sent.text
        shop.tell()
        events = reading.result(30)
    assert of(events, "injected")[0]["content"] == "hurry"
    assert "".join(one["token"] for one in of(events, "token")) == "One. hurry"


# --- the AI SDK -------------------------------------------------------------------------------------


def test_ai_sdk_chat_shows_all_and_approves(chat: httpx.Client, face: Face, shop: Shop) -> None:
    token = face.headers["authorization"].removeprefix("Bearer ")
    body = {"agentId": "shopkeeper"}
    steps = [{"do": "send", "text": "pay 80", "body": body}, {"do": "approve", "approved": True}]
    given = json.dumps({"id": "c1", "steps": steps})
    found = asyncio.run(run_client("ai_sdk_chat.mjs", "7", face.url, token, given))
    assert found["errors"] == []
    parts = found["messages"][1]["parts"]
    assert "".join(part["text"] for part in parts if part["type"] == "text") == WHOLE
    assert [part["text"] for part in parts if part["type"] == "reasoning"] == ["I look it up."]
    states = {part["type"]: part["state"] for part in parts if part["type"].startswith("tool-")}
    assert states == dict.fromkeys(
        ["tool-step__order", "tool-code_find", "tool-code_pay"], "output-available"
    )
    assert shop.paid == [80]


def test_ai_sdk_stream_tells_an_error(chat: httpx.Client) -> None:
    asked = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "fail"}]}
    body = {"id": "c1", "messages": [asked], "trigger": "submit-message", "agentId": "shopkeeper"}
    [error] = of(sse(chat, CHAT, body), "error")
    assert error["errorText"] == "The shop is closed."


# --- AG-UI ------------------------------------------------------------------------------------------


def ag_ui(chat: httpx.Client, content: str, run_id: str = "r1", **more: Any) -> list[Sent]:
    messages = [{"id": "u1", "role": "user", "content": content}]
    body = {"threadId": "t1", "runId": run_id, "messages": messages, "tools": [], "context": []} | more
    return sse(chat, "/agui/shopkeeper", body)


def test_ag_ui_run_shows_all_and_resumes_behind_its_interrupt(chat: httpx.Client, shop: Shop) -> None:
    first = ag_ui(chat, "pay 80")
    names = [one["toolCallName"] for one in of(first, "TOOL_CALL_START")]
    assert names == ["step__order", "code_find", "code_pay"]
    assert of(first, "REASONING_MESSAGE_CONTENT")[0]["delta"] == "I look it up."
    assert of(first, "CUSTOM")[0]["value"]["message"] == "Planning tasks..."
    [interrupt] = first[-1].data["outcome"]["interrupts"]
    resume = [{"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": True}}]
    second = ag_ui(chat, "pay 80", "r2", resume=resume)
    pieces = of([*first, *second], "TEXT_MESSAGE_CONTENT")
    assert "".join(one["delta"] for one in pieces) == WHOLE
    assert shop.paid == [80]


def test_ag_ui_run_tells_an_error(chat: httpx.Client) -> None:
    [error] = of(ag_ui(chat, "fail"), "RUN_ERROR")
    assert (error["code"], error["message"]) == ("tool_failed", "The shop is closed.")


# --- OpenAI -----------------------------------------------------------------------------------------


def test_completion_streams_and_approves(openai: OpenAI, shop: Shop) -> None:
    asked: Any = {"role": "user", "content": "pay 80"}
    with openai.chat.completions.stream(model="agent:shopkeeper", messages=[asked]) as stream:
        first = stream.get_final_completion().choices[0].message
    assert first.content == "7 was sent. "
    [question] = first.tool_calls or []
    assert question.function.name == "request_approval"
    answer: Any = {"role": "tool", "tool_call_id": question.id, "content": "approve"}
    messages = [asked, first.to_dict(), answer]
    second = openai.chat.completions.create(model="agent:shopkeeper", messages=messages)
    assert second.choices[0].message.content == "paid 80."
    assert shop.paid == [80]


def test_response_streams_and_approves(openai: OpenAI, shop: Shop) -> None:
    with openai.responses.stream(model="agent:shopkeeper", input="pay 80") as stream:
        first = stream.get_final_response()
    assert first.output_text == "7 was sent. "
    assert "reasoning" in [item.type for item in first.output]
    [question] = [item for item in first.output if item.type == "mcp_approval_request"]
    answer: Any = {"type": "mcp_approval_response", "approval_request_id": question.id, "approve": True}
    second = openai.responses.create(model="agent:shopkeeper", input=[answer], previous_response_id=first.id)
    assert second.output_text == "paid 80."
    assert shop.paid == [80]


def test_openai_clients_hear_of_an_error(openai: OpenAI) -> None:
    failed = openai.responses.create(model="agent:shopkeeper", input="fail")
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.message == "The shop is closed."


# --- A2A --------------------------------------------------------------------------------------------


def a2a(chat: httpx.Client, text: str, agent_id: str = "shopkeeper", **more: Any) -> list[Any]:
    headers = {"a2a-version": "1.0"}
    path = f"/a2a/{agent_id}/message:stream"
    with chat.stream("POST", path, json=message(text, **more), headers=headers) as response:
        assert response.status_code == 200, response.read()
        return list(frames(response))


def test_a2a_task_asks_for_input_and_completes(chat: httpx.Client, shop: Shop) -> None:
    first = a2a(chat, "pay 80")
    assert states(first)[-1] == "INPUT_REQUIRED"
    task_id = first[0].data["task"]["id"]
    second = a2a(chat, "approve", taskId=task_id)
    assert states(second)[-1] == "COMPLETED"
    task = chat.get(f"/a2a/shopkeeper/tasks/{task_id}", headers={"a2a-version": "1.0"}).json()
    assert text_of(task) == answer_of(second) == WHOLE
    assert shop.paid == [80]


def test_a2a_task_fails_with_the_error(chat: httpx.Client) -> None:
    events = a2a(chat, "fail")
    assert states(events)[-1] == "FAILED"
    assert "The shop is closed." in json.dumps([one.data for one in events])


def test_canceled_a2a_task_ends_the_function(chat: httpx.Client, shop: Shop) -> None:
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(a2a, chat, "go on", "idler")
        assert shop.began.wait(30)
        headers = {"a2a-version": "1.0"}
        [task] = chat.get("/a2a/idler/tasks", headers=headers).json()["tasks"]
        assert chat.post(f"/a2a/idler/tasks/{task['id']}:cancel", headers=headers).status_code == 200
        assert states(reading.result(30))[-1] == "CANCELED"
    assert shop.ended.wait(30)


# --- MCP --------------------------------------------------------------------------------------------


def test_mcp_client_is_asked_and_gets_the_answer(chat: httpx.Client, shop: Shop) -> None:
    session = begin(chat, elicitation={})
    asked = call("ask_shopkeeper", 4, message="pay 80")
    with chat.stream("POST", "/mcp", json=asked, headers=session) as response:
        events = mcp_frames(response)
        question = next(one for one in events if one.data and one.data.get("method") == "elicitation/create")
        answer = {"jsonrpc": "2.0", "id": question.data["id"], "result": {"action": "accept"}}
        assert chat.post("/mcp", json=answer, headers=session).status_code == 202
        rest = list(events) or resume(chat, session, question.id)
    assert result_of(rest)["structuredContent"]["answer"] == WHOLE
    assert shop.paid == [80]


def test_mcp_client_hears_of_an_error(chat: httpx.Client) -> None:
    session = begin(chat)
    asked = call("ask_shopkeeper", message="fail")
    with chat.stream("POST", "/mcp", json=asked, headers=session) as response:
        result = result_of(list(mcp_frames(response)))
    assert result["isError"]
    assert "The shop is closed." in result["content"][0]["text"]


def test_images_and_files_of_messages_can_be_read_and_reach_the_agents_model(face: Face) -> None:
    with face.client() as chat:
        texts = []
        for name, question in (("cat.png", "Look."), ("dog.png", "And here?")):
            image = {"type": "image", "mediaType": "image/png", "name": name, "data": b64encode(PNG).decode()}
            content = [{"type": "text", "text": question}, image]
            sent = chat.post(
                "/api/conversations/c2/messages",
                json={"agentId": "viewer", "content": content},
                headers=EVENTS,
            )
            found = read_events(sent.iter_lines())
            texts.append("".join(one.data["token"] for one in found if one.data["type"] == "token"))
    cat, dog = (f"image {name} {len(PNG)} image/png {len(PNG)}; " for name in ("cat.png", "dog.png"))
    assert texts[0].startswith(cat)
    assert texts[1].startswith(cat + dog)
    asked = face.models.requests[-1].messages
    images = [block["image"]["data"] for one in asked for block in one["content"] if "image" in block]
    assert images == [b64encode(PNG).decode()] * 2
