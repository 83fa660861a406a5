"""Nothing vanishes: a failed event becomes a dead letter of any size, and does not affect its neighbors."""

import asyncio
import zlib
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from millrace.domain.clock import iso
from millrace.pipelines.expressions.functions import FUNCTIONS, Function
from millrace.pipelines.limits import BATCH_BYTES, OUTPUT_BYTES
from millrace.stores.dead_letters import INLINE_BYTES, DeadLetter
from tests.aws import Aws
from tests.clock import HOUR_MS
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, made, step
from tests.services.pipelines.operations.test_dead_letters import listed, path, redrive

COPIES = step("map", {"expression": {name: "s" for name in "abcdefgh"}})


def objects(aws: Aws, plant: Plant, prefix: str, organization: str = "") -> list[str]:
    bucket = plant.context.settings.journal_bucket
    answer = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{prefix}{organization}")
    return [one["Key"] for one in answer.get("Contents", ())]


def test_output_too_large_becomes_a_dead_letter_and_neighbors_leave_once(
    streaming: httpx.Client, plant: Plant, organization: str, aws: Aws
) -> None:
    id = made(streaming, COPIES)
    items = [{"s": f"small {n}"} for n in range(10)]
    items.insert(4, {"s": "x" * 150_000})
    streaming.post(f"/pipelines/{id}/batch", json=items)
    assert plant.transform() == {"batchItemFailures": []}
    assert sorted(payload["a"] for payload in plant.payloads()) == [f"small {n}" for n in range(10)]
    (dead_letter,) = listed(streaming, id)
    assert (dead_letter["error"]["code"], dead_letter["place"]) == ("too_large", "step:0")
    assert (dead_letter["event"]["payload"], dead_letter["payloadBytes"]) == (None, 150_008)
    whole = streaming.get(f"{path(id)}/{dead_letter['id']}").json()
    assert whole["event"]["payload"] == {"s": "x" * 150_000}
    metrics = streaming.get(f"/pipelines/{id}/metrics").json()
    assert (metrics["itemsFailed"], metrics["deadLetters"], metrics["itemsOut"]) == (1, 1, 10)
    health = streaming.get(f"/pipelines/{id}/health").json()
    assert health["status"] != "healthy"
    assert len(objects(aws, plant, "_dead-letters/", organization)) == 1
    assert streaming.delete(f"{path(id)}/{dead_letter['id']}").status_code == 204
    assert objects(aws, plant, "_dead-letters/", organization) == []


def test_output_larger_than_a_message_is_delivered(streaming: httpx.Client, plant: Plant, aws: Aws) -> None:
    id = made(streaming, step("map", {"expression": {"a": "s", "b": "s", "c": "s"}}))
    streaming.post(f"/pipelines/{id}/batch", json=[{"s": "x" * 150_000}, {"s": "y"}])
    assert plant.transform() == {"batchItemFailures": []}
    assert sorted(len(payload["a"]) for payload in plant.payloads()) == [1, 150_000]


@pytest.mark.parametrize("size", [3_000, 4_200])
def test_batch_is_split_by_bytes(streaming: httpx.Client, plant: Plant, size: int) -> None:
    """100 events of 4.2 KB never left at all, 100 of 3 KB were one dead letter that could not be redriven."""
    id = made(streaming, step("batch", {"size": 100, "timeout": 60_000}))
    items = [{"n": n, "text": "x" * size} for n in range(100)]
    streaming.post(f"/pipelines/{id}/batch", json=items)
    plant.transform()
    plant.close()
    plant.clock.pass_time(61_000)
    plant.close()
    payloads = plant.payloads()
    assert sorted(item["n"] for payload in payloads for item in payload["items"]) == list(range(100))
    assert len(payloads) == 2
    assert max(len(str(payload["items"])) for payload in payloads) < BATCH_BYTES + 10_000
    assert listed(streaming, id) == []


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of the operator's own in the expression language, which fails as nobody foresaw."""

    def fragile(value: Any) -> Any:
        return 1 // 0 if value == "bad" else value

    monkeypatch.setitem(FUNCTIONS, "fragile", Function(fragile, 1, 1, "Fails for bad ones.", ()))


