"""Log lines with the ids of their request and run, through the standard library's loggers."""

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from millrace.telemetry import logs
from tests.aws import Aws
from tests.invoking import CONTEXT
from tests.log_lines import captured_logs

ROOT = Path(__file__).parent.parent.parent
IDS = {"function_request_id", "organization", "conversation_id", "run_id", "pipeline_id"}
log = logging.getLogger("millrace.services.runs.execute")
SECRET = "sk-live-4711"


def ids(line: dict[str, Any]) -> dict[str, str]:
    return {name: line[name] for name in IDS & line.keys()}


def http(request_id: str, path: str = "/api/runs") -> dict[str, Any]:
    context = SimpleNamespace(aws_request_id=request_id)
    return {"type": "http", "method": "GET", "path": path, "query_string": b"", "aws.context": context}


async def nothing(*_: Any) -> None:
    return None


def test_line_says_where_it_is_from_and_when_in_utc() -> None:
    with captured_logs() as lines:
        log.warning("run %s is late", "r1")
    (line,) = lines()
    assert (line["level"], line["message"], line["service"]) == ("WARNING", "run r1 is late", "millrace")
    assert line["location"].startswith("millrace.services.runs.execute.test_line_says")
    assert line["timestamp"].endswith("+00:00")
    assert "sampling_rate" not in line


def test_exception_is_told_once_with_its_traceback() -> None:
    with captured_logs() as lines:
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("run %s failed", "r1")
    (line,) = lines()
    assert line["exception_name"] == "ValueError"
    assert "Traceback" in line["exception"]
    assert "stack_trace" not in line


async def test_requests_that_share_a_process_never_get_each_others_ids() -> None:
    met = asyncio.Barrier(2)

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        organization = f"org-{scope['path'][1:]}"
        logs.bind(organization=organization)
        await met.wait()  # both have told whose they are
        log.warning("here")
        await asyncio.gather(asyncio.to_thread(log.warning, "in a thread"), work(scope["path"][1:]))
        log.warning("after")

    async def work(name: str) -> None:
        logs.bind(run_id=f"run-{name}")
        await met.wait()
        log.warning("run")

    with captured_logs() as lines:
        serve = logs.requests(app)
        await asyncio.gather(serve(http("r1", "/1"), None, nothing), serve(http("r2", "/2"), None, nothing))
        log.warning("nobody's")
    for line in lines():
        number = line.get("function_request_id", "r")[1:]
        reported = {"function_request_id": f"r{number}", "organization": f"org-{number}"} if number else {}
        if line["message"] == "run":
            reported["run_id"] = f"run-{number}"
        assert ids(line) == reported, line
    assert len(lines()) == 9


def test_ids_of_a_block_end_with_it() -> None:
    with captured_logs() as lines:
        with logs.bound(organization="acme"), logs.bound(pipeline_id="p1"):
            log.warning("in")
        log.warning("out")
    inside, outside = lines()
    assert ids(inside) == {"organization": "acme", "pipeline_id": "p1"}
    assert ids(outside) == {}


def test_id_as_long_as_an_address_is_shortened_and_an_empty_one_left_out() -> None:
    with captured_logs() as lines, logs.bound(run_id="x" * 5_000, organization=""):
        log.warning("in")
    (line,) = lines()
    assert ids(line) == {"run_id": "x" * logs.LONGEST}


@pytest.mark.parametrize(("rate", "reported"), [("1", True), ("", False)])
async def test_sampled_process_tells_each_request_without_its_query(rate: str, reported: bool) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        logs.bind(organization="acme")
        await send({"type": "http.response.start", "status": 404, "headers": []})

    with captured_logs(POWERTOOLS_LOGGER_SAMPLE_RATE=rate, LOG_LEVEL="INFO") as lines:
        scope = http("r1") | {"query_string": f"ticket={SECRET}".encode()}
        await logs.requests(app)(scope, None, nothing)
    assert [line["message"].startswith("GET /api/runs: 404") for line in lines()] == [True] * reported
    assert all(ids(line)["organization"] == "acme" for line in lines())
    assert SECRET not in json.dumps(lines())


@pytest.mark.parametrize(("rate", "reported"), [("1", True), ("0.000000001", False)])
def test_level_that_lambda_passes_on_is_not_the_level_of_what_is_not_sampled(
    rate: str, reported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "level", logging.DEBUG)  # as Lambda's runtime has set it
    levels = {"AWS_LAMBDA_LOG_LEVEL": "DEBUG", "LOG_LEVEL": "INFO"}
    with captured_logs(POWERTOOLS_LOGGER_SAMPLE_RATE=rate, **levels) as lines:
        log.debug("seen")
    assert ["seen" in line["message"] for line in lines() if "seen" in line["message"]] == [True] * reported
    assert root.level == logging.INFO


def test_event_is_never_logged_whatever_the_environment_says() -> None:
    """`POWERTOOLS_LOGGER_LOG_EVENT` would write tokens and customers' events to the log."""

    def handler(event: dict[str, Any], context: Any) -> str:
        log.warning("taken")
        return "done"

    with captured_logs(POWERTOOLS_LOGGER_LOG_EVENT="true", LOG_LEVEL="DEBUG") as lines:
        assert logs.invocations(handler)({"authorization": f"Bearer {SECRET}"}, CONTEXT) == "done"
    assert [line["message"] for line in lines()] == ["taken"]
    assert ids(lines()[0])["function_request_id"] == CONTEXT.aws_request_id
    assert SECRET not in json.dumps(lines())


def test_function_of_events_writes_json_lines_and_nothing_else(aws_environment: Aws) -> None:
    """In a process of its own, as on Lambda; the event holds a message that is no JSON."""
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import app; from tests.invoking import CONTEXT;"
        "app.handler(json.loads(sys.stdin.read()), CONTEXT)"
    )
    reported = subprocess.run(
        [sys.executable, "-c", script, str(ROOT / "functions" / "transform")],
        input=(ROOT / "events/transform/broken.json").read_text(),
        env=aws_environment.environment("TransformFunction") | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in reported.stdout.splitlines()]
    assert any(line["level"] == "ERROR" and "broken" in line["message"] for line in lines)
    assert {line["function_request_id"] for line in lines} == {CONTEXT.aws_request_id}
