"""A real PostgreSQL server in a temporary folder, on a free port of 127.0.0.1, stopped by its pid.

Its time zone is not UTC, as with some users' servers.
"""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

from tests.fakes.servers import PASSWORD, free_port, give, running, unprivileged


def programs() -> Path | None:
    """Return the folder with initdb and postgres, or None if they are not installed."""
    folders = [Path(found).parent for found in glob("/usr/lib/postgresql/*/bin/initdb")]
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else (sorted(folders)[-1] if folders else None)


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Run a server and yield its URL. It does not run as root, so then it runs as user postgres."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder, user, port = Path(name), unprivileged("postgres"), free_port()
        secret = folder / "password"
        secret.write_text(PASSWORD)
        give(user, folder, secret)
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
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-F", "-c", "TimeZone=Asia/Kolkata"]
        command: list[str | Path] = [programs / "postgres", "-D", folder / "data", *options]
        with running(command, user, "ready to accept connections", signal.SIGINT):  # fast shutdown
            yield f"postgresql://tester:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=disable"
