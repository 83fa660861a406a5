"""Failures of the app, and their reports to the host: exactly once, and never too long."""

import base64
import json
from typing import Any

import pytest

from streaming_runtime.asgi import Receive, Scope, Send
from streaming_runtime.errors import MAX_TRAILERS, ErrorReport, describe
from tests.runtime.harness import workers
from tests.runtime.host import Call, Host
from tests.runtime.send import body, start

ERROR_TYPE = "lambda-runtime-function-error-type"
ERROR_BODY = "lambda-runtime-function-error-body"


def trailer_error(call: Call) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(base64.b64decode(call.trailers[ERROR_BODY]))
    return error


async def test_error_before_the_first_byte_is_posted_as_an_error(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        raise ValueError("too early")

    async with workers(app, host):
        call = await host.invoke().done()
        after = await host.invoke().done()
    assert call.path.endswith("/error")
    assert call.sent_headers[ERROR_TYPE] == "Function.ValueError"
    assert (call.error["errorMessage"], call.error["errorType"]) == ("too early", "ValueError")
    assert call.error["requestId"] == call.request_id
    assert any("too early" in line for line in call.error["stackTrace"])
    assert (call.answers, after.path.endswith("/error")) == (1, True)


async def test_error_after_the_first_byte_becomes_trailers(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"half")
        raise LookupError("lost")

    async with workers(app, host):
        call = await host.invoke().done()
        again = await host.invoke().done()
    assert (call.body, call.answers) == (b"half", 1)
    assert call.trailers[ERROR_TYPE] == "Function.LookupError"
    assert trailer_error(call)["errorMessage"] == "lost"
    assert trailer_error(call)["requestId"] == call.request_id
    assert again.body == b"half"


async def test_error_after_the_whole_response_is_not_sent_again(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 500)
        await body(send, b"sorry", more=False)
        raise ValueError("re-raised")

    async with workers(app, host):
        call = await host.invoke().done()
        await host.invoke().done()
    assert (call.answers, call.trailers, call.body) == (1, {}, b"sorry")
    assert f"[ERROR] ValueError: re-raised\tRequestId: {call.request_id}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "é" * 50_000, '\0"\\' * 9_000, "𝄞" * 9_000, "\ud800" * 9_000]
)
def test_trailers_stay_below_the_host_s_buffer(text: str) -> None:
    def deep(level: int) -> None:
        if level:
            deep(level - 1)
        raise type("Ü" * 5_000, (Exception,), {})(text)

    try:
        deep(200)
    except Exception as error:
        report = describe(error, "id" * 18)
    trailers = report.trailers()
    assert 1_500 < len(trailers) <= MAX_TRAILERS < 4_095
    assert trailers.endswith(b"\r\n\r\n")
    assert trailers.count(b"\r\n") == 3
    encoded = trailers.split(b"\r\n")[1].partition(b": ")[2]
    assert json.loads(base64.b64decode(encoded, validate=True))["requestId"] == "id" * 18


def test_short_error_is_told_whole() -> None:
    report = ErrorReport("Function.E", "E", "message", ("frame 1", "frame 2"), "id")
    encoded = report.trailers().split(b"\r\n")[1].partition(b": ")[2]
    assert base64.b64decode(encoded) == report.body()
    assert json.loads(report.body())["stackTrace"] == ["frame 1", "frame 2"]


def test_exception_that_cannot_be_printed_is_still_described() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert describe(Mute()).message == "<exception str() failed>"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"type": "http.response.start", "status": 200}],
        [{"type": "http.response.body", "body": b"x"}],
        [{"type": "http.response.start", "status": 99}],
        [{"type": "http.response.start", "status": "200"}],
        [{"type": "http.response.start", "status": 200}, {"type": "http.response.start", "status": 200}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: b=1")]}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"x y", b"a")]}],
        [{"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": "text"}],
        [{"type": "websocket.send"}],
    ],
)
async def test_app_that_breaks_asgi_gets_an_error_and_no_half_response(
    host: Host, messages: list[dict[str, Any]]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async with workers(app, host):
        call = await host.invoke().done()
    assert call.path.endswith("/error")
    assert call.answers == 1


async def test_response_without_its_end_is_marked_as_an_error(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"half")

    async with workers(app, host):
        call = await host.invoke().done()
    assert call.trailers[ERROR_TYPE] == "Runtime.InvalidResponse"
    assert "before the last" in trailer_error(call)["errorMessage"]
