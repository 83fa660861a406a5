"""The audit log: an entry before each action, which then gets the outcome, without secrets or messages."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from millrace.api import management_app
from millrace.api.openapi import declared, streamed_endpoints
from millrace.errors import Unavailable
from millrace.services.runs.platform import Platform
from millrace.stores.audit import AuditLog
from tests.api.talk import STREAM, error_of, say
from tests.tokens import Issuer

UNAUDITED = {
    "POST /api/conversations/{conversation_id}/messages": "the message names its author",
    "POST /api/conversations/{conversation_id}/regenerate": "the run names who began it",
    "POST /api/conversations/{conversation_id}/inject": "the message names its author",
    "POST /api/chat": "as messages",
    "POST /agui": "as messages",
    "POST /agui/{agent_id}": "as messages",
    "POST /v1/chat/completions": "as messages",
    "POST /v1/responses": "as messages",
    "POST /api/flows/{name}/events": "the run names who began it",
    "POST /api/stream-tickets": "what it is for is noted when it is used",
    "POST /api/voice/tts/stream": "changes nothing",
    "POST /api/voice/conversations/{run_id}/stream": "changes nothing",
    "POST /api/voice/streams/{stream_id}/stop": "ends one's own speech",
    "POST /v1/audio/speech": "changes nothing",
    "POST /api/streaming/pipelines/{pipeline_id}/process": "data, which is counted in the pipeline's metrics",
    "POST /api/streaming/pipelines/{pipeline_id}/batch": "as process",
    "POST /api/streaming/dry-run": "changes nothing",
    "POST /api/streaming/pipelines/{pipeline_id}/dry-run": "changes nothing",
    "POST /hooks/{pipeline_id}": "nobody is known who calls it",
}


def test_every_operation_that_changes_something_is_audited(platform: Platform) -> None:
    app = management_app.create_app(platform.settings, platform)
    found = [one for _, one in declared(app, streamed_endpoints(platform.settings, platform))]
    changing = {f"{one.method} {one.path}": one for one in found if one.method != "GET"}
    silent = {name for name, one in changing.items() if one.audited is False or one.credential == "none"}
    assert silent == set(UNAUDITED)


@pytest.fixture
def operator(chat: httpx.Client, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    headers = issuer.user(organization, "op", "operator")
    with httpx.Client(base_url=chat.base_url, headers=headers, timeout=30) as client:
        yield client


def entries(management: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = management.get("/api/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def actions(management: httpx.Client, **query: Any) -> list[tuple[str, str, int | None]]:
    return [(one["userId"], one["action"], one["status"]) for one in entries(management, **query)]


def test_changes_are_listed_with_what_they_were_about_and_what_came_of_them(
    chat: httpx.Client, management: httpx.Client
) -> None:
    made = management.post("/api/keys", json={"name": "Server", "scopes": ["chat"]}).json()
    management.patch("/api/limits", json={"user": {"costPerDay": 5}})
    management.delete("/api/keys/key_unknown")
    management.delete(f"/api/keys/{made['id']}")
    chat.post("/api/conversations", json={"id": "c1", "agentId": "echo"})
    chat.delete("/api/conversations/c1")
    found = entries(management, kind="act")
    assert [(one["action"], one["target"], one["created"], one["status"]) for one in found] == [
        ("DELETE /api/conversations/{conversation_id}", {"conversationId": "c1"}, None, 204),
        ("POST /api/conversations", {}, "/api/conversations/c1", 201),
        ("DELETE /api/keys/{key_id}", {"keyId": made["id"]}, None, 204),
        ("DELETE /api/keys/{key_id}", {"keyId": "key_unknown"}, None, 404),
        ("PATCH /api/limits", {}, None, 200),
        ("POST /api/keys", {}, f"/api/keys/{made['id']}", 201),
    ]
    assert {one["userId"] for one in found} == {"user-1"}
    assert made["secret"] not in json.dumps(found)


def test_message_in_a_conversation_of_ones_own_leaves_no_entry(
    chat: httpx.Client, management: httpx.Client
) -> None:
    say(chat, "hello")
    assert chat.get("/api/conversations/c1/messages").status_code == 200
    assert entries(management) == []


def test_access_to_what_is_others_is_noted_and_tells_nothing_of_it(
    chat: httpx.Client, management: httpx.Client, operator: httpx.Client
) -> None:
    say(chat, "a word that nobody else must read")
    base = "/api/conversations/c1"
    for _ in range(3):  # once in a while
        assert operator.get(f"{base}/messages").status_code == 200
    assert operator.get("/api/conversations", params={"owner": "all"}).status_code == 200
    with operator.stream("GET", f"{base}/messages", headers=STREAM):
        pass
    assert operator.post(f"{base}/messages", json={"content": "hi"}).status_code == 200
    found = entries(management, userId="op")
    assert {(one["kind"], one["action"]) for one in found} == {
        ("access", "POST /api/conversations/{conversation_id}/messages"),
        ("access", "GET /api/conversations"),
        ("access", "GET /api/conversations/{conversation_id}/messages"),
    }
    targets = [one["target"] for one in found if "conversationId" in one["target"]]
    assert targets == [{"conversationId": "c1", "owner": "user-1"}] * len(targets)
    assert "a word" not in json.dumps(found)


def test_refused_acts_of_admins_are_noted_once_a_minute(
    management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    headers = issuer.user(organization, "curious", "customer")
    for _ in range(3):
        assert management.get("/api/keys", headers=headers).status_code == 403
    assert management.post("/api/limits/stops", json={"reason": "x"}, headers=headers).status_code == 403
    found = {(one["action"], one["kind"], one["status"]) for one in entries(management, userId="curious")}
    assert found == {
        ("GET /api/keys", "refusal", 403),
        ("POST /api/limits/stops", "refusal", 403),
    }
    assert len(entries(management, userId="curious", action="GET /api/keys")) <= 2


def test_action_without_its_audit_entry_is_not_done(
    management: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*given: Any) -> None:
        raise Unavailable("The store does not answer now.")

    with monkeypatch.context() as patched:
        patched.setattr(AuditLog, "begin", fails)
        body = {"name": "Server", "scopes": ["chat"]}
        assert error_of(management.post("/api/keys", json=body)) == (503, "unavailable")
    assert management.get("/api/keys").json()["items"] == []


def test_act_whose_outcome_could_not_be_noted_is_listed_without_one(
    management: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*given: Any) -> None:
        raise Unavailable("The store does not answer now.")

    with monkeypatch.context() as patched:
        patched.setattr(AuditLog, "end", fails)
        assert management.patch("/api/limits", json={"user": {"costPerDay": 5}}).status_code == 200
    assert actions(management) == [("user-1", "PATCH /api/limits", None)]


def test_log_is_read_page_by_page_and_by_filters(management: httpx.Client) -> None:
    for number in range(5):
        management.patch("/api/limits", json={"user": {"costPerDay": number}})
    management.post("/api/keys", json={"name": "Server", "scopes": ["chat"]})
    pages, cursor = list[list[str]](), None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = management.get("/api/audit", params=query).json()
        pages.append([one["id"] for one in answer["items"]])
        if not (cursor := answer["nextCursor"]):
            break
    assert [len(page) for page in pages] == [2, 2, 2]
    assert [id for page in pages for id in page] == [one["id"] for one in entries(management)]
    assert len(entries(management, action="PATCH /api/limits")) == 5
    assert entries(management, userId="nobody") == []
    latest = entries(management, limit=1)[0]["at"]
    assert latest in {one["at"] for one in entries(management, since=latest)}
    assert entries(management, until="2020-01-01T00:00:00Z") == []
    wrong = {"cursor": "x"}, {"since": "yesterday"}, {"limit": 0}, {"kind": "all"}
    assert [management.get("/api/audit", params=query).status_code for query in wrong] == [422] * 4


def test_log_of_another_organization_is_not_shown(management: httpx.Client, issuer: Issuer) -> None:
    management.patch("/api/limits", json={"user": {"costPerDay": 5}})
    other = management.get("/api/audit", headers=issuer.headers("another-organization-of-audit"))
    assert other.json()["items"] == []
