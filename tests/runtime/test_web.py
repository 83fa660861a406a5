"""A FastAPI app under the runtime: streams, errors in mid-stream, background work."""

from pathlib import Path

from tests.runtime.harness import runtime
from tests.runtime.host import Host, url_event

ERROR_TYPE = "lambda-runtime-function-error-type"


async def test_streaming_response_arrives_chunk_by_chunk(host: Host, tmp_path: Path) -> None:
    with runtime(host, "web.app", tmp_path):
        call = await host.invoke(url_event("/words")).done()
    assert call.chunks[1:] == [b"one ", b"two "]
    assert call.prelude["headers"]["content-type"] == "text/plain; charset=utf-8"


async def test_error_in_mid_stream_becomes_trailers_and_the_next_request_works(
    host: Host, tmp_path: Path
) -> None:
    with runtime(host, "web.app", tmp_path):
        broken = await host.invoke(url_event("/words", query="fail=1")).done()
        whole = await host.invoke(url_event("/words")).done()
    assert (broken.body, broken.trailers[ERROR_TYPE]) == (b"one two ", "Function.RuntimeError")
    assert (broken.answers, whole.body) == (1, b"one two ")


async def test_starlette_s_own_500_is_the_only_answer(host: Host, tmp_path: Path) -> None:
    with runtime(host, "web.app", tmp_path) as child:
        call = await host.invoke(url_event("/fails")).done()
        await host.invoke(url_event("/words")).done()
    assert (call.prelude["statusCode"], call.body) == (500, b"Internal Server Error")
    assert (call.answers, call.trailers) == (1, {})
    assert "[ERROR] RuntimeError: in the handler" in child.output


async def test_background_work_runs_after_the_response(host: Host, tmp_path: Path) -> None:
    with runtime(host, "web.app", tmp_path) as child:
        good = await host.invoke(url_event("/later")).done()
        bad = await host.invoke(url_event("/later", query="fail=1")).done()
        await host.invoke(url_event("/words")).done()
    assert (good.body, bad.body) == (b'{"answer":"now"}', b'{"answer":"now"}')
    assert (bad.answers, bad.trailers) == (1, {})
    assert child.output.count("in the background") == 2
    assert "too late" in child.output
