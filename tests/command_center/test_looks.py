"""Ticks with more organizations than one invocation can check."""

import json
from typing import Any

import pytest

from millrace.errors import Unavailable
from millrace.services.command_center import looks
from millrace.services.command_center.record import Recorder, record
from millrace.services.command_center.record_batch import record_batch
from tests.clock import Clock
from tests.command_center.making import started
from tests.command_center.test_record_check import TICK

SILENT_MS = 31_000


@pytest.fixture
def sent(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Messages that would come to the record queue."""
    found: list[tuple[str, int, str]] = []
    monkeypatch.setattr(type(recorder.queue), "send_delayed", lambda _queue, messages: found.extend(messages))
    return found


async def begun(recorder: Recorder, organization: str, count: int) -> list[str]:
    """Organizations that each have a run which is over unseen."""
    names = [f"{organization}-{number}" for number in range(count)]
    for name in names:
        await record(recorder, name, [started(name, "run_1")])
    return names


def portions(sent: list[tuple[str, int, str]]) -> list[dict[str, Any]]:
    """Messages to the queue as it brings them, without those that come between two ticks."""
    bodies = [body for body, _, _ in sent if json.loads(body)["source"] == looks.LOOK]
    return [{"messageId": str(at), "body": body} for at, body in enumerate(bodies)]


async def test_organizations_beyond_a_portion_are_looked_at_by_messages(
    recorder: Recorder,
    organization: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[tuple[str, int, str]],
) -> None:
    monkeypatch.setattr(looks, "PORTION", 2)
    names = await begun(recorder, organization, 5)
    clock.now += SILENT_MS
    assert await record_batch(recorder, {"Records": [TICK]}) == {"batchItemFailures": []}
    rest = portions(sent)
    assert all(len(json.loads(one["body"])["organizations"]) <= 2 for one in rest)
    assert any([await recorder.records.live(name) for name in names])
    assert await record_batch(recorder, {"Records": rest}) == {"batchItemFailures": []}
    assert not any([await recorder.records.live(name) for name in names])


async def test_tick_whose_rest_cannot_be_sent_is_repeated(
    recorder: Recorder, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_queue: object, _messages: object) -> None:
        raise Unavailable("The queue is down.")

    monkeypatch.setattr(looks, "PORTION", 1)
    monkeypatch.setattr(type(recorder.queue), "send_delayed", refuse)
    await begun(recorder, organization, 2)
    failed = (await record_batch(recorder, {"Records": [TICK]}))["batchItemFailures"]
    assert failed == [{"itemIdentifier": "tick"}]


@pytest.mark.parametrize(
    "message", [{}, {"look": "x", "organizations": []}, {"look": "check", "organizations": [1]}]
)
async def test_portion_that_cannot_be_read_fails_alone(recorder: Recorder, message: dict[str, Any]) -> None:
    body = json.dumps({"source": looks.LOOK} | message)
    failed = await record_batch(recorder, {"Records": [{"messageId": "m", "body": body}]})
    assert failed == {"batchItemFailures": [{"itemIdentifier": "m"}]}