@pytest.mark.usefixtures("fragile")
@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ([step("map", {"expression": {"n": n}}) for n in ("n", "fragile(n)")], "step:1"),
        ([step("sample", {"rate": 1, "key": "fragile(n)"})], "step:0"),
        ([{"type": "map", "config": {"expression": {"n": "n"}}, "when": 'fragile(n) != "x"'}], "step:0"),
    ],
)
def test_unexpected_error_of_a_step_is_the_dead_letter_of_its_event(
    streaming: httpx.Client, plant: Plant, steps: list[dict[str, Any]], place: str
) -> None:
    id = made(streaming, *steps)
    items = [{"n": "bad" if n == 7 else n} for n in range(12)]
    streaming.post(f"/pipelines/{id}/batch", json=items)
    assert plant.transform() == {"batchItemFailures": []}
    assert sorted(payload["n"] for payload in plant.payloads()) == [n for n in range(12) if n != 7]
    (dead_letter,) = listed(streaming, id)
    assert (dead_letter["place"], dead_letter["error"]["code"]) == (place, "unexpected_error")
    assert dead_letter["event"]["payload"] == {"n": "bad"}
    assert streaming.get(f"/pipelines/{id}/metrics").json()["itemsFailed"] == 1
    assert redrive(streaming, plant, id)["redriven"] == 1
    assert [one["id"] for one in listed(streaming, id)] == [dead_letter["id"]]


