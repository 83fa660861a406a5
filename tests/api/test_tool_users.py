"""The user of a run is passed to the tools of its agent and its sub-agents."""

import json
from typing import Any

import httpx
import pytest

from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import needs_scope
from millrace.agent.tools.tool import ToolContext
from tests.api.talk import say
from tests.api.test_models import anthropic_call, make, talk
from tests.fakes.model_bytes import anthropic_answer, anthropic_end, anthropic_start
from tests.fakes.model_server import ModelServer, Script
from tests.tokens import Issuer

__all__ = ["make", "talk"]


def whoami(context: ToolContext) -> str:
    """Tell who asks."""
    user = context.user
    return json.dumps([user.id, user.claims["email"], sorted(user.roles)])


@needs_scope("refunds:approve")
def refund() -> str:
    """Pays back."""
    raise AssertionError("It ran for a user without the scope.")


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN, "whoami", whoami)
    monkeypatch.setitem(BUILT_IN, "refund", refund)


def calling(name: str, arguments: dict[str, Any] | None = None) -> Script:
    return Script([anthropic_start(), *anthropic_call(name, arguments or {}), *anthropic_end("tool_use", 9)])


@pytest.mark.usefixtures("tools")
def test_sub_agents_tools_work_for_the_user_of_the_run(
    talk: httpx.Client,
    make: Any,
    management: httpx.Client,
    model_server: ModelServer,
    issuer: Issuer,
    organization: str,
) -> None:
    make("anthropic:claude-sonnet-4-5", tools=["agent:helper"])
    helper = {
        "id": "helper",
        "name": "H",
        "model": "anthropic:claude-sonnet-4-5",
        "tools": ["whoami", "refund"],
    }
    assert management.post("/api/agents", json=helper).status_code == 201
    model_server.play(
        calling("ask_helper", {"task": "who"}),
        calling("whoami"),
        calling("refund"),
        Script(anthropic_answer(["It is you."])),
        Script(anthropic_answer(["Done."])),
    )
    talk.headers.update(issuer.user(organization, "ann", "customer", email="ann@acme.com"))
    events = say(talk, "who am I?", agentId="agent")
    results = [event.data for event in events if event.data["type"] == "tool_result"]
    assert json.loads(results[0]["summary"]) == ["ann", "ann@acme.com", ["customer"]]
    assert not results[1]["ok"]
    assert "refunds:approve" in results[1]["summary"]
