"""The functions' handlers with the events in `events/`, as Lambda calls them."""

import asyncio
import importlib.util
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.aws import Aws
from tests.invoking import CONTEXT

ROOT = Path(__file__).parents[4]
ANSWERS: dict[str, Any] = {
    "transform/run_completed": {"batchItemFailures": []},
    "transform/pushed": {"batchItemFailures": []},
    "transform/redrive": {"batchItemFailures": []},
    "transform/broken": {"batchItemFailures": [{"itemIdentifier": "broken"}]},
    "transform/timer": {"batchItemFailures": []},
    "transform/stop": {"batchItemFailures": []},
}
LOGICAL_IDS = {
    "transform": "TransformFunction",
    "sweep": "SweepFunction",
    "webhooks": "WebhooksFunction",
    "change_capture": "ChangeCaptureFunction",
}


def handler_of(function: str, aws: Aws, monkeypatch: pytest.MonkeyPatch, **more: str) -> Any:
    """The handler of a function's own file, with that function's own variables and `more`."""
    for name, value in (aws.environment(LOGICAL_IDS[function]) | more).items():
        monkeypatch.setenv(name, value)
    path = ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"{function}_app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


def event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", ANSWERS)
def test_each_batch_is_answered_message_by_message(
    name: str, aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = handler_of(name.partition("/")[0], aws_environment, monkeypatch)
    assert handler(event(name), CONTEXT) == ANSWERS[name]


def test_tick_sweeps(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = handler_of("sweep", aws_environment, monkeypatch)(event("sweep/tick"), CONTEXT)
    assert answer["timers"] >= 0


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("stream", {"batchItemFailures": []}),
        ("nobodys", {"batchItemFailures": []}),
        ("tick", {"rows": 0}),
    ],
)
def test_changes_are_captured(
    name: str, answer: dict[str, Any], aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = aws_environment.environment("ChangeCaptureFunction")
    handler = handler_of(
        "change_capture", aws_environment, monkeypatch, CHANGE_ORGANIZATIONS="orders=@tenant"
    )
    url = environment["CHANGE_DEAD_LETTER_QUEUE_URL"]
    aws_environment.client("sqs").purge_queue(QueueUrl=url)
    assert handler(event(f"change_capture/{name}"), CONTEXT) == answer
    dead_letters = aws_environment.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    assert [json.loads(one["Body"])["code"] for one in dead_letters.get("Messages", [])] == (
        ["organization_missing"] if name == "nobodys" else []
    )


def test_webhook_for_no_pipeline_is_not_found(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)  # Mangum would make one and leave it open
        handler = handler_of("webhooks", aws_environment, monkeypatch)
        answer = handler(event("webhooks/unknown-pipeline"), CONTEXT)
        asyncio.set_event_loop(None)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["error"]["code"] == "pipeline_not_found"
