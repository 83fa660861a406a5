"""Calls that wait for a person, over HTTP: who sees them, who may answer, and which answers are valid."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from millrace.domain.approvals import Approvers, WaitingCall
from millrace.domain.clock import now_ms
from millrace.domain.conversations import Slot
from millrace.services.runs.platform import Platform
from tests.api.talk import error_of
from tests.sse import Sent, read_events
from tests.tokens import Issuer

pytestmark = pytest.mark.usefixtures("run_queue")

HOUR = 3_600_000


def waiting(organization: str, number: int = 1, **more: Any) -> WaitingCall:
    """A call that waits in a run of Ann's."""
    slot = Slot(organization, "c1")
    facts: dict[str, Any] = {
        "slot": slot,
        "run_id": "run_1",
        "call_id": f"call_{number}",
        "kind": "approval",
        "name": "refund",
        "user": "ann",
        "agent_id": "clerk",
        "agent_name": "Clerk",
        "requested_ms": now_ms(),
        "expires_ms": now_ms() + number * HOUR,
        "arguments": {"order": "7", "amount": 80},
        "approvers": Approvers(scope="refunds:approve"),
    }
    return WaitingCall(**facts | more)


def store(platform: Platform, *calls: WaitingCall) -> None:
    async def put() -> None:
        for call in calls:
            for write in platform.stores.approvals.requests([call]):
                await platform.stores.approvals._dynamo.write(write)

    asyncio.run(put())


def ids(listed: dict[str, Any]) -> list[str]:
    return [one["callId"] for one in listed["items"]]


def test_approver_pages_through_what_waits_soonest_first(
    chat: httpx.Client, platform: Platform, organization: str
) -> None:
    store(platform, *(waiting(organization, number) for number in (3, 1, 2)))
    store(platform, waiting(f"{organization}x", 9))
    first = chat.get("/api/approvals?limit=2").json()
    rest = chat.get("/api/approvals", params={"limit": 2, "cursor": first["nextCursor"]}).json()
    assert ids(first) + ids(rest) == ["call_1", "call_2", "call_3"]
    assert rest["nextCursor"] is None
    [shown] = rest["items"]
    assert shown | {"requestedAt": "", "expiresAt": ""} == {
        "runId": "run_1",
        "callId": "call_3",
        "conversationId": "c1",
        "threadId": None,
        "agentId": "clerk",
        "agentName": "Clerk",
        "path": [],
        "kind": "approval",
        "name": "refund",
        "arguments": {"order": "7", "amount": 80},
        "prompt": None,
        "options": [],
        "schema": None,
        "approvers": {"scope": "refunds:approve"},
        "requestedBy": "ann",
        "requestedAt": "",
        "expiresAt": "",
        "state": "waiting",
        "answer": None,
        "canAnswer": False,
    }


@pytest.mark.parametrize(
    ("user", "role", "seen"),
    [("ann", "customer", ["call_1"]), ("bob", "customer", []), ("bob", "member", ["call_1"])],
)
def test_only_those_concerned_and_observers_see_that_a_call_waits(
    chat: httpx.Client,
    platform: Platform,
    issuer: Issuer,
    organization: str,
    user: str,
    role: str,
    seen: list[str],
) -> None:
    of_ann = issuer.user(organization, "ann", "customer")
    said = {"agentId": "echo", "content": "hello"}
    assert chat.post("/api/conversations/c1/messages", json=said, headers=of_ann).status_code == 200
    store(platform, waiting(organization))
    headers = issuer.user(organization, user, role)
    assert ids(chat.get("/api/approvals", headers=headers).json()) == seen


@pytest.mark.parametrize(
    ("visibility", "name", "arguments"),
    [("full", "refund", True), ("steps", "refund", False), ("answer", None, False)],
)
def test_user_who_may_not_answer_sees_what_the_agent_shows(
    chat: httpx.Client,
    platform: Platform,
    issuer: Issuer,
    organization: str,
    visibility: str,
    name: str | None,
    arguments: bool,
) -> None:
    store(platform, waiting(organization, visibility=visibility))
    member = issuer.user(organization, "bob", "member")
    [shown] = chat.get("/api/approvals", headers=member).json()["items"]
    assert (shown["name"], bool(shown["arguments"])) == (name, arguments)


def test_approver_sees_the_arguments_whatever_the_agent_shows(
    chat: httpx.Client, platform: Platform, issuer: Issuer, organization: str
) -> None:
    store(platform, waiting(organization, visibility="answer", approvers=Approvers(users=["bob"])))
    bob = issuer.user(organization, "bob", "customer")
    [shown] = chat.get("/api/approvals", headers=bob).json()["items"]
    assert (shown["canAnswer"], shown["arguments"]["amount"]) == (True, 80)


def test_cursor_of_another_kind_is_refused(chat: httpx.Client) -> None:
    assert error_of(chat.get("/api/approvals?cursor=eyJhIjoiYiJ9")) == (422, "invalid_cursor")
    assert error_of(chat.get("/api/approvals?limit=0")) == (422, "invalid_query")


def test_conversation_that_one_may_not_read_tells_nothing(
    chat: httpx.Client, platform: Platform, organization: str
) -> None:
    store(platform, waiting(organization))
    assert error_of(chat.get("/api/approvals?conversationId=c1")) == (404, "conversation_not_found")


