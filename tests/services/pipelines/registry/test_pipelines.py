"""Creating, reading, changing, starting and stopping pipelines."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of
from tests.services.pipelines.definitions import REFERENCE, act, counted, made, pipeline, step
from tests.tokens import Issuer


def test_pipelines_are_found_by_name_id_and_state(streaming: httpx.Client) -> None:
    for name in ("Orders to the warehouse", "Orders to Slack", "Refunds"):
        created = streaming.post("/pipelines", json=pipeline(name=name))
        assert created.status_code == 201, created.text
    id = created.json()["id"]
    act(streaming, id, "start")

    def found(**query: str) -> list[str]:
        answer = streaming.get("/pipelines", params=query)
        assert answer.status_code == 200, answer.text
        return [one["name"] for one in answer.json()["items"]]

    assert found(q="orders") == ["Orders to the warehouse", "Orders to Slack"]
    assert found(q="SLACK orders") == ["Orders to Slack"]
    assert found(q=id) == ["Refunds"]
    assert found(state="running") == ["Refunds"]
    assert found(q="orders", state="running") == []
    assert streaming.get("/pipelines", params={"state": "asleep"}).status_code == 422
    assert streaming.get("/pipelines", params={"q": "x" * 201}).status_code == 422
    first = streaming.get("/pipelines", params={"q": "orders", "limit": 1}).json()
    second = streaming.get("/pipelines", params={"q": "orders", "cursor": first["nextCursor"]}).json()
    assert [one["name"] for one in first["items"] + second["items"]] == found(q="orders")


def test_pipeline_is_created_read_and_listed(streaming: httpx.Client) -> None:
    created = streaming.post("/pipelines", json=REFERENCE)
    assert created.status_code == 201
    to_public = created.json()
    del to_public["warnings"]  # what is told to the author only
    assert to_public["state"] == "created"
    assert to_public["version"] == 1
    assert {name: to_public[name] for name in REFERENCE} == REFERENCE
    assert created.headers["location"] == f"/api/streaming/pipelines/{to_public['id']}"
    assert streaming.get(f"/pipelines/{to_public['id']}").json() == to_public
    assert streaming.get("/pipelines").json() == {"items": [to_public], "nextCursor": None}


def test_lists_go_on_by_cursor_until_all_are_seen(streaming: httpx.Client) -> None:
    ids = [made(streaming, start=False) for _ in range(5)]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    for count in (2, 2, 1):
        page = streaming.get("/pipelines", params=params).json()
        assert len(page["items"]) == count
        seen += [one["id"] for one in page["items"]]
        params["cursor"] = page["nextCursor"]
    assert seen == ids
    assert params["cursor"] is None
    assert error_of(streaming.get("/pipelines", params={"cursor": "nonsense"})) == (422, "invalid_cursor")


def test_each_mistake_in_a_definition_is_named_by_its_path(streaming: httpx.Client) -> None:
    wrong = pipeline(
        step("map", {"expression": {"a": "upper("}}), step("filter", {"field": "x", "operator": "like"})
    )
    answer = streaming.post("/pipelines", json=wrong)
    assert error_of(answer) == (422, "invalid_definition")
    problems = answer.json()["error"]["problems"]
    paths = {problem["path"] for problem in problems}
    assert "transforms.0.config.expression.a" in paths
    assert "transforms.1.config.operator" in paths
    assert all(problem["message"] for problem in problems)
    assert streaming.get("/pipelines").json()["items"] == []


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "{}"])
def test_invalid_definition_is_refused(streaming: httpx.Client, body: str) -> None:
    answer = streaming.post("/pipelines", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422


def test_definition_beyond_its_limit_is_refused(streaming: httpx.Client) -> None:
    large = pipeline(description="x" * 1_999, source={"type": "schedule", "expression": "rate(1 day)"})
    large["source"]["payload"] = {"filler": "x" * 40_000}
    assert error_of(streaming.post("/pipelines", json=large)) == (413, "too_large")


def test_unknown_secret_is_refused_by_name(streaming: httpx.Client) -> None:
    headers = {"authorization": "Bearer ${secrets.NO_SUCH_KEY}"}
    destination = {"type": "webhook", "config": {"url": "https://api.example.com", "headers": headers}}
    answer = streaming.post("/pipelines", json=pipeline(destination=destination))
    assert error_of(answer) == (422, "unknown_secret")
    assert "NO_SUCH_KEY" in answer.json()["error"]["message"]


def test_states_follow_the_diagram(streaming: httpx.Client) -> None:
    id = made(streaming, start=False)
    for action, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
    ):
        assert act(streaming, id, action)["state"] == state
    assert streaming.get(f"/pipelines/{id}").json()["state"] == "stopped"


@pytest.mark.parametrize(
    ("before", "action", "allowed"),
    [
        ([], "pause", ["start"]),
        ([], "stop", ["start"]),
        (["start"], "start", ["pause", "stop"]),
        (["start"], "resume", ["pause", "stop"]),
        (["start", "pause"], "pause", ["resume", "stop"]),
        (["start", "stop"], "start", []),
    ],
)
def test_wrong_transition_names_the_allowed_ones(
    streaming: httpx.Client, before: list[str], action: str, allowed: list[str]
) -> None:
    id = made(streaming, start=False)
    for one in before:
        act(streaming, id, one)
    answer = streaming.post(f"/pipelines/{id}/{action}")
    assert error_of(answer) == (409, "invalid_transition")
    assert answer.json()["error"]["allowed"] == allowed


def test_update_makes_a_version_and_keeps_the_old_one(streaming: httpx.Client) -> None:
    id = made(streaming)
    changed = streaming.put(f"/pipelines/{id}", json=pipeline(counted(), name="changed"))
    assert changed.json()["version"] == 2
    assert changed.json()["state"] == "running"
    assert streaming.get(f"/pipelines/{id}/versions/1").json() == pipeline()
    assert streaming.get(f"/pipelines/{id}/versions/2").json()["name"] == "changed"
    assert error_of(streaming.get(f"/pipelines/{id}/versions/3")) == (404, "version_not_found")
    partly = streaming.patch(f"/pipelines/{id}", json={"name": "again"}).json()
    assert (partly["version"], partly["name"], len(partly["transforms"])) == (3, "again", 1)


def test_versions_are_listed_the_newest_first(streaming: httpx.Client) -> None:
    id = made(streaming, start=False)
    for n in (2, 3):
        assert streaming.patch(f"/pipelines/{id}", json={"name": f"name {n}"}).json()["version"] == n
    first = streaming.get(f"/pipelines/{id}/versions", params={"limit": 2}).json()
    assert [(one["version"], one["definition"]["name"]) for one in first["items"]] == [
        (3, "name 3"),
        (2, "name 2"),
    ]
    rest = streaming.get(f"/pipelines/{id}/versions", params={"cursor": first["nextCursor"]}).json()
    assert [(one["version"], one["definition"]["name"]) for one in rest["items"]] == [(1, "test")]
    assert rest["nextCursor"] is None
    assert error_of(streaming.get("/pipelines/nobody/versions"))[0] == 404


def test_lists_go_on_where_a_page_is_larger_than_the_database_answers(streaming: httpx.Client) -> None:
    """A query's answer ends at 1 MB, wherever that is."""
    long = {"field": "text", "operator": "eq", "value": "x" * 20_000}
    ids = [made(streaming, step("filter", long), start=False) for _ in range(60)]
    listed = streaming.get("/pipelines", params={"limit": 100}).json()
    assert [one["id"] for one in listed["items"]] == ids


