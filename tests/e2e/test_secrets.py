"""A secret's value must appear nowhere: responses, logs, tables, queues and the journal are searched for
it."""

import base64
import gzip
import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.e2e.streaming import (
    PIPELINES,
    act,
    dead_letters,
    push,
    started,
    store_secret,
    wait_until,
    wait_until_delivered,
)
from tests.serving import served
from tests.stack import RunningStack


class Gossip:
    """A receiver that refuses everything and tells all that it was sent, in several ways."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[dict[str, str]] = []

    async def serve(self, request: Request) -> Response:
        headers = dict(request.headers)
        self.heard.append(headers)
        secret = headers.get("authorization", "").removeprefix("Bearer ")
        ways = {"plain": secret, "url": quote(secret, safe=""), "basic": _basic(secret)}
        return JSONResponse({"ways": ways, "headers": headers}, 400, headers={"x-seen": ways["url"]})


def _basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def gossip() -> Iterator[Gossip]:
    running = Gossip()
    with served(Starlette(routes=[Route("/{path:path}", running.serve, methods=["POST"])])) as url:
        running.url = url
        yield running


def everything(stack: RunningStack, chat: httpx.Client, id: str) -> Iterator[tuple[str, str]]:
    """Return (location, text) of everything that is logged, sent or stored."""
    base = f"{PIPELINES}/{id}"
    paths = ["", "/metrics", "/health", "/versions/1", "/dead-letters", "/checkpoints"]
    for path in [PIPELINES, "/api/streaming/secrets", "/api/streaming/stats", *(base + one for one in paths)]:
        yield path, chat.get(path).raise_for_status().text
    yield "dry-run", chat.post(f"{base}/dry-run", json={}).raise_for_status().text
    yield "output", "".join(stack.output)
    yield from tables(stack)
    yield from logs(stack)
    yield from journal(stack)


def tables(stack: RunningStack) -> Iterator[tuple[str, str]]:
    for name in stack.deployment["tables"].values():
        for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=name):
            yield name, json.dumps(page["Items"], default=_readable)


def _readable(lease: bytes) -> str:
    """Small entries of the journal are compressed."""
    return (gzip.decompress(lease) if lease.startswith(b"\x1f\x8b") else lease).decode("latin-1")


def logs(stack: RunningStack) -> Iterator[tuple[str, str]]:
    client = stack.client("logs")
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            events = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            for found in events:
                yield group["logGroupName"], "\n".join(event["message"] for event in found["events"])


def journal(stack: RunningStack) -> Iterator[tuple[str, str]]:
    bucket, s3 = stack.deployment["resources"]["JournalBucket"], stack.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", ()):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            yield entry["Key"], gzip.decompress(body).decode()


def leaks(found: Iterator[tuple[str, str]], canary: str) -> list[str]:
    """Return the locations of the value, in any form."""
    forms = [canary, quote(canary, safe=""), _basic(canary), _basic(f"{canary}:"), json.dumps(canary)[1:-1]]
    return [where for where, text in found if any(form in text for form in forms)]


def test_secret_is_sent_to_its_host_and_never_told(
    stack: RunningStack, chat: httpx.Client, gossip: Gossip
) -> None:
    """Even though the destination tells it back in its answers."""
    canary = f'canary/{uuid.uuid4().hex}+"quoted"'
    store_secret(chat, "CANARY", canary)
    config: dict[str, Any] = {
        "url": f"{gossip.url}/events",
        "headers": {"Authorization": "Bearer ${secrets.CANARY}"},
        "signingSecret": "${secrets.CANARY}",
    }
    id = started(chat, destination={"type": "webhook", "config": config})
    push(chat, id, {"n": 1}, {"n": 2})
    wait_until(lambda: len(dead_letters(chat, id)) == 2)
    wait_until_delivered(stack)
    assert [heard["authorization"] for heard in gossip.heard] == [f"Bearer {canary}"] * 2
    assert "[secret CANARY]" in dead_letters(chat, id)[0]["body"]
    looked_at = {f"{PIPELINES}/{id}/dead-letters", "output", stack.deployment["tables"]["DeadLettersTable"]}
    assert looked_at <= set(leaks(everything(stack, chat, id), id))
    assert any("Deliver" in group and text for group, text in logs(stack))
    assert leaks(everything(stack, chat, id), canary) == []


def test_secret_is_not_sent_to_another_host(stack: RunningStack, chat: httpx.Client, gossip: Gossip) -> None:
    """A pipeline cannot be made so. One that was made before the secret was bound elsewhere sends nothing."""
    canary = f"canary-{uuid.uuid4().hex}"
    store_secret(chat, "CANARY", canary)
    headers = {"Authorization": "Bearer ${secrets.CANARY}"}
    ids = [
        started(chat, destination={"type": "webhook", "config": {"url": url, "headers": headers}})
        for url in (f"{gossip.url}/events", f"{gossip.url}/${{secrets.CANARY}}")
    ]
    store_secret(chat, "CANARY", canary, "api.example.com")
    config = {"url": f"{gossip.url}/events", "headers": headers}
    written = {
        "name": "n",
        "source": {"type": "webhook"},
        "destination": {"type": "webhook", "config": config},
    }
    refused = chat.post(PIPELINES, json=written)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_definition")
    for id in ids:
        act(chat, id, "process", n=1)
    wait_until(lambda: all(dead_letters(chat, id) for id in ids))
    for id in ids:
        (dead_letter,) = dead_letters(chat, id)
        assert dead_letter["error"]["code"] == "secret_not_allowed"
        assert leaks(everything(stack, chat, id), canary) == []
    assert gossip.heard == []
