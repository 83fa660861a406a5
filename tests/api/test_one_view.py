"""No outlet reveals what an agent's visibility hides: every GET of the API at every detail, answers to
messages and flows, speech, search, and everything on the bus, which pipelines and the command center
receive.

Each operation of the OpenAPI document is scanned, or is in a list of `tests.api.outlets` that says why it
reveals nothing. An operation in neither fails."""

import asyncio
import importlib
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import httpx
import orjson
import pytest
from msgspec.structs import replace
from starlette.routing import Route

from millrace import api
from millrace.api import mcp_app
from millrace.api.a2a import A2A
from millrace.api.endpoint import EndpointRoute
from millrace.api.management_app import create_app as management_app
from millrace.api.openapi import streamed_endpoints
from millrace.api.streamed_app import streamed_app
from millrace.api.tickets import callers
from millrace.domain.access import Principal
from millrace.domain.command_center import EVENT_TYPES
from millrace.domain.conversations import Slot
from millrace.domain.runs import ContinueRun
from millrace.domain.tasks import PushMessage
from millrace.protocols.a2a.notifications import notifications
from millrace.services.command_center.record import Recorder, record
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.platform import Platform
from millrace.services.runs.search import search_in
from millrace.services.speech.runs import sentences_of_run
from millrace.services.tasks.notify import Notices
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from tests.api import outlets as listed
from tests.api.outlets_a2a import a2a_answers, push_answers
from tests.api.outlets_mcp import mcp_answers
from tests.api.talk import STREAM, say
from tests.fakes.model_bytes import (
    anthropic_answer,
    anthropic_block,
    anthropic_end,
    anthropic_start,
    anthropic_text,
)
from tests.fakes.model_server import ModelServer, Script
from tests.mcp.talk import begin
from tests.mcp.talk import call as call_of
from tests.serving import served
from tests.tokens import Issuer

DETAILS = ("answer", "steps", "full")
HELPER = "canary-helper"
HIDDEN = re.compile(r"canary|838114395", re.IGNORECASE)
"""Thoughts, arguments, results and the name of a tool, and the result of a flow's tool (12345 * 67891)."""
WANTED = {
    "/api/command-center/stream": {"since": "0"},
    "/api/command-center/metrics": {"metric": "error_rate"},
}
"""Parameters without which an operation tells nothing."""
CONVERSATION = "/api/conversations/{conversation_id}"
FLOW = "/api/flows/{name}"


