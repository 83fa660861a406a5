"""Flows: created, changed and refused."""

from typing import Any

import httpx
import pytest

from millrace.domain.events import Detail
from millrace.services.flows.calls import StepFailed
from tests.flows.making import THREE_STEPS, make_flow, post
from tests.tokens import Issuer

TOOL = THREE_STEPS[0]
AGENT = THREE_STEPS[1]


def test_flows_are_made_listed_replaced_and_deleted(flows: httpx.Client) -> None:
    for name in ("one", "two", "three"):
        make_flow(flows, [TOOL], name)
    page = flows.get("/api/flows", params={"limit": 2}).json()
    rest = flows.get("/api/flows", params={"limit": 2, "cursor": page["nextCursor"]}).json()
    assert [flow["name"] for flow in page["items"] + rest["items"]] == ["one", "three", "two"]
    replaced = flows.put("/api/flows/two", json={"steps": [AGENT | {"message": "input"}]}).json()
    assert [step["name"] for step in replaced["steps"]] == ["told"]
    assert flows.get("/api/flows/two").json() == replaced
    assert flows.delete("/api/flows/two").status_code == 204
    assert flows.get("/api/flows/two").status_code == 404


def test_flows_are_found_by_name_and_description(flows: httpx.Client) -> None:
    for name, description in (("refund", "Pays money back."), ("report", ""), ("tell", "Of refunds.")):
        made = flows.post("/api/flows", json={"name": name, "description": description, "steps": [TOOL]})
        assert made.status_code == 201, made.text

    def found(query: str) -> list[str]:
        return [flow["name"] for flow in flows.get("/api/flows", params={"q": query}).json()["items"]]

    assert found("REFUND") == ["refund", "tell"]
    assert found("refund back") == ["refund"]
    assert found("") == ["refund", "report", "tell"]
    assert flows.get("/api/flows", params={"q": "x" * 201}).status_code == 422


def test_name_is_taken_once(flows: httpx.Client) -> None:
    make_flow(flows, [TOOL])
    again = flows.post("/api/flows", json={"name": "flow", "steps": [TOOL]})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "flow_exists")


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [TOOL, TOOL],
        [TOOL | {"tool": "no_such_tool"}],
        [TOOL | {"arguments": {"expression": "1 +"}}],
        [AGENT | {"message": "upper("}],
        [{"name": "p", "type": "pipeline"}],
        [{"name": "p", "type": "pipeline", "definition": {"name": "p"}}],
        [{"name": "p", "type": "sleep"}],
        [TOOL | {"name": f"step{n}"} for n in range(33)],
    ],
)
def test_flow_that_could_never_run_is_refused(flows: httpx.Client, steps: list[dict[str, Any]]) -> None:
    response = flows.post("/api/flows", json={"name": "flow", "steps": steps})
    assert response.status_code == 422, response.text
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"steps": [TOOL, AGENT | {"message": "steps.sums"}]}, "steps.1.message", "before it are sum"),
        ({"steps": [AGENT | {"message": "steps.sum"}, TOOL]}, "steps.0.message", "it is the first"),
        (
            {"steps": [AGENT | {"message": "inputs.text"}]},
            "steps.0.message",
            "input, steps, last and answers",
        ),
        ({"steps": [TOOL | {"arguments": {"a": {"b": "1 +"}}}]}, "steps.0.arguments.a", "column"),
        ({"steps": [TOOL], "output": "steps.told"}, "output", "before it are sum"),
    ],
)
def test_expression_that_could_never_work_is_named_by_its_path(
    flows: httpx.Client, change: dict[str, Any], path: str, words: str
) -> None:
    refused = flows.post("/api/flows", json={"name": "flow", **change})
    error = refused.json()["error"]
    assert (refused.status_code, error["path"]) == (422, path), error
    assert words in error["message"]


def test_mistake_in_a_steps_pipeline_is_named_by_its_whole_path(flows: httpx.Client) -> None:
    definition = {
        "name": "p",
        "source": {"type": "agent_execution"},
        "transforms": [{"type": "filter", "config": {"field": "a", "operator": "eq"}}],
        "destination": {"type": "webhook", "config": {"url": "https://x.example"}},
    }
    step = {"name": "p", "type": "pipeline", "definition": definition}
    error = flows.post("/api/flows", json={"name": "flow", "steps": [TOOL, step]}).json()["error"]
    assert [one["path"] for one in error["problems"]] == ["steps.1.definition.transforms.0.config.value"]


def test_making_flows_needs_a_scope_and_running_another(
    flows: httpx.Client, issuer: Issuer, organization: str
) -> None:
    make_flow(flows, [TOOL])
    chat_only = issuer.headers(organization, scope="chat")
    made = flows.post("/api/flows", json={"name": "other", "steps": [TOOL]}, headers=chat_only)
    assert made.status_code == 403
    ran = flows.post("/api/flows/flow/events", json={"input": {"sum": "1"}}, headers=chat_only)
    assert ran.status_code == 200
    observing = issuer.headers(organization, scope="observe")
    assert flows.post("/api/flows/flow/events", json={}, headers=observing).status_code == 403


def test_expression_that_fails_names_its_step(flows: httpx.Client) -> None:
    make_flow(flows, [TOOL | {"arguments": {"expression": "upper(5)"}}])
    error = post(flows, {}).json()["error"]
    assert (error["code"], error["step"]) == ("invalid_expression", "sum")


def test_input_that_is_too_large_is_refused(flows: httpx.Client) -> None:
    make_flow(flows, [TOOL])
    response = post(flows, {"sum": "1" * 200_000})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "input_too_large")


def test_flow_that_is_too_large_is_refused(flows: httpx.Client) -> None:
    step = {"name": "p", "type": "pipeline", "definition": {"name": "x" * 70_000}}
    response = flows.post("/api/flows", json={"name": "large", "steps": [step]})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "flow_too_large")


@pytest.mark.parametrize(
    ("visibility", "reported"),
    [
        ("full", "It failed. line one\nline two"),
        ("steps", "It failed. line one line two"),
        ("answer", "It failed."),
    ],
)
def test_reason_of_a_failed_step_is_told_as_far_as_its_run_may_be_seen(
    visibility: Detail, reported: str
) -> None:
    assert StepFailed("It failed.", reason="line one\nline two").message_for(visibility) == reported
