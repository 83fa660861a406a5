"""The conversation app against a bare `StreamingResponse`, and its time to the first token.

Both apps are driven as ASGI in one process, in turns; CPU is the process's own, threads that call AWS (a
MiniStack child) included. The model is `echo:`, which takes no time of its own, so that all that is measured
is ours.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from msgspec.structs import replace
from starlette.responses import StreamingResponse

from local.artifact import size
from local.deploy import deploy
from local.ministack import MiniStack
from local.template import read_template
from millrace.api.conversation_app import create_app
from millrace.api.sse import HEADERS
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from tests.serving import served
from tests.tokens import AUDIENCE, ISSUER, Issuer

ROOT = Path(__file__).parent.parent.parent
TOKENS = 20_000
TURNS = 9
ASGI = Callable[[Any, Any, Any], Awaitable[None]]
Ours = Callable[[int], ASGI]
"""The app with a request for so many tokens."""


def measure() -> dict[str, float]:
    """Tokens per second and CPU per token of both, the ratio, the added time to the first token (ms, median)
    and the layers' size where `make build` has made them."""
    return measured_with(figures) | _artifact()


def measured_with(work: Callable[[Ours], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """The figures that `work` takes of the app, which runs over an emulator of AWS."""
    with tempfile.TemporaryDirectory() as folder, MiniStack(log=Path(folder) / "log") as aws:
        deployment = deploy(read_template(ROOT / "template.yaml"), aws.client_arguments())
        environment = deployment.functions["ConversationFunction"].environment
        _no_queue_functions(aws)
        issuer = Issuer()
        with served(issuer.app) as url:
            settings = replace(
                Settings.from_environment(environment),
                oidc_issuer=ISSUER,
                oidc_audience=AUDIENCE,
                oidc_jwks_url=f"{url}/keys",
            )
            return asyncio.run(_measure_app(settings, LocalAws(aws), issuer, work))


def _no_queue_functions(aws: MiniStack) -> None:
    """On AWS, the functions that runs trigger over the bus have machines of their own; here they would
    share our cores."""
    functions = boto3.client("lambda", **aws.client_arguments())
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])


class LocalAws(Aws):
    """The clients that functions have, for the emulator: the environment names it only as they are made."""

    def __init__(self, aws: MiniStack) -> None:
        arguments = aws.client_arguments()
        super().__init__(arguments["region_name"])
        self._environment = {
            "AWS_ENDPOINT_URL": arguments["endpoint_url"],
            "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
        }

    def _make(self, service: str) -> Any:
        with patch.dict(os.environ, self._environment):
            return super()._make(service)

    def _with_botocore(self, service: str) -> Any:
        with patch.dict(os.environ, self._environment):
            return super()._with_botocore(service)


async def _measure_app(
    settings: Settings, aws: Aws, issuer: Issuer, work: Callable[[Ours], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    platform = Platform.make(settings, Stores.connect(settings, aws))
    app = create_app(settings, platform)
    token = issuer.token("bench").encode()

    def ours(count: int) -> ASGI:
        body = {"agentId": "echo", "content": f"/echo tools=0 think=0 tokens={count}\nword"}
        return lambda _scope, _receive, send: app(_scope_of(token), _once(json.dumps(body).encode()), send)

    await _drive(ours(10))  # keys, connections
    try:
        return await work(ours)
    finally:
        await platform.close()


async def figures(ours: Ours) -> dict[str, float]:
    """Rates, CPU and the time to the first token."""
    first = statistics.median([await _first_token(ours(3)) for _ in range(30)])
    rates = [(await rate(bare), await rate(ours(TOKENS))) for _ in range(TURNS)]
    bare_rate, app_rate = ([pair[n] for pair in rates] for n in (0, 1))
    return {
        "tokens_per_s": max(wall for wall, _ in app_rate),
        "bare_tokens_per_s": max(wall for wall, _ in bare_rate),
        "ratio_to_bare": statistics.median(a[0] / b[0] for b, a in rates),
        "cpu_us_per_token": min(cpu for _, cpu in app_rate),
        "bare_cpu_us_per_token": min(cpu for _, cpu in bare_rate),
        "first_token_ms": first * 1000,
    }


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The same events from a generator, with nothing around them."""

    async def frames() -> AsyncIterator[bytes]:
        for number in range(TOKENS):
            await asyncio.sleep(0)
            data = json.dumps({"type": "token", "token": " word"})
            yield f"id: {number}\ndata: {data}\n\n".encode()

    await StreamingResponse(frames(), headers=HEADERS)(scope, receive, send)


def _scope_of(token: bytes) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": f"/api/conversations/{uuid.uuid4().hex}/messages",
        "raw_path": b"",
        "query_string": b"",
        "headers": [
            (b"authorization", b"Bearer " + token),
            (b"accept", b"text/event-stream"),
            (b"content-type", b"application/json"),
        ],
        "state": {},
    }


def _once(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        message = next(messages, None)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    return receive


async def _drive(app: ASGI) -> list[float]:
    """The moments at which bodies were sent."""
    moments: list[float] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message
        elif b"token" in message["body"]:
            moments.append(time.perf_counter())

    await app(_scope_of(b""), _once(b""), send)
    return moments


async def rate(app: ASGI) -> tuple[float, float]:
    """Tokens per second from the request to the last token, and microseconds of CPU per token in all."""
    wall, cpu = time.perf_counter(), time.process_time()
    moments = await _drive(app)
    return TOKENS / (moments[-1] - wall), (time.process_time() - cpu) / TOKENS * 1e6


async def _first_token(app: ASGI) -> float:
    began = time.perf_counter()
    return (await _drive(app))[0] - began


def _artifact() -> dict[str, float]:
    build = ROOT / ".aws-sam" / "build"
    parts = ("SharedLayer", "RuntimeLayer", "ConversationFunction")
    if not all((build / part).exists() for part in parts):
        return {}
    return {"artifact_mb": sum(size(build / part) for part in parts) / 1e6}


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:24} {value:12.2f}")
