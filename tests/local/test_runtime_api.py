"""The Runtime API's protocol, spoken by hand like a runtime."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from local.invocation import FunctionFailed, Invocation
from local.runtime_api import RuntimeApi

PREFIX = "/2018-06-01/runtime"
DIED = FunctionFailed("Runtime.ExitError", "Runtime exited: exit status 1")
STREAMING = {
    "lambda-runtime-function-response-mode": "streaming",
    "content-type": "application/vnd.awslambda.http-integration-response",
}


@pytest.fixture
async def api() -> AsyncIterator[RuntimeApi]:
    running = RuntimeApi()
    await running.start()
    yield running
    running.close(DIED)


@pytest.fixture
async def runtime(api: RuntimeApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{api.address}{PREFIX}", timeout=10) as client:
        yield client


def an_invocation(event: bytes = b'{"a":1}') -> Invocation:
    return Invocation(event, "arn:aws:lambda:us-east-1:111111111111:function:f", 3.0)


async def next_invocation(api: RuntimeApi, runtime: httpx.AsyncClient) -> Invocation:
    """An invocation that the runtime has taken."""
    invocation = an_invocation()
    api.submit(invocation)
    await runtime.get("/invocation/next")
    return invocation


async def body_of(invocation: Invocation) -> bytes:
    return b"".join([chunk async for chunk in invocation.chunks()])


async def test_next_waits_for_work_and_carries_what_lambda_says(
    api: RuntimeApi, runtime: httpx.AsyncClient
) -> None:
    asking = asyncio.create_task(runtime.get("/invocation/next"))
    await api.ready.wait()
    invocation = an_invocation()
    api.submit(invocation)
    answer = await asking
    assert answer.json() == {"a": 1}
    assert answer.headers["lambda-runtime-aws-request-id"] == invocation.request_id
    assert answer.headers["lambda-runtime-invoked-function-arn"] == invocation.arn
    assert answer.headers["lambda-runtime-trace-id"].startswith("Root=1-")
    assert int(answer.headers["lambda-runtime-deadline-ms"]) == int(invocation.deadline * 1000)


async def test_buffered_response_is_whole(api: RuntimeApi, runtime: httpx.AsyncClient) -> None:
    invocation = await next_invocation(api, runtime)
    answer = await runtime.post(f"/invocation/{invocation.request_id}/response", content=b'"done"')
    assert answer.status_code == 202
    assert not (await invocation.response()).streamed
    assert await body_of(invocation) == b'"done"'


async def test_each_chunk_arrives_before_the_next_is_made(
    api: RuntimeApi, runtime: httpx.AsyncClient
) -> None:
    invocation = await next_invocation(api, runtime)
    turn: asyncio.Queue[bytes] = asyncio.Queue()

    async def content() -> AsyncIterator[bytes]:
        while word := await turn.get():
            yield word

    path = f"/invocation/{invocation.request_id}/response"
    posting = asyncio.create_task(runtime.post(path, content=content(), headers=STREAMING))
    chunks = invocation.chunks()
    for word in (b"one", b"two", b"three"):
        turn.put_nowait(word)
        assert await anext(chunks) == word
    turn.put_nowait(b"")
    assert (await posting).status_code == 202
    assert (await invocation.response()).streamed


async def test_error_report_fails_the_invocation(api: RuntimeApi, runtime: httpx.AsyncClient) -> None:
    invocation = await next_invocation(api, runtime)
    report = {"errorType": "ValueError", "errorMessage": "no", "stackTrace": ["line 1"]}
    await runtime.post(f"/invocation/{invocation.request_id}/error", json=report)
    with pytest.raises(FunctionFailed, match="no") as caught:
        await invocation.response()
    assert (caught.value.kind, caught.value.trace) == ("ValueError", ("line 1",))


async def test_init_error_makes_the_environment_ready_to_be_thrown_away(
    api: RuntimeApi, runtime: httpx.AsyncClient
) -> None:
    await runtime.post("/init/error", content=b"not json", headers={"x": "y"})
    assert api.ready.is_set()
    assert str(api.init_failure) == "not json"


async def test_foreign_request_id_is_refused(api: RuntimeApi, runtime: httpx.AsyncClient) -> None:
    invocation = await next_invocation(api, runtime)
    answer = await runtime.post("/invocation/another/response", content=b"1")
    assert (answer.status_code, answer.json()["errorType"]) == (400, "InvalidRequestID")
    assert not invocation.ended.is_set()


async def test_second_response_is_refused(api: RuntimeApi, runtime: httpx.AsyncClient) -> None:
    invocation = await next_invocation(api, runtime)
    path = f"/invocation/{invocation.request_id}/response"
    await runtime.post(path, content=b"1")
    assert (await runtime.post(path, content=b"2")).status_code == 403
    assert await body_of(invocation) == b"1"


async def test_unknown_path_is_refused(runtime: httpx.AsyncClient) -> None:
    assert (await runtime.get("/nothing")).status_code == 404


async def test_buffered_response_above_the_limit_is_refused(
    api: RuntimeApi, runtime: httpx.AsyncClient
) -> None:
    invocation = await next_invocation(api, runtime)
    reading = asyncio.create_task(body_of(invocation))
    path = f"/invocation/{invocation.request_id}/response"
    with pytest.raises(FunctionFailed) as caught:
        await asyncio.gather(reading, runtime.post(path, content=b"x" * 6_400_000))
    assert caught.value.kind == "Function.ResponseSizeTooLarge"


async def test_going_on_without_a_response_fails_the_invocation(
    api: RuntimeApi, runtime: httpx.AsyncClient
) -> None:
    invocation = await next_invocation(api, runtime)
    asking = asyncio.create_task(runtime.get("/invocation/next"))
    with pytest.raises(FunctionFailed, match="without a response"):
        await invocation.response()
    asking.cancel()


async def test_invocation_that_a_dead_environment_never_received_may_go_elsewhere(api: RuntimeApi) -> None:
    invocation = an_invocation()
    api.submit(invocation)
    assert api.close(DIED)
    assert not invocation.ended.is_set()


async def test_accepted_invocation_fails_with_its_environment(
    api: RuntimeApi, runtime: httpx.AsyncClient
) -> None:
    invocation = await next_invocation(api, runtime)
    assert not api.close(DIED)
    assert invocation.failure is DIED


async def raw(api: RuntimeApi, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*api.address.split(":"))
    writer.write(sent)
    answer = await reader.read(4096)
    writer.close()
    await writer.wait_closed()
    return answer


def streamed_request(invocation: Invocation, body: bytes) -> bytes:
    head = f"POST {PREFIX}/invocation/{invocation.request_id}/response HTTP/1.1\r\nhost: x\r\n"
    mode = "lambda-runtime-function-response-mode: streaming\r\ntransfer-encoding: chunked\r\n\r\n"
    return (head + mode).encode() + body


async def test_error_trailers_fail_a_stream_after_its_last_chunk(
    api: RuntimeApi, runtime: httpx.AsyncClient
) -> None:
    invocation = await next_invocation(api, runtime)
    encoded = base64.b64encode(json.dumps({"errorType": "KeyError", "errorMessage": "gone"}).encode())
    trailers = (
        b"lambda-runtime-function-error-type: Function.KeyError\r\n"
        b"lambda-runtime-function-error-body: " + encoded + b"\r\n\r\n"
    )
    answer = await raw(api, streamed_request(invocation, b"5\r\nbegun\r\n0\r\n" + trailers))
    assert b"202" in answer
    chunks = invocation.chunks()
    assert await anext(chunks) == b"begun"
    with pytest.raises(FunctionFailed, match="gone"):
        await anext(chunks)


async def test_trailers_above_lambdas_limit_are_an_error(api: RuntimeApi, runtime: httpx.AsyncClient) -> None:
    invocation = await next_invocation(api, runtime)
    trailers = b"lambda-runtime-function-error-type: " + b"x" * 5000 + b"\r\n\r\n"
    await raw(api, streamed_request(invocation, b"5\r\nbegun\r\n0\r\n" + trailers))
    with pytest.raises(FunctionFailed, match="trailers"):
        await body_of(invocation)


async def test_stream_without_its_end_is_a_failure(api: RuntimeApi, runtime: httpx.AsyncClient) -> None:
    invocation = await next_invocation(api, runtime)
    _, writer = await asyncio.open_connection(*api.address.split(":"))
    writer.write(streamed_request(invocation, b"5\r\nbegun\r\n"))
    chunks = invocation.chunks()
    assert await anext(chunks) == b"begun"
    writer.close()
    with pytest.raises(FunctionFailed) as caught:
        await anext(chunks)
    assert caught.value.kind == "Runtime.TruncatedResponse"


async def test_slow_reader_holds_the_function_back_until_it_leaves() -> None:
    invocation = an_invocation()
    writing = asyncio.create_task(_write_much(invocation))
    first = await anext(invocation.chunks())
    assert len(first) == 65536
    assert not writing.done()
    assert invocation.bytes_out < 64 * 65536
    invocation.abandon()
    await writing
    assert invocation.bytes_out == 64 * 65536


async def _write_much(invocation: Invocation) -> None:
    for _ in range(64):
        await invocation.write(b"x" * 65536)
