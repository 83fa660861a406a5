"""The events that a pipeline accepted, for viewing and for dry runs."""

from typing import Any

import httpx

from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, pipeline, step

FILTER = step("filter", {"field": "n", "operator": "gt", "value": 1})
DOUBLE = step("map", {"expression": {"twice": "n * 2"}})


def pages(streaming: httpx.Client, id: str, limit: int) -> list[list[dict[str, Any]]]:
    """All pages of the recorded events."""
    found: list[list[dict[str, Any]]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        answer = streaming.get(f"/pipelines/{id}/events", params=query)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["items"])
        if answer.json()["nextCursor"] is None:
            return found
        query["cursor"] = answer.json()["nextCursor"]


def test_recorded_events_are_paged_from_the_newest_to_the_end(plant: Plant, streaming: httpx.Client) -> None:
    id = made(streaming)
    for start in range(0, 30, 3):
        items = [{"id": f"e-{start + at}", "payload": {"n": start + at}} for at in range(3)]
        assert streaming.post(f"/pipelines/{id}/batch", json=items).status_code == 202
        plant.transform()
        plant.clock.pass_time(1_000)
    for limit in (1, 4, 200):
        found = [one["payload"]["n"] for page in pages(streaming, id, limit) for one in page]
        assert found == list(reversed(range(30)))
        assert max(map(len, pages(streaming, id, limit))) <= limit


def test_missing_recorded_events_are_an_empty_page(streaming: httpx.Client) -> None:
    answer = streaming.get(f"/pipelines/{made(streaming)}/events")
    assert answer.json() == {"items": [], "nextCursor": None}
    assert error_of(streaming.get("/pipelines/pipeline_none/events")) == (404, "pipeline_not_found")


def test_cursor_of_recorded_events_must_be_one(streaming: httpx.Client) -> None:
    answer = streaming.get(f"/pipelines/{made(streaming)}/events", params={"cursor": "nonsense"})
    assert error_of(answer) == (422, "invalid_cursor")


def test_recorded_event_can_be_tried_on_another_definition(plant: Plant, streaming: httpx.Client) -> None:
    id = made(streaming)
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": 1}, {"n": 2}])
    plant.transform()
    ((newest, oldest),) = pages(streaming, id, 50)
    tried = [{name: one[name] for name in ("id", "type", "time", "payload")} for one in (oldest, newest)]
    request = {"definition": pipeline(FILTER, DOUBLE), "events": tried}
    answer = streaming.post("/dry-run", json=request)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["events"]
    assert [one["did"] for one in first["steps"]] == ["dropped"]
    assert [one["did"] for one in second["steps"]] == ["passed", "mapped"]
    assert second["id"] == newest["id"]
    assert second["outputs"] == [{"twice": 4}]
    assert streaming.get("/pipelines").json()["items"][0]["id"] == id, "nothing was stored"
    assert not plant.waiting()


def test_dry_run_of_a_definition_refuses_what_no_pipeline_can_have(streaming: httpx.Client) -> None:
    def refused(**request: Any) -> tuple[int, str]:
        return error_of(streaming.post("/dry-run", json=request))

    events = [{"n": 1}]
    assert refused(definition={"name": "x"}, events=events) == (422, "invalid_definition")
    assert refused(events=events) == (422, "invalid_definition")
    assert refused(definition=pipeline()) == (422, "invalid_items")
    assert refused(definition=pipeline(), events=events, more=1)[0] == 422
    large = pipeline(description="x" * 40_000)
    assert refused(definition=large, events=events) == (413, "too_large")


def test_dry_run_tries_as_many_recorded_events_as_an_answer_holds(
    plant: Plant, streaming: httpx.Client
) -> None:
    id = made(streaming, FILTER)
    for number in range(8):
        streaming.post(f"/pipelines/{id}/batch", json=[{"n": 2, "number": number, "large": "x" * 100_000}])
    plant.transform()
    events = streaming.post(f"/pipelines/{id}/dry-run").json()["events"]
    assert len(events) == 4


def test_dry_run_whose_answer_is_too_large_is_refused(streaming: httpx.Client) -> None:
    events = [{"n": 2, "large": "x" * 100_000}] * 12
    answer = streaming.post("/dry-run", json={"definition": pipeline(FILTER, DOUBLE), "events": events})
    assert answer.status_code == 200, answer.text
    twice = step("map", {"expression": {"n": "n", "one": "large", "two": "large"}})
    answer = streaming.post("/dry-run", json={"definition": pipeline(twice), "events": events})
    assert error_of(answer) == (413, "too_large")
