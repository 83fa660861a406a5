"""The `Dockerfile`, which is not built here: everything that it copies is there, what it installs is what its
apps import, and its command is the one that is tested (`test_serve`)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from millrace.serve import __main__ as command
from millrace.serve.app import ROUTES
from tests.templates import translated

ROOT = Path(__file__).resolve().parents[2]
LINES = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
APIS = {"management": "api"}


def words(instruction: str) -> list[list[str]]:
    return [line.split()[1:] for line in LINES if line.startswith(instruction + " ")]


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split() if (ROOT / ".dockerignore").exists() else []
    for source, _ in words("COPY"):
        assert (ROOT / source).exists(), source
        assert not any(Path(source).match(pattern) for pattern in ignored), source


def test_every_lock_file_of_the_apps_is_installed_with_its_hashes() -> None:
    copied = {source: target for source, target in words("COPY")}
    apps = [ROOT / "functions" / APIS.get(name, name) for name in ROUTES]
    wanted = [path.relative_to(ROOT).as_posix() for app in apps for path in app.glob("requirements.txt")]
    [install] = [line for line in LINES if "pip install" in line]
    for lock in ("layers/shared/python/requirements.txt", "functions/serve-requirements.txt", *wanted):
        assert f"-r {copied[lock]}" in install, lock
        pins = re.findall(r"^[A-Za-z0-9].*==.*$", (ROOT / lock).read_text(), re.MULTILINE)
        assert pins, lock
        assert "--hash=sha256:" in (ROOT / lock).read_text(), lock
    assert "--require-hashes" in install


def test_image_has_the_python_of_the_functions() -> None:
    runtimes = {
        function["Properties"]["Runtime"]
        for function in translated().body["Resources"].values()
        if function["Type"] == "AWS::Lambda::Function"
    }
    [[image]] = words("FROM")
    assert runtimes == {image.removesuffix("-slim").replace(":", "")}


def test_command_serves_at_the_port_that_is_exposed_and_not_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}
    for table in ("CONVERSATIONS_TABLE", "RUNS_TABLE", "EVENTS_TABLE"):
        monkeypatch.setenv(table, "table")
    monkeypatch.setattr(command, "create_app", lambda settings, names: names)
    monkeypatch.setattr(uvicorn, "run", lambda app, **given: served.update(given, app=app))
    given = json.loads(next(line for line in LINES if line.startswith("CMD")).removeprefix("CMD "))
    assert given[:3] == ["python", "-m", "millrace.serve"]
    assert command.main(given[3:]) == 0
    assert served["host"] == "0.0.0.0"  # noqa: S104 - within its container
    assert [str(served["port"])] == words("EXPOSE")[0]
    assert served["app"] == tuple(ROUTES)
    [[user]] = words("USER")
    assert user != "root"
    assert any(f"useradd --system {user}" in line for line in LINES)
