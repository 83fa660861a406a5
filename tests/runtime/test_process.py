"""The runtime as a process: start, errors at start, signals, memory, every Python version."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from streaming_runtime.errors import SetupError
from streaming_runtime.handler import parse_handler
from tests.runtime.harness import LAYER, environment, interpreters, launch, runtime
from tests.runtime.host import Host, url_event

HELLO = "hello wörld".encode()
ERROR_TYPE = "lambda-runtime-function-error-type"


@pytest.mark.parametrize("python", interpreters().items(), ids=lambda item: item[0])
async def test_every_python_streams_and_reports(host: Host, tmp_path: Path, python: tuple[str, str]) -> None:
    with runtime(host, "basic.app", tmp_path, python=python[1], AWS_LAMBDA_LOG_FORMAT="JSON") as child:
        hello = await host.invoke().done()
        raises = await host.invoke(url_event("/raises")).done()
        breaks = await host.invoke(url_event("/breaks")).done()
        nothing = await host.invoke(url_event("/nothing")).done()
        exits = await host.invoke(url_event("/exits")).done()
        await host.invoke().done()
        child.process.terminate()
        assert await child.exit() == 0
    assert (hello.body, hello.prelude["cookies"]) == (HELLO, ["a=1", "b=2"])
    assert raises.error["errorMessage"] == "before the first byte"
    assert (breaks.body, breaks.trailers[ERROR_TYPE]) == (b"half", "Function.ValueError")
    assert (nothing.prelude["statusCode"], nothing.body) == (204, b"\n")
    assert exits.error["errorType"] == "SystemExit"
    assert f'"errorType": "ValueError", "requestId": "{raises.request_id}"' in child.output


@pytest.mark.parametrize(
    "handler",
    ["basic:app", "package/nested.app", "package.nested.app", "package/nested:app", "package.nested:app"],
)
async def test_each_spelling_of_a_handler_finds_the_app(host: Host, tmp_path: Path, handler: str) -> None:
    with runtime(host, handler, tmp_path):
        assert (await host.invoke().done()).prelude["statusCode"] == 200


@pytest.mark.parametrize("handler", ["", "app", ".app", "module.", "module:not valid", ":"])
def test_malformed_handler_says_how_to_write_it(handler: str) -> None:
    with pytest.raises(SetupError, match=r"write `module\.app`"):
        parse_handler(handler)


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("broken_import.app", "Runtime.ImportModuleError", "a_module_that_does_not_exist"),
        ("missing.app", "Runtime.ImportModuleError", "No module named 'missing'"),
        ("raising_import.app", "Function.ValueError", "no configuration"),
        ("basic.absent", "Runtime.HandlerNotFound", "no ASGI app named 'absent'"),
        ("nodot", "Runtime.MalformedHandlerName", "bad handler 'nodot'"),
        ("lifespan:failing", "Function.StartupFailed", "no database"),
    ],
)
async def test_error_at_start_is_reported_and_ends_the_process(
    host: Host, tmp_path: Path, handler: str, kind: str, message: str
) -> None:
    with runtime(host, handler, tmp_path) as child:
        assert await child.exit() == 1
    [(path, headers, error)] = host.reports
    assert path == "/2018-06-01/runtime/init/error"
    assert headers[ERROR_TYPE] == kind
    assert message in error["errorMessage"]
    assert message in child.output
    assert "GET /2018-06-01/runtime/invocation/next" not in host.log


async def test_bad_concurrency_is_an_error_at_start(host: Host, tmp_path: Path) -> None:
    with runtime(host, "basic.app", tmp_path, AWS_LAMBDA_MAX_CONCURRENCY="many") as child:
        assert await child.exit() == 1
    assert host.reports[0][1][ERROR_TYPE] == "Runtime.InvalidConfiguration"


async def test_runtime_names_the_missing_runtime_api(tmp_path: Path) -> None:
    variables = environment()
    variables.pop("AWS_LAMBDA_RUNTIME_API", None)
    with launch([sys.executable, "-m", "streaming_runtime", "basic.app"], variables, tmp_path) as child:
        assert await child.exit() == 1
    assert "AWS_LAMBDA_RUNTIME_API must be set" in child.output


async def test_lost_host_ends_the_process_with_an_error(tmp_path: Path) -> None:
    with ExitStack() as stack:
        async with Host().listen() as host:
            child = stack.enter_context(runtime(host, "basic.app", tmp_path))
            await host.invoke().done()
        assert await child.exit() == 1
    assert "[ERROR] Connection" in child.output


async def test_crash_between_bytes_leaves_the_response_without_an_end(host: Host, tmp_path: Path) -> None:
    with runtime(host, "basic.app", tmp_path) as child:
        call = await host.invoke(url_event("/dies")).done()
        assert await child.exit() == 9
    assert (call.body, call.trailers) == (b"half", {})
    assert not call.raw.endswith(b"0\r\n\r\n")


async def test_sigterm_runs_the_lifespan_shutdown(host: Host, tmp_path: Path) -> None:
    with runtime(host, "lifespan.app", tmp_path) as child:
        assert (await host.invoke().done()).body == b"ready"
        child.process.send_signal(signal.SIGTERM)
        assert await child.exit() == 0
    assert child.output.split() == ["startup", "shutdown"]


async def test_request_in_flight_at_sigterm_ends_with_a_reason(host: Host, tmp_path: Path) -> None:
    with runtime(host, "basic.app", tmp_path) as child:
        call = host.invoke(url_event("/waits"))
        await call.seen(b"waiting")
        child.process.terminate()
        await call.done()
        assert await child.exit() == 0
    assert call.trailers[ERROR_TYPE] == "Runtime.Shutdown"


async def test_app_that_refuses_to_end_does_not_hold_the_process(host: Host, tmp_path: Path) -> None:
    with runtime(host, "basic.app", tmp_path) as child:
        call = host.invoke(url_event("/ignores"))
        await call.seen(b"stubborn")
        child.process.terminate()
        assert await child.exit() == 0
    assert "cancelled" in child.output


async def test_twenty_megabytes_stream_in_the_memory_of_one_kilobyte(host: Host, tmp_path: Path) -> None:
    with runtime(host, "basic.app", tmp_path):
        await host.invoke().done()
        small = int((await host.invoke(url_event("/peak")).done()).body)
        large = await host.invoke(url_event("/megabytes", query="320"), keep=False).done()
        after = int((await host.invoke(url_event("/peak")).done()).body)
    assert large.size > 20_000_000
    assert after - small < 4_096


async def test_trace_id_reaches_the_environment(host: Host, tmp_path: Path) -> None:
    with runtime(host, "basic.app", tmp_path):
        call = await host.invoke(
            url_event("/trace"), headers={"Lambda-Runtime-Trace-Id": "Root=1-2-3"}
        ).done()
    assert call.body == b'{"env": "Root=1-2-3", "context": "Root=1-2-3"}'


@pytest.mark.parametrize("by_hand", [False, True], ids=["as Lambda's exec wrapper", "by hand"])
async def test_wrapper_starts_the_handler(host: Host, tmp_path: Path, by_hand: bool) -> None:
    variables = {**os.environ, "AWS_LAMBDA_RUNTIME_API": host.address, "PYTHONDONTWRITEBYTECODE": "1"}
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
    variables.pop("PYTHONPATH", None)
    task_root = tmp_path / "task"
    task_root.mkdir()
    (task_root / "function.py").write_text((Path(__file__).parent / "apps" / "basic.py").read_text())
    # A module of the function that hides one of the standard library must not break the runtime itself.
    (task_root / "streaming_runtime.py").write_text("raise ImportError('the wrong one')")
    variables |= {"LAMBDA_TASK_ROOT": str(task_root), "_HANDLER": "function.app"}
    arguments = ["function:app"] if by_hand else [sys.executable, "/var/runtime/bootstrap.py"]
    with launch([str(LAYER / "streaming-bootstrap"), *arguments], variables, tmp_path) as child:
        call = await host.invoke().done()
        assert call.body == HELLO
        child.process.terminate()
        assert await child.exit() == 0
    assert "hello from the app" in child.output
