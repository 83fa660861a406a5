"""Limits of a day and stops over HTTP: refused before anything is stored, ended during a run, and shown."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from millrace.api.flows_app import create_app as flows_app
from millrace.services.runs import run_pump
from millrace.services.runs.platform import Platform
from millrace.stores import limits
from tests.api.talk import error_of, say, saying
from tests.serving import served
from tests.tokens import Issuer

THREE_CALLS = "/echo tools=2 think=0\nword"
ENDLESS = "/echo tools=0 think=0 hang=1\nword"


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(run_pump, "STOPS_EVERY", 0.0)


def limit(management: httpx.Client, level: str, **given: Any) -> None:
    assert management.patch("/api/limits", json={level: given}).status_code == 200


def usage(client: httpx.Client, **query: str) -> dict[str, dict[str, Any]]:
    answer = client.get("/api/usage", params=query)
    assert answer.status_code == 200, answer.text
    return {row["level"]: row for row in answer.json()["items"]}


def post(chat: httpx.Client, conversation: str = "c1", **more: Any) -> httpx.Response:
    body = {"agentId": "echo", "content": "hello"} | more
    return chat.post(f"/api/conversations/{conversation}/messages", json=body)


@pytest.mark.parametrize("level", ["organization", "user", "agent"])
def test_message_beyond_a_limit_is_refused_and_nothing_stored(
    chat: httpx.Client, management: httpx.Client, level: str
) -> None:
    limit(management, level, tokensPerDay=0)
    refused = post(chat)
    error = refused.json()["error"]
    assert error_of(refused) == (429, "limit_reached")
    assert (error["level"], error["limit"], error["limitValue"], error["used"]) == (
        level,
        "tokensPerDay",
        0,
        0,
    )
    assert 0 < int(refused.headers["retry-after"]) <= 24 * 3600
    assert chat.get("/api/conversations/c1").status_code == 404


@pytest.mark.parametrize(("given", "reason"), [({"tokensPerDay": 1}, "max_tokens")])
def test_run_ends_at_the_limit_before_its_next_model_call(
    chat: httpx.Client, management: httpx.Client, given: dict[str, Any], reason: str
) -> None:
    limit(management, "user", **given)
    events = [event.data for event in say(chat, THREE_CALLS)]
    assert events[-1]["type"] == "done"
    assert events[-1]["finishReason"] == reason
    assert any("limit tokensPerDay of 1 is reached" in event.get("message", "") for event in events)
    assert [event["type"] for event in events].count("tool_call") == 1
    assert error_of(post(chat, "c2")) == (429, "limit_reached")
    assert usage(management)["user"]["tokens"] == events[-1]["usage"]["total"]


def test_limit_of_an_agent_counts_where_the_message_does_not_name_it(
    chat: httpx.Client, management: httpx.Client
) -> None:
    say(chat, "hello")
    limit(management, "agent", tokensPerDay=0)
    assert error_of(post(chat, agentId=None)) == (429, "limit_reached")


def test_interrupting_message_beyond_a_limit_stops_nothing(
    chat: httpx.Client, management: httpx.Client
) -> None:
    with saying(chat, ENDLESS) as events:
        assert next(events).data["type"] == "start"
        limit(management, "organization", tokensPerDay=0)
        assert error_of(post(chat, ifBusy="interrupt")) == (429, "limit_reached")
        assert chat.get("/api/conversations/c1").json()["activeRunId"]
        chat.post("/api/conversations/c1/stop")


def test_removed_limit_limits_nothing_and_what_is_not_limited_is_not_counted(
    chat: httpx.Client, management: httpx.Client
) -> None:
    limit(management, "organization", tokensPerDay=0, costPerDay=5)
    limit(management, "organization", tokensPerDay=None)
    shown = management.get("/api/limits").json()["organization"]
    assert (shown["tokensPerDay"], shown["costPerDay"]) == (None, 5.0)
    limit(management, "organization", costPerDay=None)
    say(chat, "hello")
    row = usage(management)["organization"]
    assert (row["tokens"], row["cost"], row["tokensPerDay"]) == (None, None, None)


def test_customer_sees_the_own_use_alone(management: httpx.Client, issuer: Issuer, organization: str) -> None:
    management.headers.update(issuer.user(organization, "someone", "customer"))
    assert list(usage(management)) == ["user"]
    for query in ({"userId": "user-1"}, {"agentId": "echo"}):
        assert error_of(management.get("/api/usage", params=query)) == (403, "missing_scope")


def test_admin_sees_the_use_of_any_user_and_agent(chat: httpx.Client, management: httpx.Client) -> None:
    for level in ("organization", "user", "agent"):
        limit(management, level, tokensPerDay=1000)
    say(chat, "hello")
    seen = usage(management, userId="user-1", agentId="echo")
    assert {row["tokens"] for row in seen.values()} == {seen["user"]["tokens"]}
    assert seen["user"]["tokens"] > 0
    assert usage(management, userId="other")["user"]["tokens"] == 0


@pytest.mark.parametrize("agent", ["echo", None])
def test_stop_ends_the_runs_and_refuses_new_ones_until_it_is_lifted(
    chat: httpx.Client, management: httpx.Client, agent: str | None
) -> None:
    stop = {"agentId": agent, "reason": "It promises refunds."}
    with saying(chat, ENDLESS) as events:
        assert next(events).data["type"] == "start"
        assert management.post("/api/limits/stops", json=stop).status_code == 201
        assert list(events)[-1].data["finishReason"] == "stopped"
    refused = post(chat, "c2")
    assert error_of(refused) == (403, "agent_stopped")
    assert "It promises refunds." in refused.json()["error"]["message"]
    assert management.get("/api/limits/stops").json()["items"][0]["agentId"] == agent
    other = post(chat, "c3", agentId="demo")
    assert other.status_code == (200 if agent else 403)
    query = {"agentId": agent} if agent else {}
    assert management.delete("/api/limits/stops", params=query).status_code == 204
    assert post(chat, "c2").status_code == 200
    assert error_of(management.delete("/api/limits/stops", params=query)) == (404, "stop_not_found")


def test_second_stop_leaves_the_first(management: httpx.Client) -> None:
    made = [management.post("/api/limits/stops", json={"reason": why}).json() for why in ("one", "two")]
    assert made[0] == made[1]
    assert management.get("/api/limits/stops").json()["items"] == [made[0]]


@pytest.fixture
def flows(platform: Platform, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with served(flows_app(platform.settings, platform)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


def test_flow_is_refused_at_a_limit_and_where_it_is_stopped(
    flows: httpx.Client, management: httpx.Client
) -> None:
    step = {"name": "say", "type": "agent", "agentId": "echo", "message": "'hello'"}
    assert flows.post("/api/flows", json={"name": "greet", "steps": [step]}).status_code == 201
    limit(management, "user", tokensPerDay=0)
    assert error_of(flows.post("/api/flows/greet/events", json={})) == (429, "limit_reached")
    limit(management, "user", tokensPerDay=None)
    management.post("/api/limits/stops", json={"reason": "Audit."})
    assert error_of(flows.post("/api/flows/greet/events", json={})) == (403, "agent_stopped")


@pytest.mark.parametrize(
    "given",
    [
        {"tokensPerDay": -1},
        {"tokensPerDay": 1.5},
        {"costPerDay": -1},
        {"x": 1},
        {"requestsPerMinute": 0},
        {"concurrentRuns": 1001},
        {"agents": 3},
    ],
)
def test_wrong_limits_are_refused(management: httpx.Client, given: dict[str, Any]) -> None:
    assert management.patch("/api/limits", json={"user": given}).status_code == 422
    assert set(management.get("/api/limits").json()["user"].values()) == {None}


FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "AI SDK": (
        "/api/chat",
        {
            "id": "c1",
            "agentId": "echo",
            "trigger": "submit-message",
            "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}],
        },
    ),
    "AG-UI": (
        "/agui/echo",
        {
            "threadId": "c1",
            "runId": "r1",
            "state": {},
            "messages": [{"id": "m1", "role": "user", "content": "hello"}],
            "tools": [],
            "context": [],
            "forwardedProps": {},
        },
    ),
    "chat completions": (
        "/v1/chat/completions",
        {"model": "agent:echo", "messages": [{"role": "user", "content": "hello"}]},
    ),
    "responses": ("/v1/responses", {"model": "agent:echo", "input": "hello"}),
}


@pytest.mark.parametrize("face", FACES)
def test_limit_and_stop_hold_in_every_protocol(
    chat: httpx.Client, management: httpx.Client, face: str
) -> None:
    path, body = FACES[face]
    limit(management, "user", tokensPerDay=0)
    refused = chat.post(path, json=body)
    assert error_of(refused) == (429, "limit_reached")
    assert refused.headers["retry-after"]
    limit(management, "user", tokensPerDay=None)
    management.post("/api/limits/stops", json={"agentId": "echo", "reason": "Off."})
    assert error_of(chat.post(path, json=body)) == (403, "agent_stopped")
