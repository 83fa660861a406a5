"""An overloaded stack reports it, refuses events, and recovers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from millrace.domain.clock import now_ms
from tests.api.talk import error_of
from tests.e2e.streaming import PIPELINES, metrics, started, wait_until
from tests.stack import RunningStack

MESSAGES = 3_000
RECOVERY_SECONDS = 200
NOTHING = {"type": "filter", "config": {"field": "n", "operator": "lt", "value": 0}}
NOWHERE = {"type": "webhook", "config": {"url": "http://127.0.0.1:9/nobody"}}


@contextmanager
def stalled(stack: RunningStack) -> Iterator[None]:
    """The transform function takes nothing from its queue meanwhile."""
    functions = stack.client("lambda")
    name = stack.deployment["functions"]["TransformFunction"]["name"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def flood(stack: RunningStack, organization: str, pipeline: str) -> None:
    """So many messages of one event each, on the queue as ingest puts them there, and counted as it does."""
    sqs, url, now = stack.client("sqs"), stack.deployment["resources"]["IngestQueue"], now_ms()
    event = {"source": "api", "type": "item", "time": now, "ingested": now}
    for start in range(0, MESSAGES, 10):
        bodies = [
            {"type": "events", "organization": organization, "pipelineId": pipeline}
            | {"events": [event | {"id": f"e{n}", "payload": {"n": n}}]}
            for n in range(start, start + 10)
        ]
        entries = [{"Id": str(at), "MessageBody": json.dumps(body)} for at, body in enumerate(bodies)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    stack.client("dynamodb").update_item(
        TableName=stack.deployment["tables"]["PipelinesTable"],
        Key={"pk": {"S": f"{organization}#{pipeline}"}, "sk": {"S": f"M#{now // 60_000 * 60_000:013d}"}},
        UpdateExpression="ADD messagesAccepted :count",
        ExpressionAttributeValues={":count": {"N": str(MESSAGES)}},
    )


def refused(client: httpx.Client, path: str) -> httpx.Response:
    """The first refusal: functions know a pressure that is a few seconds old."""
    answers: list[httpx.Response] = []

    def is_refused() -> bool:
        answers.append(client.post(path, json={"n": 1}))
        return answers[-1].status_code != 202

    wait_until(is_refused)
    return answers[-1]


@pytest.mark.timeout(400)
def test_ingest_refuses_while_the_queue_is_too_deep_and_takes_again_when_it_is_drained(
    stack: RunningStack, chat: httpx.Client, organization: str
) -> None:
    id = started(chat, source={"type": "webhook"}, transforms=[NOTHING], destination=NOWHERE)
    path = f"{PIPELINES}/{id}"

    def health() -> str:
        reported = chat.get(f"{path}/health").raise_for_status().json()
        return f"{reported['status']}: {' '.join(reported['reasons'])}"

    assert metrics(chat, id)["backpressure"] < 0.8
    assert health() == "healthy: "
    with stalled(stack):
        flood(stack, organization, id)
        wait_until(lambda: metrics(chat, id)["backpressure"] >= 0.95)
        assert "falls behind" in health()
        for ingest in (f"{path}/process", f"/hooks/{id}"):
            answer = refused(chat, ingest)
            assert error_of(answer) == (429, "backpressure")
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["error"]["backpressure"] >= 0.95
    wait_until(lambda: metrics(chat, id)["itemsFiltered"] >= MESSAGES, RECOVERY_SECONDS)
    wait_until(lambda: chat.post(f"{path}/process", json={"n": 1}).status_code == 202, RECOVERY_SECONDS)
    wait_until(lambda: "falls behind" not in health(), RECOVERY_SECONDS)
    after = metrics(chat, id)
    assert after["backpressure"] < 0.8
    assert after["lag"] >= 0
    assert chat.get("/api/streaming/stats").json()["itemsFiltered"] >= MESSAGES
