"""No request is answered with a 5xx, however odd its ids, cursors, numbers and bodies are, for every
operation."""

import asyncio
import base64
import json
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any
from urllib.parse import quote, unquote

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.types import ASGIApp

from millrace.api.command_center_app import create_app as command_center_app
from millrace.api.conversation_app import create_app as conversation_app
from millrace.api.flows_app import create_app as flows_app
from millrace.api.management_app import create_app as management_app
from millrace.api.voice_app import create_app as voice_app
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.aws import Aws
from tests.aws_calls import before_calls
from tests.contract import DOCUMENT
from tests.tokens import Issuer

Json = dict[str, Any]


def cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


KEYS = ("id", "name", "version", "at", "pk")
LONG = "x" * 3000
HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "%",
    "\x00",
    "a\x00b",
    "\n",
    "a\r\nb",
    "'",
    '"',
    "\\",
    "#",
    "a#b",
    "?",
    "&",
    "é",
    "日本語",
    "\u202e",
    "\ufeff",
    "🙂" * 300,
    LONG,
    "x" * 1100,
    "x" * 129,
    "-1",
    "0",
    "1.5",
    "1e9",
    "9" * 40,
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    "${secrets.A}",
    "{{a}}",
    "run_1.2",
    "run_1.-2",
    "run_1.99999999999999",
    ".",
    "a.b.c",
    "²",
    "١",
]
VALUES: list[Any] = ["", "\x00", LONG, "-1", "1", "x", 5, None, [], {"S": "x"}, "\ud800", "9" * 30]
TAMPERED = [
    *HOSTILE,
    "e30",
    "W10",
    "bnVsbA",
    "====",
    "a" * 5,
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    *(cursor({key: value}) for key in KEYS for value in VALUES),
    *(cursor({"id": a, "at": b}) for a in ("", "x", LONG, "a#b", "\x00") for b in ("", "2026", LONG, "\x00")),
]
FIELDS = ["id", "name", "agentId", "content", "text", "tools", "limits", "source", "items", "value"]


@dataclass
class Operation:
    method: str
    path: str
    parameters: list[Json]
    body: Json | None

    def query(self) -> list[str]:
        """The names of its query parameters."""
        return [one["name"] for one in self.parameters if one["in"] == "query"]


@dataclass
class World:
    """Every app of the platform, called as a function would be."""

    apps: dict[str, ASGIApp]
    headers: dict[str, str]

    def app(self, path: str) -> ASGIApp:
        return next((app for prefix, app in self.apps.items() if path.startswith(prefix)), self.apps["/api"])

    async def status(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[int, bytes]:
        """The status and the first bytes; a stream is left after them."""
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        parts: list[bytes] = []
        sent = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> MutableMapping[str, Any]:
            message = next(sent, None)
            if message is None:
                await asyncio.Event().wait()
            assert message
            return message

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                started.set_result(message["status"])
            else:
                parts.append(message.get("body", b""))

        given = {"host": "test", "content-type": "application/json"} | self.headers | (headers or {})
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in given.items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("test", 443),
            "state": {},
        }
        call = self.app(path)(scope, receive, send)
        task: asyncio.Future[Any] = asyncio.ensure_future(call)
        over: set[asyncio.Future[Any]] = {task, started}
        await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=0.05 if started.result() < 400 else 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return started.result(), b"".join(parts)


OPERATIONS = [
    Operation(method.upper(), path, one.get("parameters", []), one.get("requestBody"))
    for path, methods in DOCUMENT["paths"].items()
    for method, one in methods.items()
]
AGENT = {"id": "real", "name": "Real", "model": "echo:"}
FLOW = {"name": "real", "steps": [{"name": "ask", "type": "agent", "agentId": "echo", "message": "'hi'"}]}
PIPELINE = {
    "name": "real",
    "source": {"type": "webhook"},
    "destinations": [{"type": "webhook", "config": {"url": "https://example.com/"}}],
}
RULE = {"name": "real", "metric": "error_rate", "threshold": 0.5}


def refuse_what_dynamodb_refuses(client: Any) -> None:
    """Keys that are empty or too long, text that is no UTF-8, numbers of more than 38 digits."""

    def get(_operation: str, params: Json) -> None:
        keys = [params.get(name, {}) for name in ("Key", "ExclusiveStartKey", "Item")]
        keys += [params.get("ExpressionAttributeValues", {})] if "KeyConditionExpression" in params else []
        for name, value in (pair for key in keys for pair in key.items()):
            longest = {"pk": 2048, "sk": 1024, ":pk": 2048, ":after": 1024}.get(name)
            if longest and not 0 < len(value["S"].encode()) <= longest:
                raise ValueError(f"DynamoDB refuses the key {name}: {value['S'][:80]!r}")
        for number in re.findall(r"'N': '-?([0-9]+)", str(params)):
            assert len(number) <= 38, number
        json.dumps(params, ensure_ascii=False, default=str).encode()

    before_calls(client, get)


