"""Conversion of Lambda events to ASGI scopes, and what else the app can read."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest

from streaming_runtime.asgi import Receive, Scope, Send
from streaming_runtime.errors import EventError
from streaming_runtime.events import http_request, load_event
from tests.runtime.harness import workers
from tests.runtime.host import Host, url_event


def scope_of(event: object) -> Scope:
    return http_request(load_event(json.dumps(event).encode())[0])[0]


def body_of(event: object) -> bytes:
    return http_request(load_event(json.dumps(event).encode())[0])[1]


def test_function_url_event_becomes_an_http_scope() -> None:
    event = url_event(
        "/runs/a%20b/%C3%BC%2F", method="POST", query="q=a%20b&q=2", cookies=["a=1", "b=2"], body="hi"
    )
    event["headers"] = {"Content-Type": "text/plain", "HOST": "h.example:8443", "x-forwarded-port": "8443"}
    scope = scope_of(event)
    assert (scope["type"], scope["method"], scope["scheme"]) == ("http", "POST", "https")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert scope["path"] == "/runs/a b/ü/"
    assert scope["raw_path"] == b"/runs/a%20b/%C3%BC%2F"
    assert scope["query_string"] == b"q=a%20b&q=2"
    assert scope["client"] == ("192.0.2.7", 0)
    assert scope["server"] == ("h.example", 8443)
    assert scope["headers"] == [
        (b"content-type", b"text/plain"),
        (b"host", b"h.example:8443"),
        (b"x-forwarded-port", b"8443"),
        (b"cookie", b"a=1; b=2"),
    ]
    assert (scope["root_path"], scope["aws.event"]) == ("", event)


def test_decoded_path_is_encoded_again_in_raw_path() -> None:
    scope = scope_of(url_event("/é/ü x"))
    assert (scope["path"], scope["raw_path"]) == ("/é/ü x", b"/%C3%A9/%C3%BC%20x")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, b""),
        ({"body": None}, b""),
        ({"body": "plain ü"}, "plain ü".encode()),
        ({"body": base64.b64encode(bytes(range(256))).decode(), "isBase64Encoded": True}, bytes(range(256))),
    ],
)
def test_body_is_what_the_client_sent(fields: dict[str, Any], expected: bytes) -> None:
    assert body_of(url_event(**fields)) == expected


def test_header_values_beyond_latin_1_are_utf_8() -> None:
    scope = scope_of(url_event(headers={"x-latin": "é", "x-wide": "→"}))
    assert dict(scope["headers"]) == {b"x-latin": b"\xe9", b"x-wide": "→".encode()}


def test_rest_api_event_becomes_an_http_scope() -> None:
    scope = scope_of(
        {
            "httpMethod": "GET",
            "path": "/a b",
            "headers": {"Accept": "*/*", "Host": "api"},
            "multiValueHeaders": {"Accept": ["a", "b"], "Host": ["api"]},
            "multiValueQueryStringParameters": {"q": ["1", "ü"]},
            "requestContext": {"identity": {"sourceIp": "192.0.2.9"}},
        }
    )
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"q=1&q=%C3%BC")
    assert scope["headers"] == [(b"accept", b"a"), (b"accept", b"b"), (b"host", b"api")]
    assert scope["client"] == ("192.0.2.9", 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"key": "a direct invoke"}',
        b'{"requestContext": {"http": null}}',
        b'{"requestContext": {"http": {"method": 5}}}',
        b'{"httpMethod": "GET", "headers": {"a": 1}}',
        b'{"httpMethod": "GET", "headers": ["a"]}',
        b'{"httpMethod": "GET", "body": {"not": "text"}}',
        b'{"httpMethod": "GET", "path": 7}',
        b'{"httpMethod": "GET", "requestContext": null}',
        b"[" * 200_000,
        b"\xff\xfe",
    ],
)
def test_event_that_is_not_an_http_request_is_refused(raw: bytes) -> None:
    with pytest.raises(EventError, match="the event is not one that it can answer: "):
        http_request(load_event(raw)[0])


@pytest.mark.parametrize("port", ["", "²", "-1", "9" * 5_000])
def test_forged_port_is_not_believed(port: str) -> None:
    assert scope_of(url_event(headers={"host": "h", "x-forwarded-port": port}))["server"] == ("h", 443)


async def test_direct_invoke_gets_a_clear_error_and_the_loop_goes_on(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"fine"})

    async with workers(app, host):
        refused = await host.invoke({"hello": "world"}).done()
        served = await host.invoke().done()
    assert refused.sent_headers["lambda-runtime-function-error-type"] == "Runtime.UnsupportedEvent"
    assert "function URL" in refused.error["errorMessage"]
    assert refused.error["stackTrace"] == []
    assert served.body == b"fine"


async def test_receive_gives_the_body_once_and_then_waits_for_the_end(host: Host) -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        waiting = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0)
        seen.append(waiting.done())
        await send({"type": "http.response.body", "body": b"b"})
        seen.append(await waiting)

    async with workers(app, host):
        await host.invoke(url_event(body="hi")).done()
        await host.invoke(url_event(body="hi")).done()
    first = [{"type": "http.request", "body": b"hi", "more_body": False}, False, {"type": "http.disconnect"}]
    assert seen[:3] == first


async def test_app_can_read_its_context(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[Any] = []
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "conversation")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    monkeypatch.setenv("AWS_LAMBDA_LOG_GROUP_NAME", "group")
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "stream")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        contexts.append(scope["aws.context"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    deadline = int(time.time() * 1000) + 3_600_000
    headers = {"Lambda-Runtime-Deadline-Ms": str(deadline), "Lambda-Runtime-Aws-Tenant-Id": "tenant-1"}
    async with workers(app, host):
        call = await host.invoke(headers=headers).done()
        await host.invoke(headers={"Lambda-Runtime-Deadline-Ms": "1000"}).done()
    context, late = contexts
    assert context.aws_request_id == call.request_id
    assert context.invoked_function_arn == "arn:aws:lambda:eu-west-1:1:function:f"
    assert (context.function_name, context.function_version) == ("conversation", "7")
    assert (context.memory_limit_in_mb, context.tenant_id) == ("512", "tenant-1")
    assert (context.log_group_name, context.log_stream_name) == ("group", "stream")
    assert context.deadline_ms == deadline
    assert 0 < context.get_remaining_time_in_millis() <= 3_600_000
    assert (late.get_remaining_time_in_millis(), late.tenant_id) == (0, None)


async def test_each_request_gets_a_copy_of_the_lifespan_state(host: Host) -> None:
    states: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        states.append(dict(scope["state"]))
        scope["state"]["mine"] = True
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    async with workers(app, host, state={"pool": 1}):
        await host.invoke().done()
        await host.invoke().done()
    assert states == [{"pool": 1}, {"pool": 1}]
