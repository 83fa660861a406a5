"""Environments of one function: throttling, idle ones, restarts. Real processes, no emulator."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from local.deploy import Function
from local.environments import Environments, Throttled
from local.invocation import FunctionFailed, Invocation
from local.ministack import ClientArguments
from local.template import FunctionSource

FUNCTIONS = Path(__file__).parent / "functions"
NOWHERE: ClientArguments = {
    "endpoint_url": "http://127.0.0.1:9",
    "region_name": "us-east-1",
    "aws_access_key_id": "111111111111",
    "aws_secret_access_key": "local",
}


def a_function(folder: str, timeout: int = 20) -> Function:
    return Function(
        logical_id="AFunction",
        name="a-function",
        arn="arn:aws:lambda:us-east-1:111111111111:function:a-function",
        handler="app.handler",
        runtime="python3.13",
        timeout=timeout,
        memory=128,
        environment={},
        log_group="/aws/lambda/a-function",
        source=FunctionSource("AFunction", FUNCTIONS / folder, (), ()),
        url=None,
    )


@asynccontextmanager
async def environments(
    folder: str = "waiting",
    limit: int = 4,
    idle_seconds: float = 60.0,
    seconds: int = 20,
    on_line: Callable[[str, str], None] = lambda request_id, line: None,
) -> AsyncIterator[Environments]:
    running = Environments(
        a_function(folder, seconds), NOWHERE, on_line, limit=limit, idle_seconds=idle_seconds
    )
    try:
        yield running
    finally:
        await running.stop()


def an_invocation(**event: object) -> Invocation:
    return Invocation(json.dumps(event).encode(), "arn", 20)


async def result(invocation: Invocation) -> dict[str, object]:
    await invocation.response()
    reported: dict[str, object] = json.loads(b"".join([chunk async for chunk in invocation.chunks()]))
    return reported


def a_pipe(folder: Path, name: str) -> Path:
    os.mkfifo(folder / name)
    return folder / name


async def test_beyond_the_limit_a_request_is_throttled_and_later_ones_are_served(tmp_path: Path) -> None:
    pipes = [a_pipe(tmp_path, str(number)) for number in range(2)]
    async with environments(limit=2) as running:
        busy = [an_invocation(pipe=str(pipe)) for pipe in pipes]
        tasks = [running.invoke(one) for one in busy]
        opened = [await asyncio.to_thread(pipe.open, "w") for pipe in pipes]
        refused = an_invocation()
        running.invoke(refused)
        with pytest.raises(Throttled):
            await refused.response()
        for pipe in opened:
            pipe.close()
        assert {(await result(one))["pid"] for one in busy} != {None}
        await asyncio.wait(tasks)
        later = an_invocation()
        running.invoke(later)
        assert (await result(later))["pid"]
        assert len(running) == 2


async def test_requests_that_wait_for_their_environment_count_too() -> None:
    async with environments(limit=3) as running:
        crowd = [an_invocation() for _ in range(8)]
        await asyncio.wait([running.invoke(one) for one in crowd])
        throttled = [one for one in crowd if isinstance(one.failure, Throttled)]
        assert len(throttled) == 5
        assert len(running) <= 3


async def test_environment_used_last_is_used_first(tmp_path: Path) -> None:
    pipe = a_pipe(tmp_path, "pipe")
    async with environments() as running:
        lease = an_invocation(pipe=str(pipe))
        first = running.invoke(lease)
        opened = await asyncio.to_thread(pipe.open, "w")
        quick = an_invocation()
        await asyncio.wait({running.invoke(quick)})
        opened.close()
        last = (await result(lease))["pid"]
        await asyncio.wait({first})
        again = an_invocation()
        running.invoke(again)
        assert (await result(again))["pid"] == last


async def test_idle_environments_end_and_one_stays_warm(tmp_path: Path) -> None:
    pipe = a_pipe(tmp_path, "pipe")
    async with environments(idle_seconds=0.05) as running:
        lease = an_invocation(pipe=str(pipe))
        first = running.invoke(lease)
        opened = await asyncio.to_thread(pipe.open, "w")
        quick = an_invocation()
        await asyncio.wait({running.invoke(quick)})
        other = (await result(quick))["pid"]
        opened.close()
        await asyncio.wait({first})
        await asyncio.to_thread(psutil.wait_procs, _processes(other), timeout=10)
        assert len(running) == 1


async def test_restarted_functions_get_new_processes_and_busy_ones_finish(tmp_path: Path) -> None:
    pipe = a_pipe(tmp_path, "pipe")
    async with environments() as running:
        await running.warm()
        lease = an_invocation(pipe=str(pipe))
        task = running.invoke(lease)
        opened = await asyncio.to_thread(pipe.open, "w")
        await running.restart()
        opened.close()
        old = (await result(lease))["pid"]
        await asyncio.wait({task})
        assert len(running) == 0
        new = an_invocation()
        running.invoke(new)
        assert (await result(new))["pid"] != old


async def test_stop_in_mid_request_ends_the_process_and_what_it_started(tmp_path: Path) -> None:
    pipe = a_pipe(tmp_path, "pipe")
    async with environments() as running:
        lease = an_invocation(pipe=str(pipe), child=str(tmp_path / "child"))
        running.invoke(lease)
        opened = await asyncio.to_thread(pipe.open, "w")
        grandchild = int((tmp_path / "child").read_text())
        await running.stop()
        with pytest.raises(FunctionFailed, match="Runtime exited"):
            await lease.response()
        opened.close()
        _, alive = psutil.wait_procs(_processes(grandchild), timeout=10)
        assert not alive


async def test_timeout_kills_the_process() -> None:
    async with environments(seconds=1) as running:
        hanging = an_invocation(hang=True)
        task = running.invoke(hanging)
        with pytest.raises(FunctionFailed, match="Task timed out after"):
            await hanging.response()
        await asyncio.wait({task})
        assert len(running) == 0


async def test_init_failure_is_told_in_words_and_the_next_request_tries_again() -> None:
    lines: list[str] = []
    async with environments("broken", on_line=lambda request_id, line: lines.append(line)) as running:
        for _ in range(2):
            failing = an_invocation()
            running.invoke(failing)
            with pytest.raises(FunctionFailed, match="a_module_that_nobody_has") as caught:
                await failing.response()
            assert caught.value.kind == "Runtime.ImportModuleError"
        assert len(running) == 0
    assert any("a_module_that_nobody_has" in line for line in lines)


async def test_function_without_code_fails_in_words() -> None:
    async with environments("missing") as running:
        failing = an_invocation()
        running.invoke(failing)
        with pytest.raises(FunctionFailed, match="missing"):
            await failing.response()


async def test_line_without_an_end_is_logged_too() -> None:
    lines: list[str] = []
    async with environments(on_line=lambda request_id, line: lines.append(line)) as running:
        chatty = an_invocation(say="x" * 1_000_000)
        await asyncio.wait({running.invoke(chatty)})
    assert sum(line.count("x") for line in lines) == 1_000_000
    assert max(map(len, lines)) < 1_000_000


def _processes(pid: object) -> list[psutil.Process]:
    try:
        return [psutil.Process(int(str(pid)))]
    except psutil.NoSuchProcess:
        return []
