"""The client has every operation in docs/openapi.json, and no other."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.client import Client
from millrace.client.calls import Call, Request
from millrace.client.client import Resources
from millrace.client.follow import Cursor
from millrace.client.operations import Listing, RunWatch, Watch, _Described

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
ELSEWHERE = re.compile(r"/agui|/v1/|/api/chat|/hooks|/api/health|/api/openapi\.json|/mcp|/a2a|/\.well-known")
"""Paths that clients of other protocols call, or nobody but a monitor."""
BY_TICKET = {"speak_text_by_ticket", "speak_run_by_ticket"}
VALUES: dict[str, Any] = {
    "agent_ids": ["x"],
    "event_types": ["x"],
    "run_ids": ["x"],
    "content": "x",
    "item": {"x": 1},
    "items": [{"x": 1}],
    "events": [{"x": 1}],
    "parameters": {"x": 1},
    "payload": {"x": 1},
    "hosts": ["x"],
    "scopes": ["x"],
    "metadata": {},
    "body": {},
    "arguments": {},
    "definition": {"name": "x"},
    "settings": {"name": "x"},
    "version": 1,
    "number": 0,
    "limit": 1,
    "all": True,
    "restorable": True,
    "through_waiting": False,
}


def operations() -> Iterator[tuple[str, Any, _Described[Any, Any]]]:
    client = Client("http://localhost")
    names = [name for name in vars(Resources) if not name.startswith("_") and name != "url"]
    for resource in (getattr(client, name) for name in names):
        for kind in type(resource).__mro__:
            for name, found in vars(kind).items():
                if isinstance(found, _Described):
                    yield f"{type(resource).__name__}.{name}", resource, found


def planned(resource: Any, described: _Described[Any, Any]) -> list[Request]:
    """The requests of an operation, with every argument given."""
    plan = described._plan
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in list(inspect.signature(plan).parameters.values())[1:]:
        value = VALUES.get(parameter.name, "x")
        if parameter.name == "content" and "bytes" in str(parameter.annotation):
            value = b"x"
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        elif parameter.kind is not parameter.VAR_KEYWORD:
            named[parameter.name] = value
    found = plan(resource, *positional, **named)
    if isinstance(found, Listing):
        return [found.call("x").request]
    if isinstance(found, Call):
        return [found.request]
    if isinstance(found, RunWatch | Watch):
        again = found.plan.resume(Cursor("run_1", "run_1.1"))
        return [found.plan.first, *([again] if again else [])]
    assert isinstance(found, Request)
    return [found]


ALL = list(operations())
REQUESTS = [(name, request) for name, resource, found in ALL for request in planned(resource, found)]


def described(request: Request) -> dict[str, Any]:
    """The operation of the document to which a request belongs."""
    for template, methods in DOCUMENT["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, request.path) and request.method.lower() in methods:
            return dict(methods[request.method.lower()])
    raise AssertionError(f"There is no {request.method} {request.path}")


def resolved(node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def properties(schema: Any) -> set[str]:
    schema = resolved(schema)
    own = set(schema.get("properties", {}))
    return own.union(
        *(properties(one) for word in ("anyOf", "oneOf", "allOf") for one in schema.get(word, []))
    )


@pytest.mark.parametrize(("name", "request_"), REQUESTS, ids=[name for name, _ in REQUESTS])
def test_request_is_as_the_document_says(name: str, request_: Request) -> None:
    operation = described(request_)
    parameters = [resolved(one) for one in operation.get("parameters", [])]
    known = {one["name"] for one in parameters if one["in"] == "query"}
    assert {key for key, value in request_.query.items() if value is not None} <= known
    headers = {one["name"].lower() for one in parameters if one["in"] == "header"}
    body = resolved(operation.get("requestBody", {})).get("content", {}).get("application/json")
    if "idempotency-key" in request_.headers:
        assert "idempotency-key" in headers or "idempotencyKey" in properties(body["schema"])
    if isinstance(request_.body, dict) and body and (fields := properties(body["schema"])):
        assert set(request_.body) <= fields
    if request_.method == "POST" and body is None:
        assert request_.body is None


def test_every_operation_of_the_api_has_a_method() -> None:
    called = {described(request)["operationId"] for _, request in REQUESTS}
    own = {
        operation["operationId"]
        for path, methods in DOCUMENT["paths"].items()
        if not ELSEWHERE.match(path)
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert own - called - BY_TICKET == set()


def test_every_method_has_a_docstring() -> None:
    assert [name for name, _, found in ALL if not (found.__doc__ or "").strip()] == []
