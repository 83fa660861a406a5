"""Templates: definitions for common cases, from which pipelines are created."""

from typing import Any

import httpx
import pytest

from millrace.pipelines.definitions.definition import parse_definition
from millrace.pipelines.event import Event
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.plan import compile_plan
from millrace.services.pipelines.registry.template import Template
from millrace.services.pipelines.registry.template_catalog import TEMPLATES, template
from tests.api.talk import error_of

GIVEN: dict[str, dict[str, Any]] = {
    "runs-to-webhook": {"url": "https://api.example.com/runs"},
    "database-changes-to-webhook": {"table": "orders", "url": "https://api.example.com/orders"},
    "schedule-to-webhook": {"url": "https://api.example.com/tick"},
}
RUN = {"status": "completed", "agentId": "a", "tokens": 7, "tokenUsage": {"total": 7}, "cost": 0.5}
NOON = 1_795_262_400_000


def outputs(id: str, *payloads: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the outputs of the template's steps for events, windows included."""
    definition = parse_definition(template(id).fill(GIVEN.get(id, {})))
    run = LocalRun(compile_plan(definition, "org", "pipeline"))
    events = [Event(one, f"e{n}", "test", "test", NOON + n, NOON + n) for n, one in enumerate(payloads)]
    return [event.payload for event in [*run.feed(events), *run.finish()]]


@pytest.mark.parametrize("one", TEMPLATES, ids=lambda one: one.id)
def test_each_template_is_a_whole_definition_once_it_is_filled(one: Template) -> None:
    definition = parse_definition(one.fill(GIVEN.get(one.id, {})))
    used = {parameter.default for parameter in one.parameters if parameter.type == "secret"}
    assert definition.secrets == used


def test_templates_have_ids_of_their_own() -> None:
    assert len({one.id for one in TEMPLATES}) == len(TEMPLATES)


def test_completed_runs_are_told_as_in_the_reference() -> None:
    run = RUN | {"completedAt": "2026-11-21T12:00:00Z", "durationMs": 900}
    (reported,) = outputs("completed-runs-to-mixpanel", run, run | {"status": "failed"})
    assert reported == {
        "event_type": "agent_completion",
        "agent_id": "a",
        "tokens": 7,
        "cost": 0.5,
        "durationMs": 900,
        "timestamp": "2026-11-21T12:00:00Z",
    }


def test_usage_is_one_row_per_agent_and_interval() -> None:
    rows = outputs("usage-per-agent-to-database", RUN, RUN | {"tokens": 3}, RUN | {"agentId": "b"})
    reported = {row["agent_id"]: (row["runs"], row["tokens"], row["cost"]) for row in rows}
    assert reported == {"a": (2, 10, 1.0), "b": (1, 7, 0.5)}
    assert {row["window_start"] for row in rows} == {"2026-11-21T12:00:00Z"}


def test_audit_row_says_who_did_what() -> None:
    (row,) = outputs(
        "audit-to-database", {"userId": "u", "method": "POST", "path": "/api/agents", "status": 201}
    )
    assert row == {
        "id": "e0",
        "at": "2026-11-21T12:00:00Z",
        "user_id": "u",
        "method": "POST",
        "path": "/api/agents",
        "status": 201,
    }


def test_only_opened_pull_requests_reach_the_chat() -> None:
    request = {"title": "T", "html_url": "https://github.com/x"}
    opened = {"action": "opened", "pull_request": request, "sender": {"login": "ann"}}
    assert outputs(
        "github-webhook-to-slack", opened, opened | {"action": "closed"}, {"action": "opened"}
    ) == [opened]


def test_template_is_listed_read_and_made_into_a_pipeline(streaming: httpx.Client) -> None:
    listed = streaming.get("/templates").json()["items"]
    assert [one["id"] for one in listed] == [one.id for one in TEMPLATES]
    to_public = streaming.get("/templates/schedule-to-webhook").json()
    assert to_public in listed
    assert [one["name"] for one in to_public["parameters"] if one.get("required")] == ["url"]
    created = streaming.post(
        "/templates/schedule-to-webhook/pipelines",
        json={"name": "Tick", "parameters": {"url": "https://api.example.com/tick"}},
    )
    assert created.status_code == 201
    made = streaming.get(f"/pipelines/{created.json()['id']}").json()
    assert (made["name"], made["state"]) == ("Tick", "created")
    assert made["source"] == {"type": "schedule", "expression": "rate(1 hour)", "timezone": "UTC"}
    assert made["destination"]["config"]["url"] == "https://api.example.com/tick"


@pytest.mark.parametrize(
    ("id", "body", "status", "code"),
    [
        ("nothing", {}, 404, "template_not_found"),
        ("schedule-to-webhook", {}, 422, "invalid_parameter"),
        ("schedule-to-webhook", {"parameters": {"url": 7}}, 422, "invalid_parameter"),
        ("schedule-to-webhook", {"parameters": {"url": "https://x", "uri": "y"}}, 422, "invalid_parameter"),
        ("schedule-to-webhook", {"parameters": {"url": "nowhere"}}, 422, "invalid_definition"),
        ("schedule-to-webhook", {"surprise": 1}, 422, "invalid_request"),
        ("failed-runs-to-slack", {}, 422, "unknown_secret"),
    ],
)
def test_invalid_request_says_why_and_creates_no_pipeline(
    streaming: httpx.Client, id: str, body: dict[str, Any], status: int, code: str
) -> None:
    assert error_of(streaming.post(f"/templates/{id}/pipelines", json=body)) == (status, code)
    assert streaming.get("/pipelines").json()["items"] == []
