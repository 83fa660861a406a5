"""The running stack for tests, as its users start it: a child process that serves one address.

`stack` is the product's own template; a test that takes it runs in the xdist group "stack", so that one
worker starts it once (`group_stack_tests`, called from `pytest_collection_modifyitems`).

    def test_something(stack: RunningStack) -> None:
        httpx.get(stack.url + "/api/agents", headers=stack.headers(organization="one"))
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest

from local import child
from local.sign_in import DEV_ORGANIZATION, DEV_USER
from local.token import fetch_token
from tests.fakes.receivers import Receivers
from tests.fakes.steady_model import Office

ROOT = Path(__file__).parent.parent
_STOP_SECONDS = 30.0
_GREETING = " runs on "
WITHOUT_OWN_CODE = ("--port", "0", "--app", str(ROOT / "no-app"))
"""The stack as it comes: the demo's agent in app/ would be the first that the page offers."""


def is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class RunningStack:
    """`python -m local` on a free port. `output` has the lines printed so far."""

    def __init__(self, arguments: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> None:
        self.output: list[str] = []
        self.calls = Path(tempfile.mkdtemp(prefix="millrace-calls-"))
        """The calls of AWS that the functions make, a file for each: see tests/recording."""
        shutil.copy(ROOT / "tests" / "recording" / "sitecustomize.py", self.calls)
        self._watches: list[_Watch] = []
        self._clients: dict[str, Any] = {}
        self.url = ""
        self.killed_at = 0.0
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            child.command(
                [sys.executable, "-u", "-m", "local", *WITHOUT_OWN_CODE, *arguments], signal.SIGTERM
            ),
            cwd=ROOT,
            # Not the natural voice, which takes seconds to load.
            env={
                **os.environ,
                "SPEECH_ENGINE": "espeak",
                "FUNCTIONS_PYTHONPATH": str(self.calls),
                **(environ or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self, seconds: float = 100.0) -> "RunningStack":
        """Return the stack when it is ready. Raises `RuntimeError` with the output if it does not start."""
        if not self._ready.wait(seconds) or not self.url:
            self.stop()
            raise RuntimeError("The stack did not start:\n" + "".join(self.output))
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    @cached_property
    def deployment(self) -> dict[str, Any]:
        """The body of `/_local/stack`: arguments (for boto3), tables, resources, outputs, functions."""
        description: dict[str, Any] = httpx.get(f"{self.url}/_local/stack").raise_for_status().json()
        return description

    def token(self, organization: str = DEV_ORGANIZATION, user: str = "") -> str:
        """Return a bearer token for a user of an organization (one user per organization unless named)."""
        username = user or (
            DEV_USER if organization == DEV_ORGANIZATION else f"someone@{organization}.example"
        )
        return fetch_token(self.url, username, organization)

    def headers(self, organization: str = DEV_ORGANIZATION, user: str = "") -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(organization, user)}"}

    def client(self, service: Any) -> Any:
        """Return the cached boto3 client of a service in the stack's account, because polls ask for it
        repeatedly."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, **self.deployment["arguments"])
        return self._clients[service]

    def output_has(self, wanted: Callable[[str], bool], times: int = 1) -> threading.Event:
        """Return an event that is set once `times` lines of the output match."""
        watch = _Watch(wanted, times)
        self._watches.append(watch)
        for line in list(self.output):
            watch.see(line)
        return watch.seen

    def kill(self, function: str) -> int:
        """Kill every process of a function (by its logical id), as a crash would, and return their number.

        When this returns, the processes are gone and the stack has noticed, because it is their parent and
        has reaped them. `killed_at` is the time on `time.monotonic()`'s scale.
        """
        name = self.deployment["functions"][function]["name"]
        found = []
        for process in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == name:
                    found.append(process)
        self.killed_at = time.monotonic()
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _, left = psutil.wait_procs(found, timeout=_STOP_SECONDS)
        # One that is dead all the same may wait for its parent, which looks only when it is asked again.
        assert all(is_dead(process) for process in left)
        return len(found)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = _STOP_SECONDS) -> int:
        """Return the exit status. Raises `subprocess.TimeoutExpired`."""
        status = self._process.wait(seconds)
        self._reader.join(seconds)
        return status

    def stop(self) -> None:
        child.end(self._process, _STOP_SECONDS)
        self._reader.join(_STOP_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        shutil.rmtree(self.calls, ignore_errors=True)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text = line.decode(errors="replace")
            self.output.append(text)
            for watch in self._watches:
                watch.see(text)
            if _GREETING in text and not self.url:
                self.url = text.split(_GREETING)[1].split()[0]
                self._ready.set()
        self._ready.set()


class _Watch:
    def __init__(self, wanted: Callable[[str], bool], times: int) -> None:
        self.seen = threading.Event()
        self._wanted = wanted
        self._times = times

    def see(self, line: str) -> None:
        self._times -= self._wanted(line)
        if self._times <= 0:
            self.seen.set()


@pytest.fixture(scope="session")
def stack(services: Receivers, steady_office: Office) -> Iterator[RunningStack]:
    names = ("MIXPANEL_BASE_URL", "AMPLITUDE_BASE_URL", "SEGMENT_BASE_URL")
    servers = {"OPENAI_SERVERS": steady_office.servers()}
    running = RunningStack(environ=dict.fromkeys(names, services.url) | servers)
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


def group_stack_tests(items: Sequence[pytest.Item]) -> None:
    """Run tests that use `stack` on one worker (`--dist loadgroup`), with the marker `stack`."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("stack"))
            item.add_marker(pytest.mark.stack)


def write_groups(items: Sequence[pytest.Item]) -> None:
    """Write each test's group into its id, where `--dist loadgroup` looks for it.

    xdist 3.8 sets it in an attribute that pytest 9.2 no longer reads, so each worker would start its own
    stack.
    """
    for item in items:
        groups = {mark.args[0] for mark in item.iter_markers("xdist_group")}
        if groups and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = item.id.parse(f"{item.nodeid}@{'_'.join(sorted(groups))}")
