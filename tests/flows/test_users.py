"""A flow works for the user who started or continued it; its steps are not visible to everybody."""

from typing import Any

import httpx
import pytest

from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import needs_scope
from millrace.agent.tools.tool import ToolContext
from millrace.api.flows_app import create_app
from millrace.domain.runs import ContinueRun
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.flows.making import make_flow
from tests.serving import served
from tests.tokens import Issuer


def flow_user(context: ToolContext) -> str:
    """Tell who asks."""
    return context.user.id


@needs_scope("agents:write")
def flow_rule() -> str:
    """Rules."""
    return "ruled"


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN, "flow_user", flow_user)
    monkeypatch.setitem(BUILT_IN, "flow_rule", flow_rule)


def test_step_works_for_whoever_started_the_flow(
    settings: Settings, issuer: Issuer, organization: str
) -> None:
    """An answer changes for nobody whose work it is: who answers decides, and no more."""
    platform = Platform.make(settings)

    async def go_on(organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        await continue_run(platform, ContinueRun(organization, run_id, reason))

    platform.stores.run_queue.enqueue = go_on  # type: ignore[method-assign]
    steps: list[dict[str, Any]] = [
        {"name": "first", "type": "tool", "tool": "flow_user"},
        {"name": "wait", "type": "wait_for_input", "approvers": {"scope": "conversations:manage"}},
        {"name": "second", "type": "tool", "tool": "flow_user"},
    ]
    ann, boss = issuer.user(organization, "ann", "customer"), issuer.user(organization, "boss", "operator")
    path = "/api/flows/flow/events"
    with served(create_app(settings, platform)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as flows:
            make_flow(flows, steps, output="[steps.first, steps.second]")
            waiting = flows.post(path, json={"input": 1}, headers=ann).json()
            given = {"input": "go", "executionId": waiting["executionId"]}
            assert flows.post(path, json=given, headers=boss).json()["result"] == ["ann", "ann"]


def test_step_with_a_tool_that_needs_a_scope_fails_for_users_without_it(
    flows: httpx.Client, issuer: Issuer, organization: str
) -> None:
    make_flow(flows, [{"name": "ruling", "type": "tool", "tool": "flow_rule"}])
    path = "/api/flows/flow/events"
    refused = flows.post(path, json={}, headers=issuer.user(organization, "ann", "customer"))
    assert refused.json()["error"]["step"] == "ruling"
    assert "agents:write" in refused.json()["error"]["message"]
    assert flows.post(path, json={}).json()["result"] == "ruled"


def test_customer_sees_that_a_flow_is_there_but_not_its_steps(
    flows: httpx.Client, issuer: Issuer, organization: str
) -> None:
    make_flow(flows, [{"name": "ruling", "type": "tool", "tool": "flow_rule"}])
    ann = issuer.user(organization, "ann", "customer")
    [listed] = flows.get("/api/flows", headers=ann).json()["items"]
    assert listed == flows.get("/api/flows/flow", headers=ann).json()
    assert set(listed) == {"name", "description", "createdAt", "updatedAt"}
    member = issuer.user(organization, "ann", "member")
    assert flows.get("/api/flows/flow", headers=member).json()["steps"]
