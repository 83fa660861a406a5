"""The connection between runtime and host: slow readers, lost connections, echoed headers."""

import asyncio
from typing import Any

import pytest

from streaming_runtime.asgi import Receive, Scope, Send
from streaming_runtime.connection import Connection
from streaming_runtime.errors import ClientDisconnected
from tests.runtime.harness import workers
from tests.runtime.host import Host, url_event
from tests.runtime.send import body, hello, start


async def test_slow_reader_holds_the_app(host: Host) -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await start(send)
        for _ in range(1_000):
            await body(send, b"x" * 65_536)
            sent += 65_536
        await body(send, b"", more=False)

    async with workers(app, host):
        call = host.invoke(keep=False)
        call.reading.clear()
        stalled = await stalls(lambda: sent)
        assert 0 < stalled < 32_000_000
        call.reading.set()
        await call.done()
    assert (sent, call.size > 65_536_000) == (65_536_000, True)


async def stalls(count: Any) -> int:
    """The count once it has not moved for many turns of the loop."""
    last, same = -1, 0
    while same < 200:
        await asyncio.sleep(0.001)
        last, same = (last, same + 1) if count() and count() == last else (count(), 0)
    return last


async def test_large_message_arrives_whole(host: Host) -> None:
    large = bytes(range(256)) * 12_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, large)
        await body(send, memoryview(large)[5:50])
        await body(send, bytearray(b"end"), more=False)

    async with workers(app, host):
        call = await host.invoke().done()
    assert call.body == large + large[5:50] + b"end"


async def test_host_that_hangs_up_is_told_to_the_app_and_survived(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/long":
            return await hello(scope, receive, send)
        await receive()
        await start(send)
        await body(send, b"x" * 100)
        seen.append(await receive())
        with pytest.raises(ClientDisconnected):
            await body(send, b"more")
        seen.append("went on")

    async with workers(app, host):
        cut = host.invoke(url_event("/long"), cut_after=100)
        after = await host.invoke().done()
    assert seen == [{"type": "http.disconnect"}, "went on"]
    assert (cut.answers, after.body) == (1, b"hello")
    output = capsys.readouterr().out
    assert f"The response of {cut.request_id} ended early" in output
    assert "[ERROR]" not in output


async def test_app_that_never_yields_is_ended_when_the_host_hangs_up(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/endless":
            return await hello(scope, receive, send)
        await start(send)
        while True:
            await body(send, b"x" * 1_000)

    async with workers(app, host):
        host.invoke(url_event("/endless"), cut_after=50_000, keep=False)
        assert (await host.invoke().done()).body == b"hello"


async def test_refused_response_does_not_end_the_loop(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    async with workers(hello, host):
        await host.invoke(status=413).done()
        assert (await host.invoke().done()).body == b"hello"
    assert "refused the response: 413" in capsys.readouterr().out


async def test_invocation_id_is_echoed_on_responses_and_errors(host: Host) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fail":
            raise ValueError
        await hello(scope, receive, send)

    header = {"Lambda-Runtime-Invocation-Id": "echo-me"}
    async with workers(app, host):
        good = await host.invoke(headers=header).done()
        bad = await host.invoke(url_event("/fail"), headers=header).done()
        without = await host.invoke().done()
    assert good.sent_headers["lambda-runtime-invocation-id"] == "echo-me"
    assert bad.sent_headers["lambda-runtime-invocation-id"] == "echo-me"
    assert bad.path.endswith("/error")
    assert "lambda-runtime-invocation-id" not in without.sent_headers


async def test_one_connection_serves_many_invocations(host: Host) -> None:
    opened = 0
    connect = Connection.open

    async def counted(self: Connection) -> Any:
        nonlocal opened
        before = self._writer
        streams = await connect(self)
        opened += streams[1] is not before
        return streams

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "open", counted)
        async with workers(hello, host):
            for _ in range(5):
                await host.invoke().done()
    assert opened == 1


async def test_host_that_answers_too_early_costs_one_response_only(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/early":
            return await hello(scope, receive, send)
        await receive()
        await start(send)
        await body(send, b"half")
        await receive()
        raise ValueError("after the end")

    async with workers(app, host):
        early = host.invoke(url_event("/early"), answer_early=True)
        after = await host.invoke().done()
    assert (early.answers, after.body) == (1, b"hello")
    output = capsys.readouterr().out
    assert f"The response of {early.request_id} ended early" in output
    assert "[ERROR] ValueError: after the end" in output
