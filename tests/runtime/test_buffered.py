"""Buffered responses to sources that do not accept a stream."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime import sources
from streaming_runtime.asgi import Receive, Scope, Send
from streaming_runtime.buffered import answer
from streaming_runtime.errors import ResponseError
from streaming_runtime.prelude import Prelude
from streaming_runtime.sources import Source
from tests.runtime.emulator import emulator
from tests.runtime.gateways import http_api_event, load_balancer_event, rest_api_event
from tests.runtime.harness import runtime, workers
from tests.runtime.host import NULS, Call, Host, url_event
from tests.runtime.send import body, hello, start

ERROR_TYPE = "lambda-runtime-function-error-type"
HEADERS = [(b"content-type", b"text/plain"), (b"vary", b"a"), (b"vary", b"b")]
COOKIES = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


async def two_parts(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, 201, [*HEADERS, *COOKIES])
    await body(send, b"one ")
    await body(send, b"two", more=False)


def result_of(call: Call) -> dict[str, Any]:
    """The JSON that was posted as the response of a buffered function."""
    assert call.path.endswith("/response")
    assert "lambda-runtime-function-response-mode" not in call.sent_headers
    assert call.sent_headers["content-type"] == "application/json"
    result: dict[str, Any] = json.loads(call.streamed)
    return result


JOINED = {"content-type": "text/plain", "vary": "a, b"}
SEVERAL = {"content-type": ["text/plain"], "vary": ["a", "b"], "set-cookie": ["a=1", "b=2"]}
LIST = {"headers": JOINED, "cookies": ["a=1", "b=2"]}


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (url_event(), LIST),
        (http_api_event(), LIST),
        (rest_api_event(), {"multiValueHeaders": SEVERAL}),
        (rest_api_event(version="1.0"), {"multiValueHeaders": SEVERAL}),
        (
            load_balancer_event(multi_value=True),
            {"multiValueHeaders": SEVERAL, "statusDescription": "201 Created"},
        ),
    ],
    ids=["function URL", "HTTP API", "REST API", "HTTP API 1.0", "load balancer"],
)
async def test_each_source_gets_the_form_that_it_reads(
    host: Host, event: dict[str, Any], fields: dict[str, Any]
) -> None:
    async with workers(two_parts, host, mode="buffered"):
        call = await host.invoke(event).done()
    assert result_of(call) == {"statusCode": 201, "body": "one two", "isBase64Encoded": False, **fields}


async def test_load_balancer_without_multi_value_headers_gets_every_cookie(host: Host) -> None:
    async with workers(two_parts, host, mode="buffered"):
        headers = result_of(await host.invoke(load_balancer_event()).done())["headers"]
    cookies = {name: value for name, value in headers.items() if name.lower() == "set-cookie"}
    assert sorted(cookies.values()) == ["a=1", "b=2"]
    assert {name: value for name, value in headers.items() if name not in cookies} == JOINED


@pytest.mark.parametrize(
    ("sent", "encoding", "encoded"),
    [
        (b"", b"", False),
        ("wörld\0→".encode(), b"", False),
        (b"plain", b"identity", False),
        (bytes(range(256)), b"", True),
        (b"looks like text", b"gzip", True),
    ],
)
async def test_body_arrives_byte_for_byte_in_base64_where_it_is_needed(
    host: Host, sent: bytes, encoding: bytes, encoded: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=[(b"content-encoding", encoding)] if encoding else [])
        await body(send, sent, more=False)

    async with workers(app, host, mode="buffered"):
        result = result_of(await host.invoke(http_api_event()).done())
    assert result["isBase64Encoded"] is encoded
    assert (base64.b64decode(result["body"]) if encoded else result["body"].encode()) == sent


async def test_auto_streams_what_can_stream_and_buffers_the_rest(host: Host) -> None:
    async with workers(hello, host, mode="auto"):
        url = await host.invoke().done()
        rest = await host.invoke(rest_api_event()).done()
        api = await host.invoke(http_api_event()).done()
    assert (url.body, rest.body) == (b"hello", b"hello")
    assert result_of(api)["body"] == "hello"


async def test_rest_api_that_streams_gets_repeated_headers_as_a_list(host: Host) -> None:
    async with workers(two_parts, host):
        prelude = (await host.invoke(rest_api_event()).done()).prelude
    assert prelude["multiValueHeaders"] == {"vary": ["a", "b"]}
    assert prelude["headers"] == {"content-type": "text/plain"}
    assert prelude["cookies"] == ["a=1", "b=2"]


async def test_error_after_the_first_part_is_an_error_and_no_half_response(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"half")
        raise ValueError("lost")

    async with workers(app, host, mode="buffered"):
        call = await host.invoke(http_api_event()).done()
    assert call.path.endswith("/error")
    assert (call.error["errorMessage"], call.answers) == ("lost", 1)


@pytest.mark.parametrize(
    ("event", "size"),
    [(http_api_event(), 6_300_000), (load_balancer_event(), 1_050_000), (load_balancer_event(), 900_000)],
    ids=["Lambda's limit", "a load balancer's", "only as base64"],
)
@pytest.mark.parametrize("swallows", [False, True], ids=["raises", "swallows"])
async def test_response_above_the_source_s_limit_is_refused_in_words(
    host: Host, event: dict[str, Any], size: int, swallows: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await body(send, b"\xff" * size, more=False)
        except ResponseError:
            if not swallows:
                raise

    async with workers(app, host, mode="buffered"):
        call = await host.invoke(event).done()
        after = await host.invoke(http_api_event("/"), keep=True).done()
    assert call.path.endswith("/error")
    assert call.answers == after.answers == 1
    assert call.sent_headers[ERROR_TYPE] == "Runtime.InvalidResponse"


async def test_refused_result_does_not_end_the_loop(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    async with workers(hello, host, mode="buffered"):
        await host.invoke(http_api_event(), status=413).done()
        assert result_of(await host.invoke(http_api_event()).done())["body"] == "hello"
    assert "the host did not take the response" in capsys.readouterr().out


async def test_mode_that_is_not_known_is_an_error_at_start(host: Host, tmp_path: Path) -> None:
    with runtime(host, "basic.app", tmp_path, STREAMING_RUNTIME_MODE="fast") as child:
        assert await child.exit() == 1
    [(_, headers, error)] = host.reports
    assert headers[ERROR_TYPE] == "Runtime.InvalidConfiguration"
    assert "STREAMING_RUNTIME_MODE must be stream, buffered or auto, not 'fast'" in error["errorMessage"]


@pytest.mark.sam
async def test_emulator_gets_a_whole_result(
    rie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMING_RUNTIME_MODE", "auto")
    with emulator(rie, "basic.app", tmp_path) as lambda_:
        await lambda_.until_it_listens()
        result = json.loads(await lambda_.invoke(http_api_event()))
        streamed = await lambda_.invoke(url_event())
        failed = json.loads(await lambda_.invoke(http_api_event("/breaks")))
    assert (result["statusCode"], result["body"], result["cookies"]) == (200, "hello wörld", ["a=1", "b=2"])
    assert NULS in streamed
    assert failed["errorType"] == "ValueError"


SOURCES = [
    sources.FUNCTION_URL,
    sources.HTTP_API,
    sources.REST_API,
    sources.LOAD_BALANCER,
    sources.LOAD_BALANCER_MULTI_VALUE,
]
NAMES = st.sampled_from([b"vary", b"x-a", b"set-cookie", b"content-encoding"])


@given(
    source=st.sampled_from(SOURCES),
    headers=st.lists(st.tuples(NAMES, st.sampled_from([b"a", b"b", b"identity"])), max_size=8),
    sent=st.binary(max_size=60) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")),
)
def test_any_response_keeps_every_header_cookie_and_byte(
    source: Source, headers: list[tuple[bytes, bytes]], sent: bytes
) -> None:
    result = json.loads(json.dumps(answer(source, Prelude(200, headers), sent)))
    body = result["body"]
    assert (base64.b64decode(body) if result["isBase64Encoded"] else body.encode()) == sent
    found = [
        (name.lower(), value)
        for name, values in [*result.get("headers", {}).items(), *result.get("multiValueHeaders", {}).items()]
        for value in (values if isinstance(values, list) else values.split(", "))
    ] + [("set-cookie", cookie) for cookie in result.get("cookies", [])]
    assert sorted(found) == sorted((name.decode(), value.decode()) for name, value in headers)
