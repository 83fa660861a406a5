"""One execution environment: a real function process, and the Runtime API that it uses."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL

from local import child
from local.deploy import Function
from local.function_process import FunctionProcessError, command, variables
from local.invocation import FunctionFailed, Invocation
from local.ministack import ClientArguments
from local.runtime_api import RuntimeApi

_INIT_SECONDS = 60.0  # Lambda's is 10, but here many may start at once on few cores
_LINE_BYTES = 256 * 1024
_OUTPUT_SECONDS = 1.0

OnLine = Callable[[str, str], None]
"""Called with a request id (empty during init) and a line that the function wrote."""


class Environment:
    """An environment.

    Start it once, run invocations one after another, and stop it; `retired` ones get no more.
    """

    def __init__(
        self, function: Function, arguments: ClientArguments, extra: Mapping[str, str], on_line: OnLine
    ) -> None:
        self._function = function
        self._arguments = arguments
        self._extra = extra
        self._on_line = on_line
        self._api = RuntimeApi()
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._dead = asyncio.Event()
        self._undelivered = False
        self.invocation: Invocation | None = None
        self.retired = False
        self.idle_since = 0.0
        self.init_seconds = 0.0

    @property
    def alive(self) -> bool:
        return self._process is not None and not self._dead.is_set()

    @property
    def busy(self) -> bool:
        """The response is in progress."""
        return self.invocation is not None and not self.invocation.ended.is_set()

    @property
    def finishing(self) -> bool:
        """The response is done, but the function has not asked for the next event yet."""
        return self.invocation is not None and self.invocation.ended.is_set()

    async def start(self) -> None:
        """Return when the function asks for work. Raises `FunctionFailed` if its init fails."""
        begun = time.monotonic()
        await self._api.start()
        await self._spawn()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._api.ready.wait(), _INIT_SECONDS)
        self.init_seconds = time.monotonic() - begun
        failure = self._api.init_failure
        if not self._api.ready.is_set():
            failure = FunctionFailed("Sandbox.Timedout", f"Init took longer than {_INIT_SECONDS:.0f} s.")
        if failure:
            await self.stop()
            raise failure

    async def run(self, invocation: Invocation) -> bool:
        """Run one invocation until the function is ready for another.

        Return False if it never received the event.
        """
        self.invocation = invocation
        self._api.submit(invocation)
        if not await self._comes_back():
            invocation.fail(_timed_out(invocation))
            await self.stop()
        self.invocation = None
        return not self._undelivered

    async def stop(self) -> None:
        """Kill the process and everything that it started."""
        if self._process and not self._dead.is_set():
            child.end_group(self._process.pid, SIGKILL)
        if self._watcher:
            await self._watcher

    def peak_memory(self) -> int:
        """Return MB, or 0 if the system does not provide it."""
        with contextlib.suppress(OSError, IndexError, ValueError):
            status = Path(f"/proc/{self._process.pid if self._process else 0}/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) // 1024
        return 0

    async def _comes_back(self) -> bool:
        waits = {asyncio.create_task(self._api.idle.wait()), asyncio.create_task(self._dead.wait())}
        done, _ = await asyncio.wait(
            waits, timeout=self._function.timeout, return_when=asyncio.FIRST_COMPLETED
        )
        for wait in waits:
            wait.cancel()
        return bool(done)

    async def _spawn(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *child.command(command(self._function)),
                env=variables(self._function, self._arguments, self._api.address, self._extra),
                cwd=self._function.source.code,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except (FunctionProcessError, OSError) as error:
            self._api.close(FunctionFailed("Runtime.InvalidEntrypoint", str(error)))
        else:
            self._watcher = asyncio.create_task(self._watch(self._process))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        output = asyncio.create_task(self._pump(process))
        status = await process.wait()
        child.end_group(process.pid, SIGKILL)  # everything that it started
        await asyncio.wait({output}, timeout=_OUTPUT_SECONDS)
        output.cancel()  # a process that has left the group may keep the pipe open forever
        self._undelivered = self._api.close(_exited(status))
        self._dead.set()

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while piece := await process.stdout.read(_LINE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._forward(line)
            if len(rest) > _LINE_BYTES:
                self._forward(rest)
                rest = b""
        if rest:
            self._forward(rest)

    def _forward(self, line: bytes) -> None:
        self._on_line(self.invocation.request_id if self.invocation else "", line.decode(errors="replace"))


def _timed_out(invocation: Invocation) -> FunctionFailed:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    message = f"{now} {invocation.request_id} Task timed out after {invocation.timeout:.2f} seconds"
    return FunctionFailed("Sandbox.Timedout", message)


def _exited(status: int) -> FunctionFailed:
    how = f"signal: {-status}" if status < 0 else f"exit status {status}"
    return FunctionFailed("Runtime.ExitError", f"Runtime exited: {how}")