@pytest.mark.parametrize("kind", ["batch", "window"])
def test_event_that_no_table_takes_is_a_dead_letter_and_its_neighbors_are_kept(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    append = plant.context.window_table.append

    def refusing(place: str, blocks: list[bytes], expires: int) -> None:
        if any(b"bad" in (zlib.decompress(one) if kind == "batch" else one) for one in blocks):
            raise ClientError({"Error": {"Code": "ValidationException", "Message": ""}}, "PutItem")
        append(place, blocks, expires)

    monkeypatch.setattr(plant.context.window_table, "append", refusing)
    batch = step("batch", {"size": 5, "timeout": 60_000})
    counts = [{"field": "*", "function": "count"}]
    window = step("window", {"type": "tumbling", "size": 60_000, "groupBy": ["n"], "aggregations": counts})
    id = made(streaming, batch if kind == "batch" else window)
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": "bad" if n == 3 else f"n{n}"} for n in range(6)])
    assert plant.transform() == {"batchItemFailures": []}
    (dead_letter,) = listed(streaming, id)
    assert (dead_letter["event"]["payload"], dead_letter["error"]["code"]) == (
        {"n": "bad"},
        "unexpected_error",
    )
    assert streaming.get(f"/pipelines/{id}/metrics").json()["itemsFailed"] == 1
    plant.clock.pass_time(180_000)
    plant.close()
    given = plant.payloads()
    found = (
        [one["n"] for given in given for one in given.get("items", [])]
        if kind == "batch"
        else [one["group"]["n"] for one in given]
    )
    assert sorted(found) == ["n0", "n1", "n2", "n4", "n5"]


def test_dead_letters_of_windows_that_stop_closed_are_redriven_with_all(
    streaming: httpx.Client, plant: Plant
) -> None:
    """Such a window is dated by its end, which is still to come: no time at which anything was accepted."""
    counts = [{"field": "*", "function": "count", "alias": "n"}]
    hour = step("window", {"type": "tumbling", "size": HOUR_MS, "groupBy": ["k"], "aggregations": counts})
    id = made(streaming, hour, step("map", {"expression": {"n": "-group.k"}}))
    streaming.post(f"/pipelines/{id}/batch", json=[{"k": "text"}])
    plant.transform()
    stopped_at = plant.clock.now
    act(streaming, id, "stop")
    plant.close()
    (dead_letter,) = listed(streaming, id)
    assert (dead_letter["place"], dead_letter["acceptedAt"]) == ("step:1", iso(stopped_at))
    assert dead_letter["event"]["time"] > stopped_at
    query = {"to": iso(stopped_at + 1)}
    assert [one["id"] for one in listed(streaming, id, **query)] == [dead_letter["id"]]
    plant.clock.pass_time(1_000)
    assert redrive(streaming, plant, id)["redriven"] == 1


def test_characters_that_sqs_refuses_arrive(streaming: httpx.Client, plant: Plant) -> None:
    id = made(streaming)
    text = "a\uffffb\ufffe\\\uffff\x00\x1f\x7f\ud7ff\ue000\ufffd\U0010ffff"
    assert streaming.post(f"/pipelines/{id}/batch", json=[{"text": text}, {"text": "b"}]).status_code == 202
    assert plant.transform() == {"batchItemFailures": []}
    assert sorted(payload["text"] for payload in plant.payloads()) == sorted([text, "b"])


def test_size_of_an_item_counts_the_escapes_of_its_message(streaming: httpx.Client, plant: Plant) -> None:
    """Functions that take events in have no bucket for large messages."""
    id = made(streaming)
    fits, too_large = "\uffff" * 34_000, "\uffff" * 34_200
    assert streaming.post(f"/pipelines/{id}/process", json={"text": too_large}).status_code == 413
    many = [{"text": fits}] + [{"text": "\ufffe" * 100} for _ in range(400)]
    assert streaming.post(f"/pipelines/{id}/batch", json=many).status_code == 202
    bodies = [one["Body"] for one in plant._receive(plant.context.settings.ingest_queue_url)]
    assert max(len(body.encode()) for body in bodies) <= 250_000
    assert not any("millraceObject" in body for body in bodies)


def dead_letter_of(plant: Plant, id: str, event: str, payload: Any, number: int = 0) -> DeadLetter:
    now = plant.clock.now
    reported = {
        "id": event,
        "source": "api",
        "type": "item",
        "time": now,
        "ingested": now,
        "payload": payload,
    }
    return DeadLetter(id, f"destination:{number}", 1, event, now, "refused", "no", event=reported)


@pytest.mark.parametrize("size", [INLINE_BYTES - 12, INLINE_BYTES - 11, INLINE_BYTES - 10, 500_000])
def test_dead_letter_is_kept_at_any_size(
    streaming: httpx.Client, plant: Plant, organization: str, size: int, aws: Aws
) -> None:
    id = made(streaming)
    text = "x" * size
    given = [dead_letter_of(plant, id, "e1", {"text": text})]
    asyncio.run(plant.context.dead_letters.put(organization, given, plant.clock.now))
    (to_public,) = listed(streaming, id)
    assert to_public["payloadBytes"] == size + 11
    assert streaming.get(f"{path(id)}/{to_public['id']}").json()["event"]["payload"] == {"text": text}
    kept = objects(aws, plant, "_dead-letters/", organization)
    assert len(kept) == (to_public["payloadBytes"] > INLINE_BYTES)
    assert redrive(streaming, plant, id)["redriven"] == 1
    assert plant.payloads() == [{"text": text}]
    assert objects(aws, plant, "_dead-letters/", organization) == []


def test_large_dead_letter_of_a_step_goes_through_its_step_again(
    streaming: httpx.Client, plant: Plant, organization: str, aws: Aws
) -> None:
    id = made(streaming, step("map", {"expression": {"length": "length(text)"}}))
    dead_letter = dead_letter_of(plant, id, "e1", {"text": "x" * 300_000})
    dead_letters = [
        DeadLetter(id, "step:0", 1, "e1", dead_letter.at, "refused", "no", event=dead_letter.event)
    ]
    asyncio.run(plant.context.dead_letters.put(organization, dead_letters, plant.clock.now))
    before = objects(aws, plant, "_messages/")
    assert redrive(streaming, plant, id)["redriven"] == 1
    assert plant.payloads() == [{"length": 300_000}]
    assert objects(aws, plant, "_messages/") == before


def test_values_that_json_cannot_hold_do_not_stop_a_dead_letter(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(600):
        inner["a"] = inner = {}
    payload = {"half": "a\ud800b", "big": 2**80, "deep": deep, "fine": 1}
    dead_letters = [dead_letter_of(plant, id, "e1", payload), dead_letter_of(plant, id, "e2", {"n": 2})]
    asyncio.run(plant.context.dead_letters.put(organization, dead_letters, plant.clock.now))
    found = {one["event"]["id"]: one["event"]["payload"] for one in listed(streaming, id)}
    assert found["e2"] == {"n": 2}
    assert (found["e1"]["half"], found["e1"]["big"], found["e1"]["fine"]) == ("a?b", 2.0**80, 1)


def test_page_of_dead_letters_ends_where_one_answer_is_full(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    dead_letters = [dead_letter_of(plant, id, f"e{n:02}", {"text": "x" * 60_000}) for n in range(50)]
    asyncio.run(plant.context.dead_letters.put(organization, dead_letters, plant.clock.now))
    found: list[str] = []
    query: dict[str, Any] = {"limit": 100}
    while True:
        answer = streaming.get(path(id), params=query)
        assert len(answer.content) < 3_000_000
        found += [one["event"]["id"] for one in answer.json()["items"]]
        if answer.json()["nextCursor"] is None:
            break
        query["cursor"] = answer.json()["nextCursor"]
    assert sorted(found) == [f"e{n:02}" for n in range(50)]


def test_limits_leave_room_for_each_other() -> None:
    assert BATCH_BYTES < OUTPUT_BYTES
