"""The response as the host receives it, byte by byte."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming_runtime.asgi import Receive, Scope, Send
from streaming_runtime.prelude import HOP_BY_HOP, PRELUDE_END
from tests.runtime.harness import workers
from tests.runtime.host import Call, Host, url_event
from tests.runtime.send import body, hello, start

ERROR_TRAILERS = "lambda-runtime-function-error-type, lambda-runtime-function-error-body"


async def test_response_is_a_prelude_eight_nuls_and_the_body(host: Host) -> None:
    async with workers(hello, host):
        call = await host.invoke().done()
    prelude = b'{"statusCode":200,"headers":{"content-type":"text/plain"},"cookies":[]}'
    assert call.chunks == [prelude + b"\0" * 8, b"hello"]
    assert call.path == f"/2018-06-01/runtime/invocation/{call.request_id}/response"
    assert call.sent_headers["lambda-runtime-function-response-mode"] == "streaming"
    assert call.sent_headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert call.sent_headers["transfer-encoding"] == "chunked"
    assert call.sent_headers["trailer"].lower() == ERROR_TRAILERS
    assert call.raw.endswith(b"5\r\nhello\r\n0\r\n\r\n")
    assert (call.trailers, call.answers) == ({}, 1)


async def test_each_message_arrives_before_the_app_sends_the_next(host: Host) -> None:
    arrived = [asyncio.Event() for _ in range(5)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        for number, event in enumerate(arrived):
            await body(send, b"data: %d\n\n" % number)
            await event.wait()
        await body(send, b"", more=False)

    async with workers(app, host):
        call = host.invoke()
        for number, event in enumerate(arrived):
            await call.seen(b"data: %d\n\n" % number)
            assert not call.ended.is_set()
            event.set()
        await call.done()
    assert call.chunks[1:] == [b"data: %d\n\n" % number for number in range(5)]


async def test_empty_first_message_sends_the_headers_at_once(host: Host) -> None:
    arrived = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 201)
        await body(send, b"")
        await arrived.wait()
        await body(send, b"late", more=False)

    async with workers(app, host):
        call = host.invoke()
        await call.seen(PRELUDE_END)
        assert (call.prelude["statusCode"], call.body) == (201, b"")
        arrived.set()
        assert (await call.done()).body == b"late"


async def test_cookies_stand_in_cookies_only_and_repeated_headers_are_joined(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        cookies = [(b"Set-Cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2")]
        await start(
            send, headers=[(b"Vary", b"Accept"), *cookies, (b"vary", b"Origin"), (b"Connection", b"close")]
        )
        await body(send, b"x", more=False)

    async with workers(app, host):
        prelude = (await host.invoke().done()).prelude
    assert prelude["cookies"] == ["a=1; Path=/", "b=2"]
    assert prelude["headers"] == {"vary": "Accept, Origin"}


@pytest.mark.parametrize(
    ("method", "status", "sent"),
    [("GET", 204, b""), ("GET", 304, b""), ("GET", 302, b""), ("GET", 204, b"no"), ("HEAD", 200, b"a page")],
)
async def test_response_without_a_body_still_has_one_byte(
    host: Host, method: str, status: int, sent: bytes
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status, [(b"content-length", b"%d" % len(sent)), (b"x-kept", b"1")])
        if sent:
            await body(send, sent)
        await body(send, b"", more=False)

    async with workers(app, host):
        call = await host.invoke(url_event(method=method)).done()
    assert (call.body, call.prelude["statusCode"]) == (b"\n", status)
    assert call.prelude["headers"] == {"x-kept": "1"}


NAMES = st.text("abcxyz-_!#$%&'*+.^`|~0123456789", min_size=1, max_size=12).filter(
    lambda name: name not in HOP_BY_HOP | {"set-cookie", "content-length"}
)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30
)
CHUNKS = st.lists(st.binary(max_size=400), max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    status=st.sampled_from([200, 201, 302, 404, 500]),
    headers=st.dictionaries(NAMES, VALUES, max_size=6),
    cookies=st.lists(VALUES, max_size=4),
    chunks=CHUNKS,
)
def test_any_response_arrives_byte_for_byte(
    status: int, headers: dict[str, str], cookies: list[str], chunks: list[bytes]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        fields += [(b"Set-Cookie", cookie.encode("latin-1")) for cookie in cookies]
        await start(send, status, fields)
        for chunk in chunks:
            await body(send, chunk)
        await body(send, b"", more=False)

    async def exchange() -> Call:
        async with Host().listen() as host, workers(app, host):
            return await host.invoke().done()

    call = asyncio.run(exchange())
    assert call.prelude == {"statusCode": status, "headers": headers, "cookies": cookies}
    assert call.body == (b"".join(chunks) or b"\n")
    assert call.chunks[1:] == ([chunk for chunk in chunks if chunk] or [b"\n"])
    assert b"\0" not in call.streamed.partition(PRELUDE_END)[0]
    assert call.trailers == {}


async def test_two_tasks_of_an_app_begin_one_response(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await asyncio.gather(*(body(send, b"%d" % number) for number in range(9)))
        await body(send, b"", more=False)

    async with workers(app, host):
        # Connecting anew takes the turns of the loop in which a second task could begin as well.
        call = await host.invoke(headers={"Connection": "close"}).done()
    assert (sorted(call.chunks[1:]), call.answers) == ([b"%d" % number for number in range(9)], 1)


@pytest.mark.parametrize("parts", [[b"abc"], [b"abcdef"], [b"abc", b"abc"], [b"a", b"b"]])
async def test_body_of_another_length_than_declared_is_an_error(host: Host, parts: list[bytes]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=[(b"content-length", b"5")])
        for number, part in enumerate(parts, start=1):
            await body(send, part, more=number < len(parts))

    async with workers(app, host):
        call = await host.invoke().done()
    kind = (
        call.sent_headers.get("lambda-runtime-function-error-type")
        or call.trailers["lambda-runtime-function-error-type"]
    )
    assert (kind, call.answers) == ("Runtime.InvalidResponse", 1)
    # What is too much is never sent: with the first message it is a clean error.
    assert len(call.body if call.path.endswith("/response") else b"") <= 5


async def test_declared_length_that_is_kept_is_passed_on(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=[(b"content-length", b"6"), (b"Content-Length", b"6")])
        await body(send, b"abc")
        await body(send, b"def", more=False)

    async with workers(app, host):
        call = await host.invoke().done()
    assert (call.body, call.prelude["headers"]) == (b"abcdef", {"content-length": "6"})


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"5"), (b"content-length", b"6")],
        [(b"content-length", b"five")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"")],
        [(b"content-type", b"text/html"), (b"Content-Type", b"text/plain")],
        [(b"location", b"/a"), (b"location", b"/b")],
    ],
)
async def test_headers_that_contradict_are_an_error_before_the_first_byte(
    host: Host, headers: list[tuple[bytes, bytes]]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=headers)
        await body(send, b"hello", more=False)

    async with workers(app, host):
        call = await host.invoke().done()
    assert call.path.endswith("/error")
    assert call.error["errorType"] == "Runtime.InvalidResponse"
    assert "the response" in call.error["errorMessage"]
