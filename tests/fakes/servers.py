"""Database servers for tests: a free port of 127.0.0.1, and a process that is stopped by its pid."""

import os
import pwd
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "a-password-of-the-tests"
_START_SECONDS = 60.0


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unprivileged(name: str) -> str | None:
    """Return the user to run a server as: `name` if the tests run as root, which servers refuse."""
    return name if os.getuid() == 0 else None


def give(user: str | None, *paths: Path) -> None:
    """Make `user` the owner of paths."""
    if user:
        entry = pwd.getpwnam(user)
        for path in paths:
            os.chown(path, entry.pw_uid, entry.pw_gid)


@contextmanager
def running(
    command: Sequence[str | Path], user: str | None, ready: str, stop: signal.Signals
) -> Iterator[None]:
    """Run a server, from the line on stderr that contains `ready` until the block ends."""
    process = subprocess.Popen(
        command, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    heard, lines = threading.Event(), list[str]()
    reader = threading.Thread(target=_watch, args=(process, ready, heard, lines), daemon=True)
    reader.start()
    try:
        if not heard.wait(_START_SECONDS) or process.poll() is not None:
            raise RuntimeError(f"{command[0]} did not start: {' '.join(lines[-5:])}")
        yield
    finally:
        process.send_signal(stop)
        process.wait(30)
        reader.join(5)
        if process.stderr:
            process.stderr.close()


def _watch(process: "subprocess.Popen[str]", ready: str, heard: threading.Event, lines: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if not heard.is_set():
            lines.append(line)
        if ready in line:
            heard.set()
    heard.set()
