"""`python -m local` as a user runs it: start, signals, ports, tokens, kept state, reloading."""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import jwt
import psutil
import pytest

from local.token import port
from tests.local.conftest import TEMPLATE
from tests.stack import ROOT, RunningStack

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("small_stack")]


@contextmanager
def a_stack(*arguments: str, template: Path = TEMPLATE) -> Iterator[RunningStack]:
    running = RunningStack(["--template", str(template), *arguments])
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


def family(running: RunningStack) -> list[psutil.Process]:
    """The stack, MiniStack, and at least one process per function that starts."""
    parent = psutil.Process(running.pid)
    processes = [parent, *parent.children(recursive=True)]
    assert len(processes) >= 6
    return processes


def all_end(processes: list[psutil.Process], seconds: float) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not alive


def end_in_mid_stream(running: RunningStack, how: signal.Signals) -> None:
    with httpx.stream("GET", f"{running.url}/patient/hang?begin=1", timeout=30) as response:
        next(response.iter_bytes())
        processes = family(running)
        running.signal(how)
        assert running.wait() == 0
    assert all_end(processes, 30)


def test_sigterm_ends_every_process_even_in_mid_stream() -> None:
    with a_stack() as running:
        end_in_mid_stream(running, signal.SIGTERM)


def test_two_signals_end_it_hard_and_leave_nothing() -> None:
    with a_stack() as running:
        processes = family(running)
        running.signal(signal.SIGINT)
        running.signal(signal.SIGINT)
        assert running.wait() in (0, 130)
        assert all_end(processes, 30)


def test_stack_ends_with_a_reason_when_the_emulator_dies() -> None:
    with a_stack() as running:
        processes = family(running)
        os.kill(running.deployment["ministack_pid"], signal.SIGKILL)
        assert running.wait(60) == 0
        assert all_end(processes, 30)
        assert "MiniStack has died" in "".join(running.output)


def test_port_in_use_is_told_with_what_to_do(small_stack: RunningStack) -> None:
    port = httpx.URL(small_stack.url).port
    second = run("local", "--template", str(TEMPLATE), MILLRACE_PORT=str(port))
    assert second.returncode == 1
    assert f"Port {port} cannot be used" in second.stderr
    assert f"MILLRACE_PORT={(port or 0) + 1}" in second.stderr
    assert "Traceback" not in second.stderr


def test_template_that_is_not_valid_is_told_without_a_traceback(tmp_path: Path) -> None:
    wrong = tmp_path / "template.yaml"
    wrong.write_text("Resources: {A: {Type: 'AWS::Serverless::Function', Properties: {Timeout: 3}}}\n")
    ended = run("local", "--port", "0", "--template", str(wrong))
    assert ended.returncode == 1
    assert "The stack does not start." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_token_command_prints_a_token_that_the_keys_verify(small_stack: RunningStack) -> None:
    port = str(httpx.URL(small_stack.url).port)
    done = run("local.token", "--organization", "other", "--user", "me@other.example", MILLRACE_PORT=port)
    assert done.returncode == 0, done.stderr
    environment = small_stack.deployment["functions"]["StreamedFunction"]["environment"]
    auth = httpx.get(f"{small_stack.url}/config.json").json()["auth"]
    token = done.stdout.strip()
    key = jwt.PyJWKClient(environment["OIDC_JWKS_URL"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token, key, algorithms=["RS256"], audience=auth["clientId"], issuer=environment["OIDC_ISSUER"]
    )
    assert claims["custom:organization"] == "other"
    assert claims["email"] == "me@other.example"


def test_token_command_says_what_to_do_when_nothing_runs() -> None:
    done = run("local.token", MILLRACE_PORT="9")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "Nothing runs on http://localhost:9: start it with `make run`, "
        "or name the port of the stack that runs: make token MILLRACE_PORT=8090.\n"
    )


def test_greeting_names_address_user_and_token(small_stack: RunningStack) -> None:
    assert small_stack.output_has(lambda line: "Ctrl-C ends it" in line).wait(30)
    said = "".join(small_stack.output)
    user = small_stack.deployment["dev_user"]
    assert f"Millrace runs on {small_stack.url}" in said
    assert f"Sign in as {user['username']} with {user['password']}" in said
    assert "make -s token" in said
    assert """-d '{"agentId": "demo", "content": "Hello"}'""" in said