@pytest.fixture
def world(
    aws_environment: Aws, platform: Platform, settings: Settings, issuer: Issuer, organization: str
) -> World:
    everything = Settings.from_environment(
        aws_environment.environment("ApiFunction")
        | aws_environment.environment("FlowsFunction")
        | aws_environment.environment("ConversationFunction")
    )
    mine = replace(
        everything,
        oidc_issuer=settings.oidc_issuer,
        oidc_audience=settings.oidc_audience,
        oidc_jwks_url=settings.oidc_jwks_url,
    )
    management = management_app(mine, platform)
    refuse_what_dynamodb_refuses(platform.stores.aws.client("dynamodb"))
    streamed: dict[str, ASGIApp] = {
        "/api/conversations": conversation_app(mine, platform),
        "/api/flows": flows_app(mine, platform),
        "/api/command-center": command_center_app(mine),
        "/api/voice": voice_app(mine, stores=platform.stores),
    }
    apps: dict[str, ASGIApp] = streamed | {
        "/api/runs": streamed["/api/conversations"],
        "/api/chat": streamed["/api/conversations"],
        "/agui": streamed["/api/conversations"],
        "/v1/audio": streamed["/api/voice"],
        "/v1": streamed["/api/conversations"],
        "/api/stream-tickets": streamed["/api/voice"],
        "/api": management,
    }
    return World(apps, issuer.headers(organization))


async def real_things(world: World) -> dict[str, str]:
    """One of each resource; their ids by the name of the path's parameter."""
    made = {}
    for name, path, body_given in (
        ("agent_id", "/api/agents", AGENT),
        ("name", "/api/flows", FLOW),
        ("pipeline_id", "/api/streaming/pipelines", PIPELINE),
        ("rule_id", "/api/command-center/alerts", RULE),
        ("conversation_id", "/api/conversations", {"id": "real", "agentId": "echo"}),
    ):
        status, body = await world.status("POST", path, body=orjson.dumps(body_given))
        assert status == 201, (path, body)
        found = orjson.loads(body)
        made[name] = found.get("id") or found["name"]
    return made


async def check(world: World, operation: Operation, values: dict[str, str], **more: Any) -> None:
    """One call; what it is answered with is not our failure, and has the shape of an error if it is one."""
    status, body = await world.status(operation.method, filled(operation.path, values), **more)
    assert status < 500 or status == 501, (operation.method, operation.path, values, more, status, body)
    if status >= 400:
        assert {"code", "message", "requestId"} <= set(orjson.loads(body)["error"]), (operation, body)


def filled(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: quote(values.get(found[1], "1"), safe=""), path)


def names_in(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)


TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=60) | st.text(min_size=100, max_size=400)
CURSORS = st.sampled_from(TAMPERED) | st.builds(
    lambda key: cursor(key), st.dictionaries(st.sampled_from(KEYS), TEXTS, max_size=2)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | TEXTS | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
few = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def several(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """A few values, to be gone through again and again."""
    return st.lists(values, min_size=7, max_size=7)


def test_id_of_any_text_is_no_server_error(world: World) -> None:
    real = asyncio.run(real_things(world))
    operations = [(one, name) for one in OPERATIONS for name in names_in(one.path)]

    @few
    @given(several(TEXTS))
    def every_operation(texts: list[str]) -> None:
        async def run() -> None:
            for (one, name), text in zip(operations, cycle(texts), strict=False):
                await check(world, one, real | {name: text}, body=b"{}")

        asyncio.run(run())

    every_operation()


def test_known_bad_id_is_no_server_error_anywhere(world: World) -> None:
    async def run() -> None:
        real = await real_things(world)
        for one in OPERATIONS:
            for name in names_in(one.path):
                for text in ("x" * 3000, "\x00", "é" * 600):
                    await check(world, one, real | {name: text}, body=b"{}")

    asyncio.run(run())


def test_every_tampered_cursor_is_refused_or_harmless(world: World) -> None:
    async def run() -> None:
        real = await real_things(world)
        for one in OPERATIONS:
            for text in TAMPERED if "cursor" in one.query() else ():
                await check(world, one, real, query=f"cursor={quote(text)}")

    asyncio.run(run())


def test_query_of_any_text_is_no_server_error(world: World) -> None:
    real = asyncio.run(real_things(world))
    parameters = [(one, name) for one in OPERATIONS if one.method == "GET" for name in one.query()]

    @few
    @given(several(TEXTS), several(CURSORS))
    def every_operation(texts: list[str], cursors: list[str]) -> None:
        async def run() -> None:
            for (one, name), text, key in zip(parameters, cycle(texts), cycle(cursors), strict=False):
                value = quote(key if name == "cursor" else text)
                await check(world, one, real, query=f"{name}={value}")

        asyncio.run(run())

    every_operation()


def test_body_of_any_json_is_no_server_error(world: World) -> None:
    real = asyncio.run(real_things(world))
    operations = [one for one in OPERATIONS if one.body]

    @few
    @given(several(JSON), st.sampled_from(FIELDS))
    def every_operation(bodies: list[Any], field: str) -> None:
        async def run() -> None:
            for one, body in zip(operations, cycle(bodies), strict=False):
                await check(world, one, real, body=json.dumps(body).encode())
                given = {"name": "n", "agentId": "echo", "content": "x", "text": "x", field: body}
                await check(world, one, real, body=json.dumps(given).encode())

        asyncio.run(run())

    every_operation()


def test_header_of_any_text_is_no_server_error(world: World) -> None:
    names = ("last-event-id", "accept", "idempotency-key", "content-type", "authorization")
    texts = ("", "\x00", "é", "x" * 3000, "9" * 40, ";q=,,=", "Bearer a.b.c")
    paths = ("/api/conversations/{id}/messages", "/api/agents", "/api/command-center/snapshot")

    async def run() -> None:
        for path, name, text in product(paths, names, texts):
            for method in ("GET", "POST"):
                await check(world, Operation(method, path, [], None), {}, headers={name: text}, body=b"{}")

    asyncio.run(run())
