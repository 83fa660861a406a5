"""Calls that wait for a person, over HTTP: who sees them, who may answer, and what an answer may be."""

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
from tests.tokens import Issuer

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
