"""MiniStack, the emulator of AWS's stores and queues, as a child process on a free loopback port.

    with MiniStack() as aws:
        dynamodb = boto3.client("dynamodb", **aws.client_arguments())

State lives in memory, or in `state_dir` when one is given; the port is then part of the state, since the
emulator knows its queues by URLs that name it. A 12-digit access key is an account of its own, so
tests that run at the same time do not see each other (`client_arguments(account="000000000042")`).
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from signal import SIGTERM
from typing import Self, TypedDict
from urllib.error import URLError
from urllib.request import urlopen

from local import child
from local.emulator import FUNCTIONS_PYTHON
from local.scratch import Scratch

ACCOUNT = "111111111111"
REGION = "us-east-1"
_SECRET = "local"
SESSION_TOKEN = "local"
_ROOT = Path(__file__).resolve().parent.parent
_PYTHON = Path(os.environ.get("MILLRACE_EMULATOR_PYTHON") or _ROOT / ".venv-emulator" / "bin" / "python")
ZONES = str(files("tzdata") / "zoneinfo")
"""The time zones that functions also use; a machine may have none of its own."""
_START_SECONDS = 30.0
_STOP_SECONDS = 1.0
_SAVE_SECONDS = 10.0
_ATTEMPTS = 3
_PORT_FILE = "port"
_QUEUE_PORT = re.compile(r"http://[^/:\"]+:(\d{2,5})/\d{12}/")


class ClientArguments(TypedDict):
    """The arguments with which `boto3.client` and `boto3.resource` use the emulator."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


class MiniStackError(RuntimeError):
    """The emulator did not start. The message ends with the last lines of its log."""


class MiniStack:
    """An emulator process. `start` returns when it answers, and `stop` when it has ended."""

    def __init__(
        self, state_dir: Path | None = None, log: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        """`log` is the file for its output. `environ` has variables for functions run by the emulator."""
        self._state_dir = state_dir
        self._environ = dict(environ or {})
        self._scratch = Scratch()
        self.log = log or self._scratch.path / "ministack.log"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id; 0 before `start` and after `stop`."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def client_arguments(self, account: str = ACCOUNT) -> ClientArguments:
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": REGION,
            "aws_access_key_id": account,
            "aws_secret_access_key": _SECRET,
        }

    def start(self) -> Self:
        """Start the emulator. Raises `MiniStackError` if it does not answer in time."""
        if not _PYTHON.exists():
            raise MiniStackError("The emulator is not installed: run `make install`.")
        kept = self._kept_port()
        for _ in range(_ATTEMPTS):  # another process may take the free port first
            self._port = kept or _free_port()
            self._spawn()
            if self._answers():
                self._keep_port()
                return self
            self._end_process()
        raise MiniStackError(f"MiniStack did not start. Its last output:\n{self.last_words()}")

    def _kept_port(self) -> int:
        """Return the port of the kept state, or 0 if there is none.

        Raises `MiniStackError` if it is in use.
        """
        port = _port_of(self._state_dir) if self._state_dir else 0
        if port and not _is_free(port):
            raise MiniStackError(
                f"The state in {self._state_dir} needs port {port}, which another process uses: "
                "end that process, or keep the state in another folder."
            )
        return port

    def _keep_port(self) -> None:
        if self._state_dir:
            (self._state_dir / _PORT_FILE).write_text(f"{self._port}\n")

    def stop(self) -> None:
        self._end_process()
        self._scratch.remove()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self) -> None:
        # After SIGTERM, it saves the state that is kept.
        argv = child.command([str(_PYTHON), "-m", "local.emulator"], at_parents_death=SIGTERM)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                argv,
                env=self._environment(),
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_REGION": REGION,
            # It verifies signed URLs and forms with this.
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_SESSION_TOKEN": SESSION_TOKEN,  # functions have one, as on AWS
            "TMPDIR": str(self._scratch.path),
            "S3_DATA_DIR": str((self._state_dir or self._scratch.path) / "s3"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            FUNCTIONS_PYTHON: sys.executable,
            "PYTHONUNBUFFERED": "1",
            "PYTHONTZPATH": ZONES,
        }
        if first := self._environ.get("FUNCTIONS_PYTHONPATH"):
            own["PYTHONPATH"] = first  # functions that it runs get its own variables
        if self._state_dir:
            own |= {"PERSIST_STATE": "1", "S3_PERSIST": "1", "STATE_DIR": str(self._state_dir / "aws")}
        return inherited | self._environ | own

    def _answers(self) -> bool:
        until = time.monotonic() + _START_SECONDS
        while self.running and time.monotonic() < until:
            if _is_ready(self.endpoint_url):
                return True
            time.sleep(0.02)
        return False

    def _end_process(self) -> None:
        if self._process:
            child.end(self._process, _SAVE_SECONDS if self._state_dir else _STOP_SECONDS)
            self._process = None


def _port_of(state_dir: Path) -> int:
    """Return the recorded port; for state of earlier versions the one in the URLs of its queues."""
    written = state_dir / _PORT_FILE
    if written.exists():
        return int(written.read_text())
    for file in sorted((state_dir / "aws").glob("sqs*.json")):
        if found := _QUEUE_PORT.search(file.read_text(errors="replace")):
            return int(found[1])
    return 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of the last run may still be in TIME_WAIT, which must not make its port look occupied.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_ready(endpoint_url: str) -> bool:
    try:
        with urlopen(f"{endpoint_url}/_ministack/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
