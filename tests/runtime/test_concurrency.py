"""Concurrent invocations in one process, as on Lambda Managed Instances."""

import asyncio
import os

import pytest

from streaming_runtime import logs
from streaming_runtime.asgi import Receive, Scope, Send
from streaming_runtime.errors import SetupError
from streaming_runtime.runtime import concurrency
from tests.runtime.harness import workers
from tests.runtime.host import Host, url_event


async def test_eight_invocations_run_at_once_each_with_its_own_answer(host: Host) -> None:
    together = asyncio.Barrier(8)
    process = {os.getpid()}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": scope["raw_path"], "more_body": True})
        await together.wait()
        process.add(os.getpid())
        await send({"type": "http.response.body", "body": logs.request_id.get().encode()})

    async with workers(app, host, count=8):
        for _ in range(2):
            calls = [host.invoke(url_event(f"/{number}")) for number in range(8)]
            await asyncio.gather(*(call.done() for call in calls))
            bodies = [call.body.decode() for call in calls]
            assert bodies == [f"/{number}{call.request_id}" for number, call in enumerate(calls)]
    assert len(process) == 1


async def test_failing_invocation_does_not_affect_others(host: Host) -> None:
    failed = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        if scope["path"] == "/exit":
            failed.set()
            raise SystemExit(3)
        await failed.wait()
        await send({"type": "http.response.body", "body": b"b"})

    async with workers(app, host, count=2):
        good, bad = host.invoke(), host.invoke(url_event("/exit"))
        await asyncio.gather(good.done(), bad.done())
    assert (good.body, good.trailers) == (b"ab", {})
    assert bad.trailers["lambda-runtime-function-error-type"] == "Function.SystemExit"


async def test_trace_id_is_a_variable_only_where_one_invocation_runs(host: Host) -> None:
    seen: list[tuple[str | None, str | None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((os.environ.get("_X_AMZN_TRACE_ID"), scope["aws.context"].trace_id))
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("_X_AMZN_TRACE_ID", raising=False)
        async with workers(app, host):
            await host.invoke(headers={"Lambda-Runtime-Trace-Id": "Root=1"}).done()
            await host.invoke().done()
        async with workers(app, host, count=2):
            await host.invoke(headers={"Lambda-Runtime-Trace-Id": "Root=2"}).done()
    assert seen == [("Root=1", "Root=1"), (None, None), (None, "Root=2")]


@pytest.mark.parametrize("text", ["0", "-1", "eight", "1.5", "99999", ""])
def test_bad_concurrency_is_refused_with_its_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_MAX_CONCURRENCY", text)
    with pytest.raises(SetupError, match="AWS_LAMBDA_MAX_CONCURRENCY must be a number"):
        concurrency()