class Overheard(AwsClients):
    """AWS clients that keep what is put on the bus."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.published: list[dict[str, Any]] = []

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "put_events":
            self.published += [json.loads(entry["Detail"]) for entry in parameters["Entries"]]
        return await super().call(service, operation, **parameters)


@dataclass
class World:
    """The streamed functions as one app, the management API, and what they have put on the bus."""

    platform: Platform
    aws: Overheard
    api: httpx.Client
    management: httpx.Client
    ids: dict[str, str] = field(default_factory=dict)
    pushes: list[PushMessage] = field(default_factory=list)

    async def enqueue(self, message: PushMessage, delay: float = 0) -> None:
        """Keep what the queue of push notifications would get."""
        self.pushes.append(message)

    def push(self, message: PushMessage) -> None:
        """Do what the function of that queue does with a message."""

        async def work() -> None:
            platform = Platform.make(self.platform.settings)
            platform.stores = replace(platform.stores, push_queue=self)
            await Notices(platform, notifications, time.monotonic() + 60).take_up(message)
            await platform.http.close()

        asyncio.run(work())


@pytest.fixture
def world(
    settings: Settings, issuer: Issuer, organization: str, model_server: ModelServer
) -> Iterator[World]:
    mine = replace(settings, anthropic_base_url=model_server.url, anthropic_api_key="sk-ant")
    mine = replace(mine, allow_loopback_http=True, push_queue_url="kept by the world")
    aws = Overheard(settings.region)
    platform = Platform.make(mine, Stores.connect(mine, aws))
    platform.warm()
    go_on_here(platform)
    auth = callers(mine, platform.stores)
    endpoints = [*streamed_endpoints(mine, platform), *A2A(platform).protocol_endpoints()]
    endpoints += mcp_app.endpoints(platform)
    app = streamed_app(endpoints, auth, platform.stores, platform.close, 8)
    headers = issuer.user(organization, "user-1", "admin")
    with served(app) as url, served(management_app(mine, platform)) as management_url:
        with (
            httpx.Client(base_url=url, headers=headers, timeout=30) as api,
            httpx.Client(base_url=management_url, headers=headers, timeout=30) as management,
        ):
            made = World(platform, aws, api, management)
            platform.stores = replace(platform.stores, push_queue=made)
            yield made


def go_on_here(platform: Platform) -> None:
    """Have runs that were answered go on in this process: the emulator's own function has another model."""
    tasks = set()

    async def enqueue(organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        task = asyncio.create_task(go_on(ContinueRun(organization, run_id, reason)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def go_on(message: ContinueRun) -> None:
        if session := await continue_run(platform, message):
            await session.over()

    platform.stores.run_queue.enqueue = enqueue  # type: ignore[method-assign]


def thought(text: str) -> list[bytes]:
    deltas = {"type": "thinking_delta", "thinking": text}, {"type": "signature_delta", "signature": "sig"}
    return anthropic_block(0, {"type": "thinking", "thinking": "", "signature": ""}, *deltas)


def call(name: str, arguments: dict[str, Any]) -> list[bytes]:
    use = {"type": "tool_use", "id": f"toolu_{len(name)}", "name": name, "input": {}}
    piece = {"type": "input_json_delta", "partial_json": orjson.dumps(arguments).decode()}
    return anthropic_block(1, use, piece)


def model_turn(*parts: list[bytes], reason: str = "end_turn") -> Script:
    return Script(
        [anthropic_start(), *(chunk for part in parts for chunk in part), *anthropic_end(reason, 9)]
    )


def story() -> list[Script]:
    """An agent that thinks, asks its helper, calls a tool that it has not, and answers."""
    return [
        model_turn(
            thought("canary in a thought"),
            call("ask_canary-helper", {"task": "canary in an argument"}),
            reason="tool_use",
        ),
        model_turn(thought("canary of the helper"), anthropic_text(1, ["canary", " in a result"])),
        model_turn(call("canary_tool", {"canary": 1}), reason="tool_use"),
        Script(anthropic_answer(["All", " is well."])),
    ]


def questioning() -> list[Script]:
    """An agent that thinks, calls a tool that it has not, asks its user, and answers."""
    return [
        model_turn(thought("canary before"), call("canary_tool", {"canary": 1}), reason="tool_use"),
        model_turn(thought("canary"), call("ask_user", {"question": "Shall I?"}), reason="tool_use"),
        model_turn(thought("canary after"), call("canary_tool", {"canary": 2}), reason="tool_use"),
        Script(anthropic_answer(["All", " is well."])),
    ]


def make_agents(world: World) -> None:
    agent = {"id": "quiet", "name": "Quiet", "model": "anthropic:claude-sonnet-4-5", "visibility": "answer"}
    helper = agent | {"id": HELPER, "name": "Helper", "visibility": "full"}
    for one in (
        helper,
        agent | {"tools": [f"agent:{HELPER}"], "exposeA2A": True},
        agent | {"id": "asker", "tools": ["ask_user"]},
    ):
        assert world.management.post("/api/agents", json=one).status_code == 201


def make_flow(world: World) -> None:
    product_of_two = {"expression": 'concat(input.a, " * ", input.b)'}
    steps = [
        {"name": "product", "type": "tool", "tool": "calculator", "arguments": product_of_two},
        {"name": "told", "type": "agent", "agentId": "quiet", "message": '"Say it."'},
        {"name": "asked", "type": "wait_for_input", "prompt": "Go on?"},
    ]
    assert world.api.post("/api/flows", json={"name": "report", "steps": steps}).status_code == 201


def answers(world: World, model_server: ModelServer) -> Iterator[tuple[str, str]]:
    """Collect the answers of the operations that are `ANSWERS`, at every detail; fills in the ids."""
    yield from message_answers(world, model_server)
    yield from given_answers(world, model_server)
    yield from flow_answers(world, model_server)
    yield from ag_ui_answers(world, model_server)
    yield from openai_answers(world, model_server)
    tell, ask = (partial(_play, model_server, one) for one in (story, questioning))
    yield from a2a_answers(world.api, tell, world.ids)
    yield from push_answers(world.api, tell, world.ids, world.pushes, world.push)
    yield from mcp_answers(world.api, tell, ask)
    run_id = _run_of(world, "c1")
    world.ids |= {"conversation_id": "c1", "run_id": run_id, "chat_id": run_id}


def _play(model_server: ModelServer, script: Callable[[], list[Script]]) -> None:
    model_server.play(*script())


def message_answers(world: World, model_server: ModelServer) -> Iterator[tuple[str, str]]:
    path, name = CONVERSATION.format(conversation_id="c1"), f"POST {CONVERSATION}/messages"
    for number, detail in enumerate(DETAILS):
        model_server.play(*story())
        sent = {"agentId": "quiet", "content": "How are you?", "idempotencyKey": f"key-{number}"}
        headers = {"accept": "application/json"} if number else STREAM
        for attempt in ("first", "replayed"):
            found = world.api.post(f"{path}/messages", json=sent, params={"detail": detail}, headers=headers)
            assert found.status_code == 200, found.text
            yield f"{name} {detail} {attempt}", found.text
        for kind in (STREAM, {"accept": "application/json"}):
            again = world.api.post(f"{path}/messages", json=sent, params={"detail": detail}, headers=kind)
            yield f"{name} {detail} replayed as {kind['accept']}", again.text
        model_server.play(*story())
        found = world.api.post(f"{path}/regenerate", json={}, params={"detail": detail}, headers=headers)
        assert found.status_code == 200, found.text
        yield f"POST {CONVERSATION}/regenerate {detail}", found.text
    yield from chat_answers(world, model_server)
    yield f"POST {CONVERSATION}/stop {{}}", world.api.post(f"{path}/stop").text
    late = world.api.post(f"{path}/inject", json={"content": "By the way"})
    yield f"POST {CONVERSATION}/inject {{}}", late.text


def chat_answers(world: World, model_server: ModelServer) -> Iterator[tuple[str, str]]:
    """Collect what clients of the AI SDK are told."""
    for detail, version in product(DETAILS, "67"):
        model_server.play(*story())
        message = {
            "id": f"m-{detail}-{version}",
            "role": "user",
            "parts": [{"type": "text", "text": "Well?"}],
        }
        sent = {"id": "ui", "messages": [message], "agentId": "quiet"}
        found = world.api.post("/api/chat", json=sent, params={"detail": detail, "ai": version})
        assert "well" in found.text, found.text
        yield f"POST /api/chat {detail} {version}", found.text
    yield "POST /api/chat/{chat_id}/stop {}", world.api.post("/api/chat/ui/stop").text


def given_answers(world: World, model_server: ModelServer) -> Iterator[tuple[str, str]]:
    """Collect what is told to those who answer a call that waits, and to those who read of it meanwhile."""
    for number, detail in enumerate(DETAILS):
        conversation, headers = f"asked-{number}", ({"accept": "application/json"} if number else STREAM)
        model_server.play(*questioning())
        path = CONVERSATION.format(conversation_id=conversation)
        sent = {"agentId": "asker", "content": "Do it."}
        asked = world.api.post(f"{path}/messages", json=sent, params={"detail": detail}, headers=headers)
        yield f"POST {CONVERSATION}/messages {detail} waiting", asked.text
        yield f"GET /api/approvals {detail}", (waiting := world.api.get("/api/approvals")).text
        (call_id,) = (one["callId"] for one in waiting.json()["items"] if one["state"] == "waiting")
        given = {"callId": call_id, "decision": "answer", "content": "Yes."}
        run = _run_of(world, conversation)
        for attempt in ("first", "repeated"):
            reply = world.api.post(
                f"/api/runs/{run}/answers", json=given, params={"detail": detail}, headers=headers
            )
            assert reply.status_code < 300, reply.text
            yield f"POST /api/runs/{{run_id}}/answers {detail} {attempt}", reply.text
            rest = world.api.get(f"/api/runs/{run}/stream", params={"detail": detail}, headers=STREAM)
            assert "well" in rest.text, rest.text
            yield f"GET /api/runs/{{run_id}}/stream {detail} answered", rest.text


def ag_ui_answers(world: World, model_server: ModelServer) -> Iterator[tuple[str, str]]:
    for number, detail in enumerate(DETAILS):
        model_server.play(*story())
        names = {"threadId": f"agui-{number}", "runId": f"r{number}"}
        sent = names | {"messages": [{"id": "u", "role": "user", "content": "How are you?"}]}
        for path in ("/agui/quiet", "/agui"):
            found = world.api.post(
                path, json=sent | {"forwardedProps": {"agentId": "quiet"}}, params={"detail": detail}
            )
            assert "RUN_FINISHED" in found.text, found.text
            yield f"POST {path.replace('quiet', '{agent_id}')} {detail}", found.text
        for query in ({"runId": names["runId"]}, {"threadId": names["threadId"]}):
            for path in ("/agui/quiet", "/agui"):
                joined = world.api.get(path, params=query | {"detail": detail})
                assert "RUN_FINISHED" in joined.text, joined.text
                yield f"GET {path.replace('quiet', '{agent_id}')} {query} {detail}", joined.text


def openai_answers(world: World, model_server: ModelServer) -> Iterator[tuple[str, str]]:
    for detail, stream in product(DETAILS, (False, True)):
        query = {"detail": detail}
        asked = {"model": "agent:quiet", "stream": stream}
        model_server.play(*story())
        question = [{"role": "user", "content": "How are you?"}]
        chat = world.api.post("/v1/chat/completions", json=asked | {"messages": question}, params=query)
        yield f"POST /v1/chat/completions {query} {stream}", chat.text
        model_server.play(*story())
        made = world.api.post("/v1/responses", json=asked | {"input": "How are you?"}, params=query)
        assert "well" in chat.text, chat.text
        assert "well" in made.text, made.text
        yield f"POST /v1/responses {query} {stream}", made.text
        id = re.findall(r'"id": ?"(resp_[0-9A-Z]{26})"', made.text)[0]
        path = f"/v1/responses/{id}"
        name = "/v1/responses/{response_id}"
        yield f"GET {name} {query}", world.api.get(path, params=query | {"stream": str(stream).lower()}).text
        yield f"GET {name}/input_items {query}", world.api.get(f"{path}/input_items").text
        yield f"POST {name}/cancel {query}", world.api.post(f"{path}/cancel", params=query).text
        yield f"DELETE {name} {query}", world.api.delete(path).text


def _run_of(world: World, conversation: str) -> str:
    """The run of a conversation's latest message."""
    path = CONVERSATION.format(conversation_id=conversation)
    run_id: str = world.api.get(f"{path}/messages").json()["items"][-1]["runId"]
    return run_id


def flow_answers(world: World, model_server: ModelServer) -> Iterator[tuple[str, str]]:
    for detail in DETAILS:
        model_server.play(*story())
        run = {"input": {"a": 12345, "b": 67891}}
        headers = STREAM if detail != "steps" else {"accept": "application/json"}
        found = world.api.post(
            "/api/flows/report/events", json=run, params={"detail": detail}, headers=headers
        )
        assert "flow_report" in found.text, found.text
        yield f"POST {FLOW}/events {detail}", found.text
        execution = re.search(r"flow_report_\w+", found.text)
        assert execution
        world.ids |= {"name": "report", "execution_id": execution.group()}
        if detail == "answer":
            cancel = f"{FLOW}/executions/{{execution_id}}/cancel"
            yield f"POST {cancel} {detail}", world.api.post(cancel.format(**world.ids)).text


def documented(world: World) -> dict[str, list[str]]:
    """Every operation of the API, with the names of its query parameters."""
    document = world.management.get("/api/openapi.json").json()
    return {
        f"{method.upper()} {path}": [
            one["name"] for one in operation.get("parameters", []) if one["in"] == "query"
        ]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def read(client: httpx.Client, path: str, query: dict[str, str], cursor: str) -> tuple[int, str]:
    """A whole answer; a stream that stays open is left when it falls silent."""
    headers = {"last-event-id": cursor} if cursor else {}
    with client.stream("GET", path, params=query, headers=headers) as response:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            return response.status_code, response.read().decode(errors="replace")
        lines, silences = [], 0
        for line in response.iter_lines():
            lines.append(line)
            silences += '"type":"heartbeat"' in line
            if silences == 2 or '"type":"done"' in line:
                break
        return response.status_code, "\n".join(lines)


def asked(path: str, names: list[str]) -> Iterator[tuple[dict[str, str], bool]]:
    """The queries worth asking of an operation, and whether each streams."""
    details = DETAILS if "detail" in names else ("",)
    streams = ("", "true") if "stream" in names else ("",)
    for detail, stream in product(details, streams):
        query = {"detail": detail, "stream": stream} | WANTED.get(path, {})
        yield {name: value for name, value in query.items() if value}, bool(stream) or "stream" in path


def scan(world: World) -> Iterator[tuple[str, str]]:
    """Every GET that may tell of a run, filled with the ids of what was made."""
    known = documented(world)
    for operation in sorted(listed.READ):
        path, names = operation.removeprefix("GET "), known[operation]
        missing = set(re.findall(r"{(\w+)}", path)) - set(world.ids)
        assert not missing, f"give {path} an id for {missing}, so that it is scanned"
        client = world.api if _is_streamed(world, path) else world.management
        for query, streams in asked(path, names):
            cursor = f"{world.ids['run_id']}.0" if streams and "conversation_id" in path else ""
            status, text = read(client, path.format(**world.ids), query, cursor)
            assert status < 300 or path.startswith("/api/voice"), (path, query, text)
            yield f"GET {path} {query}", text


def _is_streamed(world: World, path: str) -> bool:
    return any(one.path == path for one in streamed_endpoints(world.platform.settings, world.platform))


def served_operations(settings: Settings) -> set[str]:
    """The routes of every app of the product."""
    names = [one.name for one in pkgutil.iter_modules(api.__path__) if one.name.endswith("_app")]
    modules = [importlib.import_module(f"{api.__name__}.{name}") for name in names]
    apps = [module.create_app(settings) for module in modules if hasattr(module, "create_app")]
    assert len(apps) >= 7
    routes = [route for app in apps for route in app.routes if isinstance(route, Route | EndpointRoute)]
    return {
        f"{method} {route.path}" for route in routes for method in route.methods or () if method != "HEAD"
    }


def test_every_operation_is_scanned_or_known_to_tell_nothing_of_runs(
    world: World, settings: Settings
) -> None:
    entered = [name for names in listed.LISTS for name in names]
    operations = set(documented(world)) | served_operations(settings)
    assert operations - set(entered) == set(), "enter it in tests/api/outlets.py, so that it is scanned"
    assert set(entered) - operations == set(), "remove it from tests/api/outlets.py"
    assert len(entered) == len(set(entered))


async def test_outlets_hide_what_an_answer_agent_hides(
    world: World, organization: str, model_server: ModelServer
) -> None:
    make_agents(world)
    make_flow(world)
    outlets = await asyncio.to_thread(lambda: list(answers(world, model_server)))
    rule = {"name": "Errors", "metric": "error_rate", "threshold": 0.3, "window": 60_000}
    alert = await asyncio.to_thread(world.api.post, "/api/command-center/alerts", json=rule)
    world.ids["rule_id"] = alert.json()["id"]
    recorder = Recorder.connect(world.platform.settings)
    own = [one for one in world.aws.published if one.get("type") in EVENT_TYPES]
    await record(recorder, organization, own)
    outlets += await asyncio.to_thread(lambda: list(scan(world)))
    outlets += [(f"bus {one.get('type')}", json.dumps(one)) for one in world.aws.published]
    run = await recorder.stores.runs.get(organization, world.ids["run_id"])
    async with aclosing(await sentences_of_run(recorder.stores, run, None)) as sentences:
        heard = [sentence async for sentence in sentences]
    outlets.append(("speech", " ".join(heard)))
    caller = Principal(organization, "user-1")
    search = search_in(recorder.stores, Slot(organization, "other"), caller, lambda query, hits: None)
    hits = await search("well canary 838114395", 50)
    assert hits
    outlets += [("search", hit.text) for hit in hits]
    recorder.stores.aws.close()

    scanned = {name for name, _ in outlets}
    assert {"bus run:tool_started", "bus run:completed"} <= scanned
    asked_of = {" ".join(name.split()[:2]) for name in scanned}
    assert listed.READ | listed.ANSWERS <= asked_of
    assert heard == ["All is well."]
    leaks = [
        (name, text[max(0, match.start() - 60) : match.end() + 40])
        for name, text in outlets
        for match in HIDDEN.finditer(text)
    ]
    assert leaks == []
    pages = [text for name, text in outlets if name.startswith(f"GET {CONVERSATION}/messages")]
    assert len(pages) == 6
    assert all("All" in text for text in pages)


async def test_same_story_is_told_in_full_by_an_open_agent(world: World, model_server: ModelServer) -> None:
    """So that the scan cannot pass because there was nothing to hide."""
    make_agents(world)
    world.management.patch("/api/agents/quiet", json={"visibility": "full"})
    model_server.play(*story())
    seen = await asyncio.to_thread(say, world.api, "How are you?", agentId="quiet")
    history = world.api.get("/api/conversations/c1/messages", params={"detail": "full"}).text
    for hidden in ("canary in a thought", "canary in an argument", "canary in a result", "canary_tool"):
        assert hidden in history, hidden
    assert any(HIDDEN.search(str(event.data)) for event in seen)
    model_server.play(*story())
    called = call_of("ask_quiet", "open", "token", message="How are you?")
    answered = await asyncio.to_thread(lambda: world.api.post("/mcp", json=called, headers=begin(world.api)))
    assert HIDDEN.search(answered.text)