def test_state_is_kept_from_run_to_run_when_asked_and_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    keep = ("--keep", str(tmp_path / "state"))
    with a_stack(*keep) as first:
        table = first.deployment["tables"]["ItemsTable"]
        item = {"pk": {"S": "kept"}, "sk": {"S": "1"}}
        first.client("dynamodb").put_item(TableName=table, Item=item)
        user = first.deployment["dev_user"]
        end_in_mid_stream(first, signal.SIGINT)
    with a_stack(*keep) as second:
        assert second.deployment["tables"]["ItemsTable"] == table
        dynamodb = second.client("dynamodb")
        assert dynamodb.get_item(TableName=table, Key=item)["Item"] == item
        assert second.deployment["dev_user"] == user
        assert second.token("dev")
        assert httpx.get(f"{second.url}/patient/count?to=1").text == "0\n"
        takes_from_its_queue(second, "second")
        ready = httpx.get(f"{second.url}/_local/ready", timeout=30)
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "problems": []})


def test_kept_state_says_so_when_its_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        (tmp_path / "port").write_text(f"{port}\n")
        ended = run("local", "--port", "0", "--template", str(TEMPLATE), "--keep", str(tmp_path))
    assert ended.returncode == 1
    assert f"needs port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def takes_from_its_queue(running: RunningStack, message: str) -> None:
    """Send a message and waits until the function says that it has it."""
    shown = running.output_has(lambda line: "Queued" in line and f"queued takes {message}" in line)
    queue = running.deployment["resources"]["Queue"]
    running.client("sqs").send_message(QueueUrl=queue, MessageBody=message)
    assert shown.wait(60)


def test_function_without_a_url_runs_from_its_queue_and_its_lines_are_shown(
    small_stack: RunningStack,
) -> None:
    deployed = small_stack.deployment
    stored = {"pk": {"S": "queued"}, "sk": {"S": "shown"}}
    takes_from_its_queue(small_stack, "shown")
    found = small_stack.client("dynamodb").get_item(TableName=deployed["tables"]["ItemsTable"], Key=stored)
    assert found["Item"]["loopback"] == {"S": "true"}


def test_changed_function_is_restarted(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(TEMPLATE.parent / "functions", folder / "functions")
    layer = TEMPLATE.parent.parent.parent / "layers" / "runtime"
    (folder / "template.yaml").write_text(TEMPLATE.read_text().replace("../../layers/runtime", str(layer)))
    with a_stack("--reload", template=folder / "template.yaml") as running:
        assert httpx.get(f"{running.url}/buffered/text").text == "just text"
        source = folder / "functions" / "buffered" / "app.py"
        restarted = running.output_has(lambda line: "BufferedFunction is warm" in line, times=2)
        source.write_text(source.read_text().replace("just text", "new text"))
        assert restarted.wait(60)
        assert httpx.get(f"{running.url}/buffered/text").text == "new text"
        queued = folder / "functions" / "queued" / "app.py"
        updated = running.output_has(lambda line: "QueuedFunction has new code" in line)
        queued.write_text(queued.read_text().replace('_NAME = "queued"', '_NAME = "changed"'))
        assert updated.wait(60)
        occupied = running.output_has(lambda line: "changed takes news" in line)
        queue = running.deployment["resources"]["Queue"]
        running.client("sqs").send_message(QueueUrl=queue, MessageBody="news")
        assert occupied.wait(60)


def run(module: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("module", ["local", "local.token"])
def test_malformed_port_is_explained(module: str) -> None:
    ended = run(module, MILLRACE_PORT="eight")
    assert ended.returncode == 2
    assert "'eight' is not a port: set --port or MILLRACE_PORT" in ended.stderr


@pytest.mark.parametrize("given", ["-1", "65536", "80 80", "\u0663", ""])
def test_port_is_a_number_of_tcp(given: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a port"):
        port(given)
    assert port("8080") == 8080


# --- another stack beside the small one ------------------------------------------------------------


@pytest.fixture(scope="module")
def other_stack() -> Iterator[RunningStack]:
    with a_stack() as running:
        yield running


def test_state_is_thrown_away_unless_it_is_to_be_kept(
    small_stack: RunningStack, other_stack: RunningStack
) -> None:
    table = small_stack.deployment["tables"]["ItemsTable"]
    small_stack.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "a"}, "sk": {"S": "1"}})
    other_table = other_stack.deployment["tables"]["ItemsTable"]
    assert other_stack.client("dynamodb").scan(TableName=other_table)["Count"] == 0


def test_queue_that_nobody_drains_makes_the_stack_not_ready(other_stack: RunningStack) -> None:
    functions, sqs = other_stack.client("lambda"), other_stack.client("sqs")
    [mapping] = functions.list_event_source_mappings()["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    sqs.send_message(QueueUrl=other_stack.deployment["resources"]["Queue"], MessageBody="left")
    done = httpx.get(f"{other_stack.url}/_local/ready", timeout=30)
    assert done.status_code == 503
    assert "Disabled" in done.json()["problems"][0]


def test_processes_end_when_the_stack_is_killed(other_stack: RunningStack) -> None:
    """The last that uses it."""
    processes = family(other_stack)
    other_stack.signal(signal.SIGKILL)
    assert all_end(processes, 30)
