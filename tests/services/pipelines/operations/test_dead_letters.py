"""Dead letters: listed, counted, deleted, and redriven at a rate."""

import asyncio
from typing import Any

import httpx
import pytest
from msgspec import convert

from millrace.domain.clock import iso
from millrace.services.pipelines.processing import purge as purging
from millrace.services.pipelines.processing import redrive as redriving
from millrace.services.pipelines.queue_messages import Purge, RedrivePage
from millrace.stores import dead_letters as stored
from millrace.stores.dead_letters import DeadLetter
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, made, pipeline, step
from tests.tokens import Issuer

HOUR = 3_600_000
NEGATED = step("map", {"expression": {"n": "-n"}})
FINE = pipeline(step("map", {"expression": {"n": "n"}}))


def path(id: str) -> str:
    return f"/pipelines/{id}/dead-letters"


def failing(streaming: httpx.Client, plant: Plant, texts: str = "abc", *steps: dict[str, Any]) -> str:
    """The id of a pipeline with a dead letter for each text."""
    id = made(streaming, *(steps or [NEGATED]))
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": text} for text in texts])
    plant.transform()
    return id


def listed(streaming: httpx.Client, id: str, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = streaming.get(path(id), params=query).json()["items"]
    return items


def redrive(streaming: httpx.Client, plant: Plant, id: str, **asked: Any) -> dict[str, Any]:
    """The redrive when it is over."""
    begun = streaming.post(f"{path(id)}/redrive", json=asked)
    assert begun.status_code == 202, begun.text
    plant.transform()
    reported: dict[str, Any] = streaming.get(f"{path(id)}/redrives/{begun.json()['id']}").json()
    return reported


def test_dead_letters_are_redriven_from_their_step_with_a_better_definition(
    streaming: httpx.Client, plant: Plant
) -> None:
    copied = step("map", {"expression": {"n": "n", "m": "m"}})
    id = made(streaming, copied, step("map", {"expression": {"n": "n * m"}}))
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": 1, "m": 2}, {"n": "x", "m": 2}, {"n": "y", "m": 3}])
    plant.transform()
    assert [payload["n"] for payload in plant.payloads()] == [2]
    page = streaming.get(path(id), params={"limit": 1}).json()
    rest = streaming.get(path(id), params={"cursor": page["nextCursor"]}).json()
    dead_letters = page["items"] + rest["items"]
    assert [dead_letter["place"] for dead_letter in dead_letters] == ["step:1", "step:1"]
    assert sorted(dead_letter["event"]["payload"]["n"] for dead_letter in dead_letters) == ["x", "y"]
    coalesced = step("map", {"expression": {"n": "coalesce(m, 0)"}})
    streaming.put(f"/pipelines/{id}", json=pipeline(step("map", {"expression": {"never": "1"}}), coalesced))
    reported = redrive(streaming, plant, id, place="step:1")
    assert (reported["state"], reported["redriven"], reported["left"]) == ("done", 2, 0)
    assert sorted(payload["n"] for payload in plant.payloads()) == [2, 3]
    assert listed(streaming, id) == []


def test_redrive_with_the_original_definition_fails_again_and_stays(
    streaming: httpx.Client, plant: Plant
) -> None:
    """The letter that comes back has the id of the one that was sent: removing the old one leaves it."""
    id = failing(streaming, plant)
    before = [one["id"] for one in listed(streaming, id)]
    streaming.put(f"/pipelines/{id}", json=FINE)
    reported = redrive(streaming, plant, id, version="original")
    assert (reported["state"], reported["redriven"]) == ("done", 3)
    assert [one["id"] for one in listed(streaming, id)] == before
    redrive(streaming, plant, id)
    assert listed(streaming, id) == []
    assert sorted(payload["n"] for payload in plant.payloads()) == ["a", "b", "c"]


def test_dead_letter_stored_again_during_its_redrive_is_not_removed(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = failing(streaming, plant, "a")
    (seen,) = plant.dead_letters(organization, id)
    asyncio.run(
        plant.context.dead_letters.put(organization, [seen], plant.clock.now)
    )  # it failed again already
    assert not asyncio.run(plant.context.dead_letters.remove(organization, seen))
    (again,) = plant.dead_letters(organization, id)
    assert asyncio.run(plant.context.dead_letters.remove(organization, again))
    assert plant.dead_letters(organization, id) == []


def destination_dead_letter(
    plant: Plant, id: str, number: int, event: str, code: str = "refused"
) -> DeadLetter:
    now = plant.clock.now
    reported = {
        "id": event,
        "source": "api",
        "type": "item",
        "time": now,
        "ingested": now,
        "payload": {"n": 1},
    }
    return DeadLetter(id, f"destination:{number}", 1, event, now, code, "no", 4, 500, "body", reported)


def test_dead_letters_of_a_destination_become_jobs_for_it(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    dead_letters = [destination_dead_letter(plant, id, number, f"e{number}") for number in (0, 1)]
    asyncio.run(plant.context.dead_letters.put(organization, dead_letters, plant.clock.now))
    reported = redrive(streaming, plant, id)
    assert (reported["redriven"], reported["skipped"]) == (1, 1)  # there is one destination only
    (job,) = plant.deliveries()
    assert (job["destination"], [event["id"] for event in job["events"]]) == (0, ["e0"])
    assert [one["place"] for one in listed(streaming, id)] == ["destination:1"]


def test_large_dead_letter_is_redriven_beside_small_ones(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(streaming)
    dead_letters = [destination_dead_letter(plant, id, 0, f"e{n}") for n in range(3)]
    dead_letters[1].event["payload"] = {"text": "ü" * 270_000}
    asyncio.run(plant.context.dead_letters.put(organization, dead_letters, plant.clock.now))
    reported = redrive(streaming, plant, id)
    assert (reported["state"], reported["redriven"], reported["skipped"]) == ("done", 3, 0)
    payloads = sorted(plant.payloads(), key=str)
    assert payloads == [{"n": 1}, {"n": 1}, {"text": "ü" * 270_000}]
    assert listed(streaming, id) == []


def test_from_a_chosen_step_and_only_one_that_is_there(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = made(
        streaming, step("map", {"expression": {"n": "n + 1"}}), step("map", {"expression": {"n": "n * 10"}})
    )
    dead_letters = [destination_dead_letter(plant, id, 0, "e0")]
    asyncio.run(plant.context.dead_letters.put(organization, dead_letters, plant.clock.now))
    refused = streaming.post(f"{path(id)}/redrive", json={"fromStep": 3})
    assert error_of(refused) == (422, "invalid_step")
    redrive(streaming, plant, id, fromStep=1)
    assert [payload["n"] for payload in plant.payloads()] == [10]


def test_only_chosen_dead_letters_are_redriven(streaming: httpx.Client, plant: Plant) -> None:
    id = failing(streaming, plant)
    ids = [one["id"] for one in listed(streaming, id)]
    assert redrive(streaming, plant, id, code="another")["redriven"] == 0
    assert redrive(streaming, plant, id, place="step:7")["redriven"] == 0
    assert redrive(streaming, plant, id, ids=ids[:1], version="original")["redriven"] == 1
    begun = plant.clock.now
    plant.clock.pass_time(HOUR)
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": "late"}])
    plant.transform()
    reported = redrive(streaming, plant, id, **{"from": iso(begun + 1), "to": iso(begun + 2 * HOUR)})
    assert reported["redriven"] == 1
    assert reported["request"].keys() == {"from", "to"}


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"ids": ["no"]}, 404),
        ({"everything": True}, 422),
        ({"place": "somewhere"}, 422),
        ({"place": "step:1000"}, 422),
        ({"version": "newest"}, 422),
        ({"perSecond": 0}, 422),
        ({"perSecond": 501}, 422),
        ({"fromStep": -1}, 422),
        ({"ids": ["x"] * 101}, 422),
        ({"from": "yesterday"}, 422),
        ({"from": iso(5), "to": iso(4)}, 422),
    ],
)
def test_redrive_of_nonsense_is_refused_and_nothing_begins(
    streaming: httpx.Client, plant: Plant, asked: dict[str, Any], status: int
) -> None:
    id = failing(streaming, plant, "a")
    assert streaming.post(f"{path(id)}/redrive", json=asked).status_code == status
    assert streaming.get(f"{path(id)}/redrives").json() == {"items": []}
    assert plant.waiting() == []


def test_many_letters_leave_page_by_page_at_the_rate(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = failing(streaming, plant, "abcdefghijklmnopqrstuvwxyz")
    delays: list[int] = []
    send = type(plant.context.ingest).send_delayed

    def seen(self: Any, messages: Any) -> None:
        given = list(messages)
        delays.extend(seconds for _, seconds, _ in given)
        send(self, given)

    begun = streaming.post(f"{path(id)}/redrive", json={"perSecond": 1, "version": "original"}).json()
    one = f"{path(id)}/redrives/{begun['id']}"
    assert (streaming.get(one).json()["left"], streaming.get(one).json()["state"]) == (26, "running")
    monkeypatch.setattr(type(plant.context.ingest), "send_delayed", seen)
    plant.transform()
    reported = streaming.get(one).json()
    assert (reported["state"], reported["redriven"], reported["left"]) == ("done", 26, 0)
    seconds = list(range(10))
    pages = [*seconds, 10] * 2 + seconds[:6]  # ten letters, then the order of the next page
    assert delays == pages


def test_redrive_can_be_asked_and_cancelled(streaming: httpx.Client, plant: Plant, issuer: Issuer) -> None:
    id = failing(streaming, plant)
    begun = streaming.post(f"{path(id)}/redrive").json()
    one = f"{path(id)}/redrives/{begun['id']}"
    assert streaming.post(f"{one}/cancel").json()["state"] == "cancelled"
    assert error_of(streaming.post(f"{one}/cancel")) == (409, "redrive_over")
    plant.transform()
    reported = streaming.get(one).json()
    assert (reported["state"], reported["redriven"], reported["left"]) == ("cancelled", 0, 0)
    assert len(listed(streaming, id)) == 3
    assert [each["id"] for each in streaming.get(f"{path(id)}/redrives").json()["items"]] == [begun["id"]]
    stranger = issuer.headers("stranger")
    assert error_of(streaming.get(one, headers=stranger)) == (404, "redrive_not_found")
    assert error_of(streaming.get(f"{path(id)}/redrives/no")) == (404, "redrive_not_found")


def test_repeated_order_sends_nothing_twice(streaming: httpx.Client, plant: Plant, organization: str) -> None:
    id = failing(streaming, plant)
    streaming.put(f"/pipelines/{id}", json=FINE)
    streaming.post(f"{path(id)}/redrive")
    (command,) = plant.waiting()
    for _ in range(3):
        asyncio.run(redriving.redrive(plant.context, convert(command, RedrivePage)))
    plant.transform()
    assert sorted(payload["n"] for payload in plant.payloads()) == ["a", "b", "c"]


def test_page_that_two_deliveries_send_at_once_counts_once(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = failing(streaming, plant, "abcdefghijklm")
    begun = streaming.post(f"{path(id)}/redrive", json={"perSecond": 1, "version": "original"}).json()
    (command,) = plant.waiting()
    read_page, readers, both = plant.context.dead_letters.page, list[int](), asyncio.Event()

    async def together(*given: Any) -> Any:
        found = await read_page(*given)
        readers.append(len(found[0]))
        if len(readers) == 2:
            both.set()
        await both.wait()
        return found

    async def send_twice() -> None:
        page = convert(command, RedrivePage)
        await asyncio.gather(*(redriving.redrive(plant.context, page) for _ in range(2)))

    with monkeypatch.context() as patched:
        patched.setattr(plant.context.dead_letters, "page", together)
        asyncio.run(send_twice())
    assert readers == [10, 10]
    plant.transform()
    found = streaming.get(f"{path(id)}/redrives/{begun['id']}").json()
    assert (found["state"], found["redriven"], found["left"]) == ("done", 13, 0)


def test_crash_between_sending_and_removing_loses_nothing(
    streaming: httpx.Client, plant: Plant, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = failing(streaming, plant)
    streaming.put(f"/pipelines/{id}", json=FINE)
    streaming.post(f"{path(id)}/redrive")
    (command,) = plant.waiting()

    async def dies(*_: object) -> int:
        raise ConnectionError("the process dies here")

    with monkeypatch.context() as patched:
        patched.setattr(plant.context.dead_letters, "remove_all", dies)
        with pytest.raises(ConnectionError):
            asyncio.run(redriving.redrive(plant.context, convert(command, RedrivePage)))
    asyncio.run(redriving.redrive(plant.context, convert(command, RedrivePage)))  # the queue repeats it
    plant.transform()
    events = [event["id"] for job in plant.deliveries() for event in job["events"]]
    assert len(set(events)) == 3
    assert listed(streaming, id) == []


def test_paused_pipeline_redrives_when_it_is_resumed(streaming: httpx.Client, plant: Plant) -> None:
    id = failing(streaming, plant)
    streaming.put(f"/pipelines/{id}", json=FINE)
    begun = streaming.post(f"{path(id)}/redrive").json()
    act(streaming, id, "pause")
    assert error_of(streaming.post(f"{path(id)}/redrive")) == (409, "pipeline_paused")
    (command,) = plant.waiting()
    asyncio.run(redriving.redrive(plant.context, convert(command, RedrivePage)))
    assert plant.payloads() == []
    act(streaming, id, "resume")
    plant.transform()
    assert len(plant.payloads()) == 3
    assert streaming.get(f"{path(id)}/redrives/{begun['id']}").json()["state"] == "done"


def test_deleted_pipeline_takes_its_dead_letters_and_their_objects_along(
    streaming: httpx.Client, plant: Plant, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PURGED", 2)
    id, other = failing(streaming, plant, "abcde"), failing(streaming, plant, "f")
    streaming.post(f"/pipelines/{id}/process", json={"n": "x" * 100_000}).raise_for_status()
    plant.transform()
    found = plant.dead_letters(organization, id)
    assert len(found) == 6
    (key,) = (one.object_key for one in found if one.object_key)
    act(streaming, id, "stop")
    plant.transform()
    asyncio.run(purging.purge(plant.context, Purge(organization, id)))
    assert len(plant.dead_letters(organization, id)) == 6, "a pipeline that is there keeps them"
    assert streaming.delete(f"/pipelines/{id}").status_code == 204
    (command,) = plant.waiting()
    asyncio.run(purging.purge(plant.context, convert(command, Purge), ends=0.0))
    assert len(plant.dead_letters(organization, id)) == 6, "no time was left"
    plant.transform()
    assert plant.dead_letters(organization, id) == []
    assert plant.context.large_objects.get(key) is None
    assert len(plant.dead_letters(organization, other)) == 1


@pytest.mark.parametrize("action", ["resume", "stop"])
def test_redrive_of_a_paused_pipeline_ends_its_waiting_and_goes_on_with_it(
    streaming: httpx.Client, plant: Plant, action: str
) -> None:
    id = failing(streaming, plant)
    streaming.put(f"/pipelines/{id}", json=FINE)
    begun = streaming.post(f"{path(id)}/redrive").json()
    act(streaming, id, "pause")
    plant.transform()  # ends: else the order would come back without end
    assert plant.waiting() == []
    assert streaming.get(f"{path(id)}/redrives/{begun['id']}").json()["state"] == "running"
    act(streaming, id, action)
    plant.transform()
    assert len(plant.payloads()) == 3
    assert streaming.get(f"{path(id)}/redrives/{begun['id']}").json()["state"] == "done"


def test_dead_letters_are_counted_and_listed_by_place_code_and_time(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = failing(streaming, plant)
    plant.clock.pass_time(HOUR)
    middle = iso(plant.clock.now)
    dead_letters = [destination_dead_letter(plant, id, 0, f"e{n}", "failed") for n in range(5)]
    asyncio.run(plant.context.dead_letters.put(organization, dead_letters, plant.clock.now))
    reported = streaming.get(f"{path(id)}/count").json()
    code = listed(streaming, id)[0]["error"]["code"]
    assert reported == {
        "count": 8,
        "complete": True,
        "places": {"step:0": 3, "destination:0": 5},
        "codes": {code: 3, "failed": 5},
    }
    assert streaming.get(f"{path(id)}/count", params={"from": middle}).json()["count"] == 5
    assert {one["place"] for one in listed(streaming, id, to=middle)} == {"step:0"}
    assert len(listed(streaming, id, code="failed")) == 5
    first = streaming.get(path(id), params={"place": "destination:0", "limit": 2}).json()
    query = {"place": "destination:0", "cursor": first["nextCursor"]}
    rest = streaming.get(path(id), params=query).json()
    assert (len(first["items"]), len(rest["items"])) == (2, 3)
    assert error_of(streaming.get(path(id), params={"place": "nowhere"})) == (422, "invalid_place")
    assert error_of(streaming.get(path(id), params={"from": "soon"})) == (422, "invalid_time")


def test_dead_letters_are_read_and_deleted_one_by_one_or_by_choice(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = failing(streaming, plant, "abcde")
    dead_letters = listed(streaming, id)
    one = f"{path(id)}/{dead_letters[0]['id']}"
    assert streaming.get(one).json() == dead_letters[0]
    assert streaming.delete(one).status_code == 204
    for gone in (streaming.delete(one), streaming.get(one)):
        assert error_of(gone) == (404, "dead_letter_not_found")
    delete = f"{path(id)}/delete"
    assert streaming.post(delete, json={}).status_code == 422
    assert streaming.post(delete, json={"ids": [dead_letters[1]["id"]]}).json() == {
        "deleted": 1,
        "more": False,
    }
    assert streaming.post(delete, json={"code": "another"}).json() == {"deleted": 0, "more": False}
    assert streaming.post(delete, json={"all": True}).json() == {"deleted": 3, "more": False}
    assert listed(streaming, id) == []


def test_messages_delayed_on_purpose_are_no_lag(streaming: httpx.Client, plant: Plant) -> None:
    id = failing(streaming, plant)
    streaming.put(f"/pipelines/{id}", json=FINE)
    plant.age = 60_000
    assert redrive(streaming, plant, id)["redriven"] == 3
    plant.clock.pass_time(5_000)
    metrics = streaming.get(f"/pipelines/{id}/metrics").json()
    assert metrics["lag"] == 0
    assert metrics["backpressure"] < 0.1


def test_dead_letters_are_grouped_by_place_and_error(streaming: httpx.Client, plant: Plant) -> None:
    id = failing(streaming, plant, "abc", NEGATED, step("map", {"expression": {"n": "-m"}}))
    plant.clock.pass_time(1_000)
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": "d"}, {"n": 1}])
    plant.transform()
    answer = streaming.get(f"{path(id)}/groups").json()
    assert answer["nextCursor"] is None
    (group,) = answer["items"]
    assert (group["place"], group["count"], group["statuses"]) == ("step:0", 4, {})
    assert group["firstAt"] == iso(plant.clock.now - 1_000)
    assert group["lastAt"] == iso(plant.clock.now)
    latest = streaming.get(f"{path(id)}/{group['latestId']}").json()
    assert latest["error"] == {"code": group["code"], "message": group["message"]}
    none = streaming.get(f"{path(id)}/groups", params={"place": "destination:0"}).json()
    assert none == {"items": [], "nextCursor": None}
    one = streaming.get(path(id), params={"place": group["place"], "code": group["code"]}).json()
    assert len(one["items"]) == 4


def test_groups_of_many_dead_letters_continue_on_the_next_page(
    streaming: httpx.Client, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_READS", 1)
    id = made(streaming, NEGATED)
    large = "x" * 60_000  # of which DynamoDB reads less than twenty at a time
    for number in range(20):
        streaming.post(f"/pipelines/{id}/batch", json=[{"n": f"{number}", "large": large}])
    plant.transform()
    counts, query = [], dict[str, str]()
    while True:
        page = streaming.get(f"{path(id)}/groups", params=query).json()
        counts += [group["count"] for group in page["items"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert sum(counts) == 20
    assert len(counts) > 1
