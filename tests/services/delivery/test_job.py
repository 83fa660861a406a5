"""Delivery jobs as messages of the queue."""

import json
from typing import Any

import pytest
from msgspec import structs

from millrace.errors import InvalidRequest
from millrace.pipelines.event import Event
from millrace.services.delivery.job import Job, job_event, read_job

JOB = Job(
    organization="o",
    pipeline_id="p",
    definition_version=2,
    destination=1,
    created_at=5,
    events=[job_event(Event({"n": 1}, "e1", "s", time=-3, ingested=4, window={"start": 0}))],
)
WRITTEN: dict[str, Any] = {
    "type": "job",
    "organization": "o",
    "pipelineId": "p",
    "definitionVersion": 2,
    "destination": 1,
    "createdAt": 5,
    "events": [
        {"id": "e1", "payload": {"n": 1}, "time": -3, "ingested": 4, "source": "s", "window": {"start": 0}}
    ],
}


def test_job_names_its_kind() -> None:
    assert json.loads(JOB.encode()) == WRITTEN


def test_job_from_before_kinds_had_names_is_read() -> None:
    old = {name: value for name, value in WRITTEN.items() if name != "type"}
    assert read_job(json.dumps(old)) == read_job(json.dumps(WRITTEN)) == JOB


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "events"},
        {"events": []},
        {"events": [{"id": "", "payload": {}}]},
        {"events": [{"id": "e", "payload": []}]},
        {"events": [{"id": "e", "payload": {}}] * 1_001},
        {"organization": ""},
        {"definitionVersion": 0},
        {"destination": -1},
        {"destination": 1_000},
        {"attempt": -1},
        {"createdAt": 1e300},
        {"pipelineId": None},
    ],
    ids=lambda one: str(one)[:40],
)
def test_message_that_is_no_job_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="is not a delivery job") as refused:
        read_job(json.dumps(WRITTEN | changes))
    assert refused.value.code == "invalid_message"


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "null", '{"type":"job"}', '"\\ud800"'])
def test_text_that_is_no_job_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a delivery job"):
        read_job(text)


def test_number_of_any_size_stays_exact() -> None:
    payload = {"large": 10**30, "least": -(2**63) - 1}
    again = read_job(structs.replace(JOB, events=[job_event(Event(payload, "e"))]).encode())
    assert again.events[0].payload == payload
