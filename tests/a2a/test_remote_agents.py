"""Remote A2A agents as tools: our own A2A function on loopback, and servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from msgspec.structs import replace

from millrace.agent.tools.a2a import A2aTools, CardCatalog
from millrace.agent.tools.mcp_server import McpServer as Remote
from millrace.agent.tools.tool import Tool, ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.access import Principal
from millrace.domain.agents import A2aAgent, AgentSettings
from millrace.net.client import guarded_client
from millrace.services.agents import Agents
from millrace.services.mcp_secrets import Owner
from millrace.services.runs.agent_tools import no_sub_agent, open_tools
from millrace.services.runs.platform import Platform
from tests.agent.tools.contexts import call, context
from tests.net.servers import Server, response, serving
from tests.tokens import Issuer

TASK = "t-1"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CARD: dict[str, Any] = {
    "name": "Far",
    "description": "Knows far things.",
    "capabilities": {"streaming": True},
    "skills": [{"id": "a", "name": "Atlas", "description": "Finds places."}],
}


@asynccontextmanager
async def tools_of(
    *remotes: Remote, catalog: CardCatalog | None = None
) -> AsyncIterator[tuple[list[Tool], A2aTools]]:
    async with guarded_client(allow_loopback_http=True) as http:
        a2a = A2aTools(remotes, catalog or CardCatalog(), lambda: http)
        yield await a2a.tools(), a2a


async def asked(tools: list[Tool], seconds: float = 20.0, **arguments: str) -> ToolResult:
    [result] = await Toolbox(tools).run_all([call(tools[0].name, arguments)], context(), seconds)
    return result


def interface(port: int, binding: str = "HTTP+JSON", host: str = "127.0.0.1") -> dict[str, Any]:
    url = f"http://{host}:{port}/agent"
    return {"url": url, "protocolBinding": binding, "protocolVersion": "1.0"}


def as_json(value: Any) -> bytes:
    return response(orjson.dumps(value), headers="Content-Type: application/json\r\n")


def events(*updates: Any, promised: int = 0) -> bytes:
    """A stream of these updates; with more bytes `promised` than are sent, it is cut."""
    body = b"".join(b"data: " + orjson.dumps(update) + b"\n\n" for update in updates)
    return STREAM + b"Content-Length: %d\r\n\r\n%b" % (len(body) + promised, body)


def always(answer: bytes) -> Callable[[bytes], bytes]:
    """The same answer to every request."""
    return lambda _: answer


def task(state: str, *texts: str, said: str = "") -> dict[str, Any]:
    status: dict[str, Any] = {"state": f"TASK_STATE_{state}"}
    if said:
        status["message"] = {"parts": [{"text": said}]}
    artifacts = [{"artifactId": str(n), "parts": [{"text": text}]} for n, text in enumerate(texts)]
    return {"id": TASK, "contextId": "c", "status": status, "artifacts": artifacts}


@asynccontextmanager
async def far(
    answer: Callable[[bytes], bytes], headers: dict[str, str] | None = None
) -> AsyncIterator[tuple[Remote, Server]]:
    """An agent with a good card; `answer` is for all requests but those for its card."""

    def answered(head: bytes) -> bytes:
        if b"agent-card.json" in head:
            return as_json(CARD | {"supportedInterfaces": [interface(server.port)]})
        return answer(head)

    async with serving(answered) as server:
        yield Remote("far", f"http://127.0.0.1:{server.port}/agent", headers or {}), server


def paths(server: Server) -> list[str]:
    return [head.split(b" ", 2)[1].decode() for head in server.heads if head.split(b" ", 2)[0] in VERBS]


VERBS = (b"GET", b"POST")


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_own_function_answers_in_each_binding(
    address: str, issuer: Issuer, binding: str, organization: str
) -> None:
    catalog = CardCatalog()
    remote = Remote("ours", f"{address}/a2a/echo", issuer.headers(organization))
    async with tools_of(remote, catalog=catalog) as ([tool], _):
        card = catalog.known(remote)
        assert card
        assert card.streaming
        assert card.etag
    catalog.put(remote, replace(card, binding=binding))
    async with tools_of(remote, catalog=catalog) as (tools, _):
        result = await asked(tools, message="one two three")
        refused = await asked(tools, message="more", taskId="no-such-task")
    assert (tool.name, result.ok, result.text) == ("ours__send_message", True, "one two three")
    assert not refused.ok
    assert "The agent refused" in refused.text


async def test_run_gets_the_tool_with_the_secret_of_its_agent(
    address: str, platform: Platform, organization: str, issuer: Issuer
) -> None:
    """An agent of one organization calls one of another, with a token of that as a header."""
    secret = issuer.headers("org-other")
    given = {"name": "other", "url": f"{address}/a2a/echo", "headers": secret}
    body = {"name": "Caller", "model": "echo:", "a2aAgents": [given]}
    local = Platform.make(replace(platform.settings, allow_loopback_http=True))
    agents, caller = Agents(local), Principal(organization, "user")
    made = await agents.create(caller, AgentSettings.model_validate(body), "caller")
    assert set(made.redacted().a2a_agents[0].headers.values()) == {"[hidden]"}
    await agents.change(caller, "caller", {"description": "The secret is kept."})
    agent = await agents.get(caller, "caller")
    assert secret["authorization"] not in agent.model_dump_json()
    async with open_tools(local, organization, agent, no_sub_agent) as found:
        assert found.problems == []
        assert [source for source, _ in found.sources] == ["a2a"]
        result = await asked(found.tools(), message="far away")
    assert (result.ok, result.text) == (True, "far away")
    await local.http.close()


def test_names_and_headers_that_cannot_work_are_refused(management: httpx.Client) -> None:
    url = "https://agents.example.com/a2a"
    wrong = {"name": "x", "url": url, "headers": {"A2A-Version": "0.3"}}
    body = {"name": "Caller", "model": "echo:", "a2aAgents": [wrong]}
    refused = management.post("/api/agents", json=body)
    assert (refused.status_code, "a2aAgents.0.headers.A2A-Version" in refused.text) == (422, True)
    twice = body | {"a2aAgents": [{"name": "x", "url": url}], "mcpServers": [{"name": "x", "url": url}]}
    assert "a2aAgents.0.name" in management.post("/api/agents", json=twice).text
    private = body | {"a2aAgents": [{"name": "x", "url": "https://10.0.0.1/"}]}
    assert management.post("/api/agents", json=private).status_code == 422
    rule = body | {"a2aAgents": [{"name": "x", "url": url}], "tools": [{"name": "x__*", "policy": "ask"}]}
    assert management.post("/api/agents", json=rule).status_code == 201


@pytest.mark.parametrize("is_broken", [False, True])
async def test_cut_stream_is_followed_by_asking_for_the_task(is_broken: bool) -> None:
    half = events({"task": task("WORKING", "half")})
    body = half.partition(b"\r\n\r\n")[2]
    broken = STREAM + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\nnot a chunk\r\n" % (len(body), body)

    def answer(head: bytes) -> bytes:
        if b"message:stream" in head:
            return broken if is_broken else half
        return as_json(task("COMPLETED", "the whole"))

    async with far(answer) as (remote, server), tools_of(remote) as (tools, _):
        result = await asked(tools, message="go")
    assert (result.ok, result.text) == (True, "the whole")
    assert sum("message:stream" in path for path in paths(server)) == 1
    assert "Knows far things." in tools[0].description
    assert "Atlas" in tools[0].description
    assert tools[0].repeat == "never"
    assert any(b"x-millrace-hops: 1" in one.lower() for one in server.heads if b"message:stream" in one)


async def test_artifacts_are_joined_and_secrets_kept_out() -> None:
    def artifact(text: str, append: bool) -> dict[str, Any]:
        one = {"artifactId": "a", "parts": [{"text": text}]}
        return {"artifactUpdate": {"taskId": TASK, "contextId": "c", "artifact": one, "append": append}}

    done = {"statusUpdate": {"taskId": TASK, "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"}}}
    data = {"artifactId": "d", "parts": [{"data": {"n": 1}}]}
    sent = events(
        {"task": task("WORKING")},
        artifact("old", False),
        artifact("key s3cret-", False),
        artifact("value", True),
        {"artifactUpdate": {"taskId": TASK, "contextId": "c", "artifact": data}},
        done,
    )
    headers = {"X-Key": "s3cret-value"}
    async with far(lambda _: sent, headers) as (remote, server), tools_of(remote) as (tools, _):
        result = await asked(tools, message="go")
    assert result.text == 'key [secret X-Key]\n\n{"n":1}\n'
    assert all(b"s3cret-value" in head for head in server.heads if head.startswith(VERBS))


async def test_question_is_told_with_its_task_and_failures_are_errors() -> None:
    asks = events({"task": task("INPUT_REQUIRED", said="Which one?")})
    async with far(lambda _: asks) as (remote, _), tools_of(remote) as (tools, _):
        question = await asked(tools, message="go")
        nothing = await asked(tools)
    assert question.ok
    assert "Which one?" in question.text
    assert TASK in question.text
    assert "message must be" in nothing.text
    for state in ("FAILED", "REJECTED", "CANCELED"):
        said = events({"task": task(state, said="because")})
        async with far(always(said)) as (remote, _), tools_of(remote) as (tools, _):
            failure = await asked(tools, message="go")
        assert not failure.ok
        assert state.lower() in failure.text
        assert "because" in failure.text


async def test_call_that_is_given_up_cancels_its_task() -> None:
    seen = asyncio.Event()

    def answer(head: bytes) -> bytes:
        if b"message:stream" in head:
            seen.set()
            return events({"task": task("WORKING")}, promised=10)
        return as_json(task("CANCELED"))

    async with far(answer) as (remote, server), tools_of(remote) as (tools, _):
        result = await asked(tools, seconds=1.0, message="go")
    assert seen.is_set()
    assert not result.ok
    assert any(path.endswith(f"/tasks/{TASK}:cancel") for path in paths(server))


async def test_hostile_answers_are_errors_in_words() -> None:
    flood = events({"task": task("WORKING")}, {"task": task("COMPLETED", "x" * 9_000_000)})
    moved = response(b"", "302 Found", "Location: http://169.254.169.254/latest\r\n")
    for answer, said in (
        (flood, "more than 8 MB"),
        (moved, "redirects are not followed"),
        (events({"task": []}), "not A2A 1.0"),
        (as_json([1]), "not A2A 1.0"),
        (response(b"<html>", headers="Content-Type: text/html\r\n"), "not JSON"),
        (response(b"oops", "500 Error"), "status 500"),
    ):
        async with far(always(answer)) as (remote, _), tools_of(remote) as (tools, _):
            result = await asked(tools, message="go")
        assert not result.ok
        assert said in result.text


async def test_card_that_cannot_be_used_costs_only_its_tool() -> None:
    elsewhere = CARD | {"supportedInterfaces": [interface(1, host="169.254.169.254")]}
    for answer, said in (
        (as_json(elsewhere), "has no A2A 1.0 interface"),
        (as_json({"supportedInterfaces": 7}), "not a valid A2A 1.0 card"),
        (response(b"", "302 Found", "Location: http://10.0.0.1/\r\n"), "address of its card redirects"),
        (response(b"x" * 300_000), "exceeds 256 KB"),
        (response(b"", "401 Unauthorized"), "answered 401"),
    ):
        async with serving(always(answer)) as server:
            remote = Remote("bad", f"http://127.0.0.1:{server.port}/")
            async with tools_of(remote) as (tools, a2a):
                assert tools == []
        assert said in a2a.problems[0]
        assert a2a.problems[0].startswith("The A2A agent bad is not available")


async def test_card_is_read_again_by_its_etag_after_five_minutes() -> None:
    now = 0.0
    catalog = CardCatalog(clock=lambda: now)

    def answer(head: bytes) -> bytes:
        if b"if-none-match" in head.lower():
            return response(b"", "304 Not Modified")
        body = orjson.dumps(CARD | {"supportedInterfaces": [interface(server.port)]})
        return response(body, headers='ETag: "e1"\r\n')

    async with serving(answer) as server:
        remote = Remote("far", f"http://127.0.0.1:{server.port}/agent")
        for at in (0.0, 1.0, 301.0):
            now = at
            async with tools_of(remote, catalog=catalog) as (tools, _):
                assert len(tools) == 1
    assert len(server.heads) == 2
    assert b'"e1"' in server.heads[1]


async def test_secret_that_cannot_be_read_names_the_agent(platform: Platform) -> None:
    wrong = A2aAgent(name="far", url="https://agents.example.com", headers={"X-Key": "sealed:AAAA"})
    opened, problems = await platform.mcp_secrets.unseal(Owner("org", "agent"), [wrong])
    assert opened == []
    assert problems[0].startswith("The A2A agent far is not available")
