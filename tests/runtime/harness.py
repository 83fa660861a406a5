"""Runs the streaming runtime: its workers in this process, or all of it in a separate process."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from streaming_runtime.asgi import ASGIApp
from streaming_runtime.runtime import Worker
from streaming_runtime.sources import Mode
from tests.runtime.host import Host

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers" / "runtime"
APPS = Path(__file__).parent / "apps"
EXIT_LIMIT_S = 20


@contextlib.asynccontextmanager
async def workers(
    app: ASGIApp, host: Host, count: int = 1, state: dict[str, Any] | None = None, mode: Mode = "stream"
) -> AsyncIterator[list[Worker]]:
    """`count` workers of the runtime in this loop."""
    started = [Worker(app, state or {}, host.address, count == 1, mode) for _ in range(count)]
    try:
        yield started
    finally:
        for worker in started:
            worker.stop()
            worker.cut_short()
        await asyncio.gather(*(worker.task for worker in started), return_exceptions=True)


class Runtime:
    """`python -m streaming_runtime handler` in a process of its own; its output goes to a file."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], output: Path, folder: Path = APPS
    ) -> None:
        self._output = output
        with output.open("wb") as sink:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=sink, stderr=subprocess.STDOUT
            )

    async def exit(self) -> int:
        """The exit status, once the process has ended."""
        return await asyncio.to_thread(self.process.wait, EXIT_LIMIT_S)

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8")

    async def printed(self, text: str) -> None:
        """Wait until the process has printed `text`."""
        for _ in range(EXIT_LIMIT_S * 100):
            if text in self.output:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{text!r} was not printed, but: {self.output}")


@contextlib.contextmanager
def runtime(
    host: Host,
    handler: str,
    tmp_path: Path,
    *,
    python: str = sys.executable,
    also: Path | None = None,
    **variables: str,
) -> Iterator[Runtime]:
    """The runtime as a child process, killed at the end; `also` is one more folder to import from."""
    surroundings = environment(AWS_LAMBDA_RUNTIME_API=host.address, **variables)
    if also is not None:
        surroundings["PYTHONPATH"] += f":{also}"
    with launch([python, "-m", "streaming_runtime", handler], surroundings, tmp_path) as child:
        yield child


@contextlib.contextmanager
def launch(
    command: list[str], variables: Mapping[str, str], tmp_path: Path, folder: Path = APPS
) -> Iterator[Runtime]:
    """A command run in `folder` until the end of the block; its output goes to `tmp_path`."""
    child = Runtime(command, variables, tmp_path / "output", folder)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.wait()


def environment(**variables: str) -> dict[str, str]:
    """This process's environment with the layer on the import path."""
    return {**os.environ, "PYTHONPATH": str(LAYER / "python"), "PYTHONDONTWRITEBYTECODE": "1", **variables}


def interpreters() -> dict[str, str]:
    """Every Python from 3.11 to 3.14 on this machine: version to program."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    for version in ("3.11", "3.12", "3.13", "3.14"):
        programs = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")]
        path = shutil.which(f"python{version}")
        candidates = [str(program) for program in programs] + ([path] if path else [])
        if working := next((program for program in candidates if _is_python(program, version)), None):
            found.setdefault(version, working)
    return found


def _is_python(program: str, version: str) -> bool:
    """Return whether the program starts: a version manager's shim may stand for nothing."""
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    result = subprocess.run([program, "-c", script], capture_output=True, text=True, check=False, timeout=20)
    return result.stdout.strip() == version
