"""The commands in docs/cli.md, with existing ids in place of the examples'."""

import json
import re
import shlex
from pathlib import Path

import pytest

from millrace.cli.app import run
from millrace.client import Client
from tests.stack import RunningStack

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
LINES = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]
COMMANDS = [line for line in LINES if line.startswith("millrace ")]
ELSEWHERE = (
    "millrace --install-completion",
    "millrace login",
    "millrace --token",
    "millrace chat",
    "millrace watch",
    "millrace export",
    "millrace apply",
    "millrace init",
)
"""Commands that change the machine, want files, a person or a terminal: other tests run them."""
ALONE = ("millrace chat --agent",)
HERE = [one for one in COMMANDS if not one.startswith(ELSEWHERE) or one.startswith(ALONE)]
DEFINITION = {
    "name": "From the page",
    "source": {"type": "api_event"},
    "destination": {"type": "webhook", "config": {"url": "http://127.0.0.1:9/none"}},
}


def waiting_run(client: Client, conversation: str) -> str:
    with client.conversations.send_message_stream(conversation, "Pay it.", agent_id="careful") as stream:
        for _ in stream:
            pass
    return str(stream.run_id)


def test_commands_of_the_page_work(
    stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, as a reader would try them; so they are one test."""
    token = stack.token("cli-page")
    monkeypatch.setenv("MILLRACE_URL", stack.url)
    monkeypatch.setenv("MILLRACE_TOKEN", token)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.json").write_text(json.dumps(DEFINITION))
    (tmp_path / "events.jsonl").write_text('{"payload": {"n": 1}, "id": "order-4711"}\n')
    with Client(stack.url, token) as client:
        client.agents.put(
            "careful", name="Careful", model="echo:", tools=[{"name": "echo_tool", "policy": "ask"}]
        )
        pipeline = client.streaming.create_pipeline(DEFINITION)
        client.streaming.start_pipeline(pipeline.id)
        asking, stopping = (waiting_run(client, name) for name in ("waits", "stops"))
        done = client.conversations.send_message("over", "hello", agent_id="echo")
        for command in HERE:
            run_id = asking if "answer" in command else stopping if "runs stop" in command else done.run_id
            real = command.replace("run_01J9...", run_id).replace("pipeline_01J9...", pipeline.id)
            code = run(shlex.split(real)[1:])
            wanted = (0, 1) if "health" in command else (0,)
            assert code in wanted, f"{real}\n{capsys.readouterr().err}"
    assert len(HERE) >= 14


def test_exit_codes_of_the_page_are_those_of_the_command() -> None:
    from millrace.cli import app
    from millrace.cli.configuration.commands import PENDING

    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    known = [0, app.REFUSED, 2, app.UNAUTHENTICATED, app.NO_CONNECTION, app.WAITS, PENDING, app.INTERRUPTED]
    assert codes == known