def test_resource_from_get_can_be_put_back_unchanged(streaming: httpx.Client) -> None:
    id = made(streaming)
    to_public = streaming.get(f"/pipelines/{id}").json()
    answer = streaming.put(f"/pipelines/{id}", json=to_public).json()
    assert answer | {"warnings": []} == to_public | {"warnings": []}


def test_running_pipeline_keeps_its_source(streaming: httpx.Client) -> None:
    id = made(streaming)
    answer = streaming.patch(f"/pipelines/{id}", json={"source": {"type": "webhook"}})
    assert error_of(answer) == (409, "source_fixed")


def test_only_what_takes_no_events_can_be_deleted(streaming: httpx.Client) -> None:
    id = made(streaming)
    assert error_of(streaming.delete(f"/pipelines/{id}")) == (409, "pipeline_active")
    act(streaming, id, "stop")
    assert streaming.delete(f"/pipelines/{id}").status_code == 204
    assert error_of(streaming.get(f"/pipelines/{id}")) == (404, "pipeline_not_found")
    assert error_of(streaming.get(f"/pipelines/{id}/versions/1")) == (404, "version_not_found")


def test_schema_accepts_what_the_reference_shows(streaming: httpx.Client) -> None:
    schema = streaming.get("/schema").json()
    assert set(REFERENCE) <= set(schema["properties"])


def test_another_organization_sees_and_changes_nothing(streaming: httpx.Client, issuer: Issuer) -> None:
    id = made(streaming)
    stranger = issuer.headers("another-organization")
    for method, path in (
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("GET", "/metrics"),
        ("GET", "/health"),
        ("GET", "/versions/1"),
        ("POST", "/pause"),
        ("POST", "/process"),
        ("POST", "/batch"),
    ):
        body = None if method in ("GET", "DELETE") else pipeline()
        sent = [body] if path == "/batch" else body
        answer = streaming.request(method, f"/pipelines/{id}{path}", json=sent, headers=stranger)
        assert answer.status_code == 404, (method, path, answer.text)
    assert streaming.get(f"/pipelines/{id}").json()["state"] == "running"


def test_reading_and_writing_need_their_scopes(
    streaming: httpx.Client, issuer: Issuer, organization: str
) -> None:
    id = made(streaming)
    reader = issuer.headers(organization, scope="pipelines:read")
    chatter = issuer.headers(organization, scope="chat")
    assert streaming.get(f"/pipelines/{id}", headers=reader).status_code == 200
    for answer in (
        streaming.get(f"/pipelines/{id}", headers=chatter),
        streaming.post("/pipelines", json=pipeline(), headers=reader),
        streaming.post(f"/pipelines/{id}/pause", headers=reader),
        streaming.post(f"/pipelines/{id}/process", json={}, headers=reader),
        streaming.delete(f"/pipelines/{id}", headers=reader),
    ):
        assert error_of(answer) == (403, "missing_scope")
