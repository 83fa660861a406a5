"""The files of a project, applied to the running stack by `make run`."""

from pathlib import Path

from rich.console import Console as Terminal

from local.configuration import apply_files, has_files
from local.console import Console
from millrace.client import Client
from tests.stack import RunningStack


async def test_files_are_applied_and_mistakes_are_shown(stack: RunningStack, tmp_path: Path) -> None:
    token = stack.token("configured")
    terminal = Terminal(record=True, width=200)
    console = Console(terminal=terminal)
    assert not has_files(tmp_path)
    file = tmp_path / "agents.yaml"
    file.write_text("agents:\n  filed: {name: Filed, model: 'echo:'}\n")
    assert has_files(tmp_path)
    await apply_files(tmp_path, stack.url, token, console)
    with Client(stack.url, token) as client:
        assert client.agents.get("filed").name == "Filed"
    assert "created: agents.filed" in terminal.export_text()
    file.write_text("agents:\n  filed: {nam: Filed}\n")
    await apply_files(tmp_path, stack.url, token, console)
    assert f"{file}:2: agents.filed.nam" in terminal.export_text()


def test_folder_without_files_has_none(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text("")
    assert not has_files(tmp_path / "nowhere")
    assert not has_files(tmp_path)
