"""The command line against the running stack: what people see, what scripts get, and exit codes."""

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from millrace.cli.app import run
from millrace.client import Client
from tests.cli.terminal import CTRL_C, terminal
from tests.stack import RunningStack

ORGANIZATION = "cli"
CAREFUL = {
    "id": "careful",
    "name": "Careful",
    "model": "echo:",
    "tools": [{"name": "echo_tool", "policy": "ask"}],
}
DEFINITION = {
    "name": "From the terminal",
    "source": {"type": "api_event"},
    "destination": {"type": "webhook", "config": {"url": "http://127.0.0.1:9/none"}},
}


@pytest.fixture(autouse=True)
def environment(stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_URL", stack.url)
    monkeypatch.setenv("MILLRACE_TOKEN", stack.token(ORGANIZATION))
    monkeypatch.setenv("MILLRACE_CONFIG", str(tmp_path / "profiles.json"))


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with Client(stack.url, stack.token(ORGANIZATION)) as client:
        yield client


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """The output of a command."""
    assert run(list(arguments)) == code, capsys.readouterr().err
    return capsys.readouterr().out


def piped(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "millrace.cli", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_question_in_a_pipe_gets_nothing_but_its_answer() -> None:
    answered = piped("chat", "--agent", "echo", text="hello to you\n")
    assert (answered.returncode, answered.stdout) == (0, "hello to you\n")
    assert "\x1b" not in answered.stdout


def test_question_with_json_prints_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        json.loads(line) for line in printed(capsys, "chat", "--agent", "echo", "hi", "--json").splitlines()
    ]
    assert (events[0]["type"], events[-1]["type"]) == ("start", "done")


def test_chat_streams_injects_and_stops_on_a_terminal(client: Client) -> None:
    with terminal("chat", "--agent", "echo", "--conversation", "typed") as shown:
        shown.expect("You talk to echo.")
        shown.enter("/echo delayMs=20 tokens=5000")
        shown.expect("echo echo echo")
        shown.enter("be quick")
        shown.expect("(The agent sees it at its next step.)")
        shown.expect(">")  # before it the terminal itself would take Ctrl-C, and drop what was typed
        assert [one.content for one in client.conversations.injected("typed").items] == ["be quick"]
        shown.type("not yet" + CTRL_C)
        shown.expect("(stopped")
        shown.expect("> not yet")
        shown.type(CTRL_C)
        assert shown.wait() == 0


def test_approval_is_answered_in_place(client: Client) -> None:
    client.agents.put("careful", CAREFUL)
    with terminal("chat", "--agent", "careful") as shown:
        shown.expect("You talk to careful.")
        shown.enter("hello there")
        shown.expect("approve? [y/n]>")
        shown.enter("perhaps")
        shown.expect("Please answer y or n.")
        shown.enter("y")
        shown.expect("hello there\n(stop")
        shown.enter("/quit")
        assert shown.wait() == 0


def test_waiting_question_ends_with_its_own_code_and_is_answered_elsewhere(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.agents.put("careful", CAREFUL)
    printed(capsys, "chat", "--agent", "careful", "--conversation", "waits", "hello there", code=5)
    [call] = [
        json.loads(line)
        for line in printed(capsys, "approvals", "list", "--conversation", "waits", "--json").splitlines()
    ]
    answered = json.loads(printed(capsys, "runs", "answer", call["runId"], "--approve", "--json"))
    assert answered["answer"]["decision"] == "approve"
    assert printed(capsys, "runs", "tail", call["runId"]).strip() == "hello there"
    assert "completed" in printed(capsys, "runs", "show", call["runId"])


def test_run_is_stopped_and_followed_by_its_id(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    with client.conversations.send_message_stream(
        "long", "/echo delayMs=50 tokens=5000", agent_id="echo"
    ) as stream:
        next(stream)
        run_id = str(stream.run_id)
    printed(capsys, "runs", "stop", run_id)
    events = [json.loads(line) for line in printed(capsys, "runs", "tail", run_id, "--json").splitlines()]
    assert events[-1]["finishReason"] == "stopped"
    run(["runs", "stop", run_id])
    assert "is not running" in capsys.readouterr().err


def test_pipelines_are_created_pushed_to_and_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps(DEFINITION))
    created = json.loads(printed(capsys, "pipelines", "create", "-f", str(file), "--start", "--json"))
    assert created["state"] == "running"
    events = tmp_path / "events.jsonl"
    events.write_text("".join(f'{{"payload": {{"n": {n}}}, "id": "e{n}"}}\n' for n in range(3)))
    pushed = json.loads(printed(capsys, "pipelines", "push", created["id"], "-f", str(events), "--json"))
    assert pushed == {"accepted": 3}
    assert json.loads(printed(capsys, "pipelines", "push", created["id"], '{"n": 4}', "--json")) == {
        "accepted": 1
    }
    assert "itemsProcessed" in printed(capsys, "pipelines", "metrics", created["id"])
    assert json.loads(printed(capsys, "pipelines", "checkpoint", created["id"], "--json"))["version"] == 1
    assert json.loads(printed(capsys, "pipelines", "dead-letters", created["id"], "--count", "--json"))[
        "complete"
    ]
    assert json.loads(printed(capsys, "pipelines", "redrive", created["id"], "--json"))["state"]
    for verb, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        assert json.loads(printed(capsys, "pipelines", verb, created["id"], "--json"))["state"] == state
    assert created["id"] in printed(capsys, "pipelines", "list")


def test_event_that_is_not_json_is_named_by_its_line(tmp_path: Path) -> None:
    refused = piped("pipelines", "push", "p", text='{"n": 1}\nnonsense\n')
    assert refused.returncode == 2
    assert "line 2: not JSON" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["runs", "show", "run_none"], 1, "run_not_found"),
        (["pipelines", "show", "p"], 1, "pipeline_not_found"),
        (["nonsense"], 2, "No such command"),
        (["runs", "answer", "run_1"], 2, "one of --approve"),
        (["--token", "nonsense", "agents", "list"], 3, "millrace login"),
        (["--profile", "none", "--url", "", "agents", "list"], 3, "no profile"),
        (["--url", "http://127.0.0.1:1", "agents", "list"], 4, "Connection refused"),
        (["--url", "agents.example.com", "agents", "list"], 1, "must begin with http"),
    ],
)
def test_error_is_one_clear_line_and_an_exit_code(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert len(shown.err.strip().splitlines()) == 1


def test_local_stack_needs_no_login(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MILLRACE_TOKEN")
    assert "echo" in printed(capsys, "agents", "list")


def test_login_is_kept_in_a_file_of_its_owners(
    stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MILLRACE_TOKEN")
    monkeypatch.delenv("MILLRACE_URL")
    made = httpx.post(
        f"{stack.url}/_local/users", json={"username": "me@cli.example", "organization": "cli"}
    ).json()
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"readline": lambda self: made["password"] + "\n"})())
    printed(capsys, "login", stack.url, "--user", made["username"], "--password-stdin")
    file = tmp_path / "profiles.json"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert made["password"] not in file.read_text()
    assert "echo" in printed(capsys, "agents", "list")
    printed(capsys, "logout")
    assert json.loads(file.read_text()) == {}


def test_login_that_the_server_refuses_is_not_kept(tmp_path: Path, stack: RunningStack) -> None:
    refused = piped("--token", "nonsense", "login", stack.url)
    assert refused.returncode == 3
    assert not (tmp_path / "profiles.json").exists()


def test_watch_shows_runs_on_a_terminal(client: Client) -> None:
    # Long enough to be seen, whether it began before the terminal was connected or after.
    content = "/echo tools=0 tokens=600 delayMs=100\nhello"
    with (
        terminal("watch") as shown,
        client.conversations.send_message_stream("watched", content, agent_id="echo"),
    ):
        shown.expect("1 running")
        client.conversations.stop("watched")
        shown.expect("1 completed")
        shown.type(CTRL_C)
        assert shown.wait() == 130


def test_completion_is_there_for_bash() -> None:
    """For the shell that the command is called from."""
    command = f"{shlex.quote(sys.executable)} -m millrace.cli --show-completion; exit $?"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert "millrace" in shown.stdout
