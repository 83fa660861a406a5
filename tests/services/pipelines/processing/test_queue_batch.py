"""A batch of the ingest queue with events and timers, and the check of dead-letter queues."""

import json
import uuid
from typing import Any

import pytest
from msgspec.structs import replace

from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.processing.dead_letter_queues import (
    EVERY_MINUTES,
    report_dead_letter_queues,
)
from millrace.services.pipelines.processing.queue_batch import process_queue
from millrace.services.pipelines.queue_messages import FireTimer, StopPipeline, Tick, encode, is_timer
from millrace.stores.pipeline_metrics import MINUTE_MS
from tests.services.pipelines.conftest import Plant


def record(id: str, body: str) -> dict[str, Any]:
    attributes = {"SentTimestamp": "1800000000000", "ApproximateReceiveCount": "1"}
    return {"messageId": id, "receiptHandle": id, "body": body, "attributes": attributes}


def test_timers_are_told_from_events_without_parsing_them() -> None:
    assert is_timer(encode(FireTimer("W#a#b#c#1", 1)))
    assert is_timer(encode(StopPipeline("one", "p")))
    assert not is_timer(encode(Tick("one", "p", "2026-01-01T00:00:00Z")))
    assert not is_timer(json.dumps({"detail-type": "fire", "detail": {"type": "fire"}}))


async def test_failed_timer_and_failed_event_are_reported_and_the_others_done(plant: Plant) -> None:
    timer = encode(FireTimer(f"W#{uuid.uuid4().hex}#p#0123456789abcdef#1", 1))
    records = [
        record("broken-event", "no JSON"),
        record("timer", timer),
        record("broken-timer", '{"type":"fire","key":5,"at":0}'),
        record("event", encode(Tick(uuid.uuid4().hex, "gone", "2026-01-01T00:00:00Z"))),
    ]
    answer = await process_queue(plant.context, {"Records": records})
    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    assert failed == {"broken-event", "broken-timer"}


async def test_messages_of_dead_letter_queues_are_written_as_one_metric(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"dead-{uuid.uuid4().hex[:12]}" for _ in range(2)]
    urls = [plant.sqs.create_queue(QueueName=name)["QueueUrl"] for name in names]
    for _ in range(3):
        plant.sqs.send_message(QueueUrl=urls[1], MessageBody="{}")
    settings = replace(plant.context.settings, dead_letter_queue_urls=",".join(urls), stack="stack")
    on_time = EVERY_MINUTES * MINUTE_MS
    context = PipelineContext(settings, plant.context.aws, lambda: on_time)
    assert await report_dead_letter_queues(context) == 3
    line = json.loads(capsys.readouterr().out)
    assert (line["DeadLetterMessages"], line["Stack"]) == ([3.0], "stack")
    assert line["Queues"] == {names[1]: 3}
    between = PipelineContext(settings, plant.context.aws, lambda: on_time + MINUTE_MS)
    assert await report_dead_letter_queues(between) == 0
    for url in urls:
        plant.sqs.delete_queue(QueueUrl=url)
    assert capsys.readouterr().out == ""
