"""A real PostgreSQL server in a temporary folder, on a free port of 127.0.0.1, stopped by its pid."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

PASSWORD = "a-password-of-the-tests"
_START_SECONDS = 30.0


def programs() -> Path | None:
    """The folder with initdb and postgres; None where there is none."""
    folders = [Path(found).parent for found in glob("/usr/lib/postgresql/*/bin/initdb")]
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else (sorted(folders)[-1] if folders else None)


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Runs a server; gives its URL. It refuses to be run by root, so then it runs as user postgres."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        user = "postgres" if os.getuid() == 0 else None
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user:
            entry = pwd.getpwnam(user)
            for path in (folder, secret):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        arguments = [
            "-D",
            str(folder / "data"),
            "-U",
            "tester",
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(secret),
        ]
        subprocess.run(
            [programs / "initdb", *arguments, "--no-sync"], user=user, check=True, capture_output=True
        )
        with _server(programs, folder, user) as port:
            yield f"postgresql://tester:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=disable"


@contextmanager
def _server(programs: Path, folder: Path, user: str | None) -> Iterator[int]:
    port = _free_port()
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-F"]
    process = subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", *options],
        user=user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    ready = threading.Event()
    reader = threading.Thread(target=_watch, args=(process, ready), daemon=True)
    reader.start()
    try:
        if not ready.wait(_START_SECONDS) or process.poll() is not None:
            raise RuntimeError("PostgreSQL did not start.")
        yield port
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.wait(20)
        reader.join(5)
        if process.stderr:
            process.stderr.close()


def _watch(process: "subprocess.Popen[str]", ready: threading.Event) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if "ready to accept connections" in line:
            ready.set()
    ready.set()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
