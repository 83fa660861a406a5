"""Checks every response of a served app against the OpenAPI document: status, media type, JSON, events,
codes.

`tests.serving.served` wraps each app in `Checked`, so every test that calls the API over HTTP also tests the
contract. Schemas are closed here, though not in the document, so that an undeclared field fails.
"""

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[1] / "docs" / "openapi.json").read_text())
JSON, EVENT_STREAM = "application/json", "text/event-stream"
MOST_BYTES = 4 * 1024 * 1024
"""The most of an answer that is checked."""


class Checked:
    """An app whose answers are checked. `wrong` lists deviations, of which the app does not learn."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.wrong: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start: Message = {}
        body = bytearray()

        async def watch(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif len(body) < MOST_BYTES:
                body.extend(message.get("body", b""))
            await send(message)

        whole = False
        try:
            await self._app(scope, receive, watch)
            whole = True
        finally:
            path = getattr(scope.get("route"), "path", "")
            if start and path in DOCUMENT["paths"]:
                self._check(scope["method"], path, start, bytes(body), whole)

    def _check(self, method: str, path: str, start: Message, body: bytes, whole: bool) -> None:
        kind = next((value for name, value in start["headers"] if name.lower() == b"content-type"), b"")
        problems = answer_problems(method, path, start["status"], kind.decode(), body, whole=whole)
        self.wrong += [f"{method} {path} {start['status']}: {problem}" for problem in problems]


def answer_problems(
    method: str, path: str, status: int, kind: str, body: bytes, *, whole: bool = True
) -> Iterator[str]:
    """Yield the deviations from the document.

    If an answer is not `whole`, only complete events are checked.
    """
    operation = DOCUMENT["paths"][path].get(method.lower())
    if operation is None:
        return  # 405
    declared = operation["responses"].get(str(status))
    if declared is None:
        yield "the status is not documented"
        return
    content = _resolved(declared).get("content", {})
    media = kind.partition(";")[0].strip()
    if not content and not media:
        yield from (["there is a body"] if body else [])
    elif media not in content:
        yield f"the media type {media!r} is not documented"
    elif media == EVENT_STREAM:
        yield from _event_problems(content[media]["schema"]["$ref"], body)
    elif media == JSON and whole and len(body) < MOST_BYTES:
        yield from _found_problems(json.dumps(content[media]["schema"], sort_keys=True), body)


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    return DOCUMENT["components"]["responses"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part


def _event_problems(reference: str, body: bytes) -> Iterator[str]:
    """Yield the deviations of a stream's events.

    The document distinguishes events of our protocol by their type.
    """
    kinds = _schema(reference).get("discriminator", {}).get("mapping")
    for frame in body.decode().split("\n\n")[:-1]:
        data = "\n".join(line[6:] for line in frame.split("\n") if line.startswith("data: "))
        if not data or data == "[DONE]":
            continue
        wanted = kinds.get(json.loads(data)["type"]) if kinds else reference
        if wanted is None:
            yield f"event {data[:200]}: its type is not documented"
        else:
            problems = _found_problems(json.dumps({"$ref": wanted}), data.encode())
            yield from (f"event {data[:200]}: {problem}" for problem in problems)


@lru_cache(4096)
def _found_problems(schema: str, body: bytes) -> tuple[str, ...]:
    """Return the deviations of a JSON text from a schema, cached because many viewers get the same events."""
    return tuple(
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        for error in validator(schema).iter_errors(json.loads(body))
    )


@cache
def validator(schema: str) -> Any:
    """Return a validator for a schema (as JSON) that may refer to the document's components."""
    return Draft202012Validator(json.loads(schema) | {"components": _components()})


def _schema(reference: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    return found


@cache
def _components() -> Any:
    return {"schemas": {name: _closed(schema) for name, schema in DOCUMENT["components"]["schemas"].items()}}


def _closed(part: Any) -> Any:
    """Return the schema with objects that have only the declared fields."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: value if name == "examples" else _closed(value) for name, value in part.items()}
    if part.get("type") == "object" and "properties" in part:
        closed.setdefault("additionalProperties", False)
    return closed
