"""AWS's runtime interface emulator, which comes with aws-sam-cli."""

import asyncio
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.runtime.harness import APPS, LAYER, ROOT, Runtime, environment, launch

PATTERN = ".venv-sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"
INVOKE = "/2015-03-31/functions/function/invocations"
# In concurrent mode the emulator wants Lambda's folders and starts the function as another user, so it gets
# file system mounts of its own, where everybody may read.
STAGE = """
mount -t tmpfs none /var && mkdir -p /var/task /var/runtime
cp -r "$STAGE_LAYER"/. /var/runtime/ && cp -r "$STAGE_APPS"/. /var/task/
printf '#!/bin/sh\\nexec "%s" -m streaming_runtime basic.app\\n' "$STAGE_PYTHON" > /var/runtime/bootstrap
chmod -R a+rX /var/task /var/runtime && chmod a+x /var/runtime/bootstrap
cd /var/task && exec "$@"
"""


def program() -> Path | None:
    """The emulator's binary, if aws-sam-cli is there."""
    machine = "arm64" if platform.machine() == "aarch64" else "x86_64"
    return next(ROOT.glob(PATTERN.format(machine=machine)), None)


def public_python() -> str | None:
    """A Python from 3.11 on that other users may run."""
    for path in ("/usr/local/bin/python3", "/usr/bin/python3"):
        script = "import sys; sys.exit(sys.version_info < (3, 11))"
        if Path(path).exists() and subprocess.run([path, "-c", script], check=False).returncode == 0:
            return path
    return None


def can_mount() -> bool:
    """Return whether this user may create mounts."""
    unshare = shutil.which("unshare")
    test = [unshare or "", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(unshare) and subprocess.run(test, capture_output=True, check=False).returncode == 0


class Emulator:
    """One emulator and the runtime in it."""

    def __init__(self, address: str, child: Runtime) -> None:
        self._address, self._child = address, child

    async def invoke(self, event: object) -> bytes:
        """Prelude, eight NUL and body of one invocation, or Lambda's error object."""
        async with httpx.AsyncClient(base_url=self._address, timeout=30, trust_env=False) as client:
            for _ in range(1_000):
                answer = await client.post(INVOKE, content=json.dumps(event))
                # In concurrent mode the emulator does not wait until the runtime polls.
                if b"Runtime.Unavailable" not in answer.content:
                    break
                await asyncio.sleep(0.01)
        return answer.content

    async def until_it_listens(self) -> None:
        port = int(self._address.rsplit(":", 1)[1])
        for _ in range(1_000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.01)
        raise AssertionError(f"the emulator does not listen: {self.output}")

    @property
    def output(self) -> str:
        return self._child.output


@contextmanager
def emulator(binary: Path, handler: str, tmp_path: Path) -> Iterator[Emulator]:
    """The runtime under the emulator."""
    command = [sys.executable, "-m", "streaming_runtime", handler]
    with emulator_of(binary, command, environment(), tmp_path, APPS) as running:
        yield running


@contextmanager
def emulator_of(
    binary: Path, command: list[str], variables: Mapping[str, str], tmp_path: Path, folder: Path
) -> Iterator[Emulator]:
    """Any command under the emulator, started in `folder`."""
    arguments, address = addresses()
    with launch([str(binary), *arguments, *command], variables, tmp_path, folder) as child:
        yield Emulator(address, child)


@contextmanager
def concurrent_emulator(binary: Path, python: str, tmp_path: Path, count: int) -> Iterator[Emulator]:
    """`basic.app` under the emulator in the mode of Lambda Managed Instances."""
    arguments, address = addresses()
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": "/var/runtime/python",
        "STAGE_LAYER": str(LAYER),
        "STAGE_APPS": str(APPS),
        "STAGE_PYTHON": python,
        "AWS_LAMBDA_MAX_CONCURRENCY": str(count),
    }
    stage = ["unshare", "-m", "--kill-child", "sh", "-ec", STAGE, "stage"]
    with launch([*stage, str(binary), *arguments, "/var/runtime/bootstrap"], variables, tmp_path) as child:
        yield Emulator(address, child)


def addresses() -> tuple[list[str], str]:
    """The emulator's arguments with two free ports, and the URL to invoke it."""
    with socket.socket() as front, socket.socket() as back:
        for each in (front, back):
            each.bind(("127.0.0.1", 0))
        invoke, api = front.getsockname()[1], back.getsockname()[1]
    arguments = ["--runtime-interface-emulator-address", f"127.0.0.1:{invoke}"]
    return [*arguments, "--runtime-api-address", f"127.0.0.1:{api}"], f"http://127.0.0.1:{invoke}"
