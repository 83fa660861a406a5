"""A real MariaDB server in a temporary folder, on a free port of 127.0.0.1, stopped by its pid.

Its settings are difficult ones that users have: a time zone two hours from UTC, and an empty `sql_mode`.
"""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.servers import PASSWORD, free_port, give, running, unprivileged

_FIRST = f"""
CREATE DATABASE tests CHARACTER SET utf8mb4;
CREATE USER tester@localhost IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO tester@localhost;
"""


def program() -> Path | None:
    """Return the server's program, or None if it is not installed."""
    found = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
    return Path(found) if found else None


@contextmanager
def mariadb(server: Path) -> Iterator[str]:
    """Run a server and yield its URL. If run by root, it becomes user mysql."""
    with tempfile.TemporaryDirectory(prefix="mariadb-", ignore_cleanup_errors=True) as name:
        folder, user, port = Path(name), unprivileged("mysql"), free_port()
        first = folder / "first.sql"
        first.write_text(_FIRST)
        (folder / "data").mkdir()
        give(user, folder, folder / "data", first)
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={folder / 'data'}",
                # A starting server removes the temporary tables there, even those of other servers.
                f"--tmpdir={folder}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            user=user,
            check=True,
            capture_output=True,
        )
        options = {
            "datadir": folder / "data",
            "tmpdir": folder,
            "socket": folder / "socket",
            "pid-file": folder / "pid",
            "bind-address": "127.0.0.1",
            "port": port,
            "init-file": first,
            "default-time-zone": "+02:00",
            "sql-mode": "",
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-buffer-pool-size": "16M",
            "innodb-lock-wait-timeout": 2,
        }
        command: list[str | Path] = [
            server,
            "--no-defaults",
            *(f"--{key}={value}" for key, value in options.items()),
        ]
        with running(command, user, "ready for connections", signal.SIGTERM):
            yield f"mysql://tester:{PASSWORD}@127.0.0.1:{port}/tests?sslmode=disable"
