"""Restoring on the running stack: lost state comes back, and replays duplicate nothing."""

from typing import Any

import httpx

from millrace.domain.clock import iso, now_ms
from tests.e2e.streaming import PIPELINES, act, push, started, wait_until, wait_until_delivered
from tests.fakes.sink import Sink
from tests.stack import RunningStack

TOTALS = [
    {"field": "cost", "function": "sum", "alias": "cost"},
    {"field": "*", "function": "count", "alias": "runs"},
]
HOURLY = {"type": "tumbling", "size": 3_600_000, "groupBy": ["agent"], "aggregations": TOTALS}


def runs(first: int, last: int, time: int) -> list[dict[str, Any]]:
    """Events of four agents, each 0.25 dear."""
    return [
        {"id": f"run-{n}", "time": time, "payload": {"agent": "abcd"[n % 4], "cost": 0.25}}
        for n in range(first, last)
    ]


def lose_state(stack: RunningStack, organization: str, pipeline: str) -> int:
    """Delete all that windows of the pipeline hold; how many items that were."""
    table = stack.client("dynamodb")
    name = stack.deployment["tables"]["WindowsTable"]
    found = table.scan(
        TableName=name,
        FilterExpression="begins_with(pk, :owner)",
        ExpressionAttributeValues={":owner": {"S": f"{organization}#{pipeline}#"}},
    )["Items"]
    for item in found:
        table.delete_item(TableName=name, Key={"pk": item["pk"], "sk": item["sk"]})
    return len(found)


def test_checkpoint_restored_after_the_state_was_lost_gives_the_same_totals(
    stack: RunningStack, chat: httpx.Client, organization: str, sink: Sink
) -> None:
    id = started(
        chat,
        transforms=[{"type": "window", "config": HOURLY}],
        destination={"type": "webhook", "config": {"url": sink.url}},
    )
    checkpoint = act(chat, id, "checkpoints")["id"]
    later = now_ms() + 1_800_000
    push(chat, id, *runs(0, 300, later))
    wait_until_delivered(stack)
    assert lose_state(stack, organization, id) >= 2
    push(chat, id, *runs(200, 400, later))
    act(chat, id, f"checkpoints/{checkpoint}/restore")
    wait_until_delivered(stack)
    act(chat, id, "stop")
    wait_until(lambda: len(sink.effects) == 4)
    totals = {one["group"]["agent"]: one["values"] for one in sink.effects.values()}
    assert totals == {agent: {"cost": 25.0, "runs": 100} for agent in "abcd"}


def test_replay_comes_with_the_same_ids_so_the_destination_sees_each_effect_once(
    stack: RunningStack, chat: httpx.Client, sink: Sink
) -> None:
    id = started(
        chat,
        transforms=[{"type": "map", "config": {"expression": {"n": "n", "at": "now()"}}}],
        destination={"type": "webhook", "config": {"url": sink.url}},
    )
    push(chat, id, *({"n": n} for n in range(200)))
    wait_until_delivered(stack)
    first = dict(sink.effects)
    assert len(first) == 200
    answer = chat.post(f"{PIPELINES}/{id}/replay", json={"from": iso(0)})
    assert answer.status_code == 202
    wait_until(lambda: sink.repeats >= 200)
    wait_until_delivered(stack)
    assert sink.effects == first
    assert sink.requests == 400