def test_answer_to_an_unknown_run_or_of_another_organization_is_not_found(
    chat: httpx.Client, issuer: Issuer
) -> None:
    given = {"callId": "call_1", "decision": "approve"}
    assert error_of(chat.post("/api/runs/run_1/answers", json=given)) == (404, "run_not_found")
    stranger = issuer.headers(f"org-{uuid.uuid4().hex[:12]}")
    assert error_of(chat.post("/api/runs/run_1/answers", json=given, headers=stranger)) == (
        404,
        "run_not_found",
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"callId": "c", "decision": "perhaps"},
        {"callId": "", "decision": "approve"},
        {"callId": "c", "decision": "approve", "arguments": [1]},
        {"callId": "c", "decision": "reject", "reason": "x" * 2001},
        {"callId": "c", "decision": "reject", "force": True},
    ],
)
def test_malformed_answer_is_refused(chat: httpx.Client, body: dict[str, Any]) -> None:
    assert error_of(chat.post("/api/runs/run_1/answers", json=body)) == (422, "invalid_request")


# --- runs that wait: continued by the emulator's own copy of continue_runs ------------------------------

ASKS = {"name": "echo_tool", "policy": "ask", "approvers": {"owner": True, "scope": "pipelines:write"}}
MESSAGES = "/api/conversations/c1/messages"
STREAM = {"accept": "text/event-stream"}


def hire(management: httpx.Client, *tools: Any, **more: Any) -> None:
    """Makes the agent `clerk`, whose tool asks first."""
    agent = {"id": "clerk", "name": "Clerk", "model": "echo:", "tools": tools or [ASKS]} | more
    made = management.post("/api/agents", json=agent)
    assert made.status_code == 201, made.text


def say(chat: httpx.Client, text: str = "Hello", **more: Any) -> list[Sent]:
    """Sends a message; the events of its stream."""
    body = {"content": text, "agentId": "clerk"} | more
    with chat.stream("POST", MESSAGES, json=body, headers=STREAM) as response:
        assert response.status_code == 200, response.read()
        return list(read_events(response.iter_lines()))


def stream(chat: httpx.Client, method: str, path: str, **how: Any) -> list[Sent]:
    """The events of a stream, up to its end."""
    headers = STREAM | how.pop("headers", {})
    with chat.stream(method, path, headers=headers, **how) as response:
        assert response.status_code == 200, response.read()
        return list(read_events(response.iter_lines()))


def kinds(events: list[Sent]) -> list[str]:
    return [event.data["type"] for event in events if event.data["type"] != "heartbeat"]


def test_answer_streams_the_run_that_goes_on(chat: httpx.Client, management: httpx.Client) -> None:
    hire(management)
    seen = say(chat)
    assert kinds(seen)[-2:] == ["approval_requested", "waiting"]
    run = seen[0].data["runId"]
    assert chat.get(f"/api/runs/{run}").json()["state"] == "waiting"
    given = {"callId": seen[-2].data["callId"], "decision": "approve", "arguments": {"text": "Changed"}}
    rest = stream(chat, "POST", f"/api/runs/{run}/answers", json=given)
    assert kinds(rest)[0] == "approval_answered"
    assert (kinds(rest)[-1], kinds(rest).count("tool_result")) == ("done", 1)
    ids = [int(event.id.rpartition(".")[2]) for event in [*seen, *rest] if event.id]
    assert ids == sorted(set(ids))
    history = chat.get(MESSAGES, params={"detail": "full"}).json()["items"]
    steps = [step["type"] for message in history for step in message.get("steps", [])]
    assert "approval_requested" in steps
    assert "approval_answered" in steps


def test_viewer_who_comes_back_after_waiting_gets_what_follows(
    chat: httpx.Client, management: httpx.Client
) -> None:
    hire(management)
    seen = say(chat)
    run, call = seen[0].data["runId"], seen[-2].data["callId"]
    last = {"last-event-id": str(seen[-1].id)}
    with chat.stream("GET", f"/api/runs/{run}/stream", headers=STREAM | last) as response:
        answered = chat.post(f"/api/runs/{run}/answers", json={"callId": call, "decision": "reject"})
        assert answered.json()["answer"]["decision"] == "reject"
        rest = list(read_events(response.iter_lines()))
    assert kinds(rest)[0] == "approval_answered"
    assert kinds(rest)[-1] == "done"
    results = [event.data for event in rest if event.data["type"] == "tool_result"]
    assert [one["ok"] for one in results] == [False]


def test_message_without_a_stream_is_answered_with_what_waits(
    chat: httpx.Client, management: httpx.Client
) -> None:
    hire(management, visibility="answer")
    waiting = chat.post(MESSAGES, json={"content": "Hello", "agentId": "clerk"})
    assert waiting.status_code == 202
    body = waiting.json()
    assert (body["finishReason"], body["usage"]) == ("waiting", None)
    [call] = body["waiting"]["calls"]
    assert (call["kind"], call["name"]) == ("approval", None)
    [listed] = chat.get("/api/approvals?conversationId=c1").json()["items"]
    assert (listed["callId"], listed["name"], listed["canAnswer"]) == (call["callId"], "echo_tool", True)
    refused = chat.post(MESSAGES, json={"content": "And?"})
    assert error_of(refused) == (409, "run_waiting")
    assert refused.json()["error"]["calls"] == [call]


def test_answerer_who_may_not_read_the_conversation_gets_no_stream(
    chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    hire(management, ASKS | {"approvers": {"users": ["bob"]}})
    seen = say(chat)
    run, call = seen[0].data["runId"], seen[-2].data["callId"]
    bob = issuer.user(organization, "bob", "customer")
    given = {"callId": call, "decision": "approve"}
    path = f"/api/runs/{run}/answers"
    assert error_of(chat.post(path, json=given, headers=bob | STREAM)) == (404, "run_not_found")
    assert error_of(chat.post(path, json=given)) == (403, "not_an_approver")
    assert chat.get("/api/approvals", headers=bob).json()["items"][0]["state"] == "waiting"
    assert chat.post(path, json=given, headers=bob).json()["answer"]["answeredBy"] == "bob"
