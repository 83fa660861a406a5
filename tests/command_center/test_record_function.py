"""The function's own handler with the events of `events/record`."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.aws import Aws
from tests.command_center.making import ended
from tests.fakes.otlp import collecting
from tests.invoking import CONTEXT
from tests.services.traces.exporting import Exporting

ROOT = Path(__file__).parents[2]
Handler = Callable[[dict[str, Any], object], dict[str, Any]]
FAILS = {"one-unreadable": 1}


@pytest.fixture
def handler(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handler]:
    with loaded(aws_environment.environment("RecordFunction"), monkeypatch) as handler:
        yield handler


@contextmanager
def loaded(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Handler]:
    """The function with this environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("record_function", ROOT / "functions/record/app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.handler
    module.recorder.stores.aws.close()


@pytest.mark.parametrize("path", sorted((ROOT / "events/record").glob("*.json")), ids=lambda path: path.stem)
def test_sample_batch_is_recorded_and_says_what_failed(handler: Handler, path: Path) -> None:
    batch = json.loads(path.read_text().replace("acme", f"acme-{path.stem}"))
    for _ in range(2):
        failed = handler(batch, CONTEXT)["batchItemFailures"]
        assert [one["itemIdentifier"] for one in failed] == [
            record["messageId"] for record in batch["Records"][: FAILS.get(path.stem, 0)]
        ]


def test_batches_of_the_trace_queue_are_exported_and_others_are_recorded(
    aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        environment = aws_environment.environment("RecordFunction") | {"OTLP_ENDPOINT": collector.url}
        with loaded(environment, monkeypatch) as handler:
            exporting = Exporting.to(aws_environment, collector.url)
            batch = exporting.batch(ended("acme-traces", "r1"))
            assert handler(batch, CONTEXT) == {"batchItemFailures": []}
            assert len(collector.spans) == 1
            batch["Records"][0]["eventSourceARN"] = "arn:aws:sqs:us-east-1:000000000000:RecordQueue"
            assert handler(batch, CONTEXT) == {"batchItemFailures": []}
            assert len(collector.spans) == 1
