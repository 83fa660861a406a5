"""Warnings about definitions, and tests of destinations, through the API and the deliver function."""

from typing import Any

import httpx
import pytest

from millrace.services.pipelines.registry import warnings
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, pipeline, step

HOOK = {"url": "https://1.1.1.1/events"}
LOOKUP_SECONDS = 60.0


@pytest.fixture(autouse=True)
def patient_lookups(streaming: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give lookups the time that a busy machine needs: without an answer in time, there is no warning."""
    monkeypatch.setattr(warnings, "SECONDS", LOOKUP_SECONDS)
    monkeypatch.setattr(warnings, "_DNS_SECONDS", LOOKUP_SECONDS)
    streaming.timeout = httpx.Timeout(2 * LOOKUP_SECONDS)


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code in (200, 201), answer.text
    return [(one["code"], one["path"]) for one in answer.json()["warnings"]]


MEANT: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"destination": step("webhook", HOOK)}, []),
    (
        {"source": {"type": "webhook"}, "destination": step("webhook", HOOK)},
        [("unsigned_webhook", "source.verify")],
    ),
    (
        {
            "source": {"type": "schedule", "expression": "at(2020-01-01T00:00:00)"},
            "destination": step("webhook", HOOK),
        },
        [("schedule_past", "source.expression")],
    ),
    (
        {
            "source": {"type": "agent_execution", "agentIds": ["demo", "nobody"]},
            "destination": step("webhook", HOOK),
        },
        [("unknown_agent", "source.agentIds.1")],
    ),
    (
        {"destination": step("webhook", {"url": "https://no-such-host.invalid/"})},
        [("unknown_host", "destination.config.url")],
    ),
    (
        {"destination": step("webhook", HOOK | {"headers": {"x-agent": "{{agentId}}"}})},
        [("literal_template", "destination.config.headers.x-agent")],
    ),
    (
        {
            "transforms": [
                step("map", {"expression": {"a": "b"}}, when="true"),
                step("dedupe", {"key": "a"}),
            ],
            "destination": step("webhook", HOOK),
        },
        [("constant_condition", "transforms.0.when")],
    ),
    (
        {
            "transforms": [step("map", {"expression": {"a": "b"}}), step("dedupe", {"key": "c"})],
            "destination": step("webhook", HOOK),
        },
        [("unknown_field", "transforms.1.config.key")],
    ),
]


@pytest.mark.parametrize(("parts", "expected"), MEANT, ids=[str(expected) for _, expected in MEANT])
def test_probable_mistake_is_warned_of(
    streaming: httpx.Client, parts: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    created = streaming.post("/pipelines", json=pipeline(**parts))
    assert codes(created) == expected
    answer = streaming.put(f"/pipelines/{created.json()['id']}", json=created.json())
    assert codes(answer) == expected
    assert "warnings" not in streaming.get(f"/pipelines/{created.json()['id']}").json()


def test_secret_of_another_host_than_the_services_is_warned_of(streaming: httpx.Client) -> None:
    stored = streaming.put("/secrets/KEY", json={"value": "abc", "hosts": ["api.example.com"]})
    assert stored.status_code == 200, stored.text
    config = {"provider": "segment", "writeKey": "${secrets.KEY}"}
    created = streaming.post("/pipelines", json=pipeline(destination=step("analytics", config)))
    assert codes(created) == [("secret_host", "destination.config")]


def test_table_of_a_database_is_looked_up_by_the_function_that_delivers(streaming: httpx.Client) -> None:
    """Only the local stack supports SQLite files, so the function of a deployment refuses this one."""
    config = {"table": "t", "connection": "sqlite:///nowhere.db"}
    created = streaming.post("/pipelines", json=pipeline(destination=step("database", config)))
    assert codes(created) == [("table_problem", "destination.config.table")]
    assert "by the local stack only" in created.json()["warnings"][0]["message"]


COPY = {"table": "t", "connection": "sqlite:///nowhere.db", "conflictFields": ["id"], "versionField": "v"}


@pytest.mark.parametrize(
    ("config", "source", "fields", "expected"),
    [
        ({"operation": "{{op}}", "deletedField": "gone"}, "database_change", {"id": "keys.id"}, []),
        ({"operation": "{{op}}"}, "database_change", {"id": "keys.id"}, ["unordered_delete"]),
        ({"operation": "upsert"}, "webhook", {"id": "id", "v": "v"}, []),
        ({"operation": "upsert"}, "webhook", {"id": "id"}, ["no_version"]),
    ],
)
def test_copies_of_tables_that_cannot_be_exact_are_warned_of(
    streaming: httpx.Client, config: Any, source: str, fields: Any, expected: list[str]
) -> None:
    sources = {
        "webhook": {"type": "webhook", "verify": "github", "secret": "x" * 20},
        "database_change": {"type": "database_change", "table": "t"},
    }
    created = streaming.post(
        "/pipelines",
        json=pipeline(
            step("map", {"expression": fields}),
            source=sources[source],
            destination=step("database", COPY | config),
        ),
    )
    found = [code for code, _ in codes(created) if code not in ("table_problem", "unknown_field")]
    assert found == expected


def test_destination_is_tried_out_by_the_function_that_delivers(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = made(streaming, destination=step("webhook", {"url": "https://no-such-host.invalid/"}), start=False)
    reported = streaming.post(f"/pipelines/{id}/destinations/0/test", json={"payload": {"n": 1}})
    assert reported.status_code == 200, reported.text
    answer = reported.json()
    assert (answer["destination"], answer["outcome"], answer["code"]) == (0, "retried", "unreachable")
    assert answer["eventId"].startswith("test_")
    assert plant.deliveries() == []


def test_test_of_nothing_is_refused(streaming: httpx.Client) -> None:
    id = made(streaming, start=False)
    assert error_of(streaming.post(f"/pipelines/{id}/destinations/1/test")) == (404, "destination_not_found")
    assert error_of(streaming.post("/pipelines/pipeline_x/destinations/0/test")) == (
        404,
        "pipeline_not_found",
    )
    wrong = streaming.post(f"/pipelines/{id}/destinations/0/test", json={"event": {}})
    assert error_of(wrong) == (422, "invalid_request")
