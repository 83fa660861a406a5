"""Revoked tokens: refused everywhere, as are their tickets, and their streams end."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from millrace.api import revoked_streams
from millrace.domain.access import Principal
from millrace.services.runs.platform import Platform
from millrace.stores import limits
from millrace.stores.tickets import Ticket, TicketStore
from tests.api.talk import STREAM, error_of, say, saying
from tests.sse import read_events
from tests.tokens import Issuer

REVOCATIONS = "/api/revocations"
LATER = 20
"""Seconds by which the clock of an issuer may be ahead."""
HANGING = "/echo tools=0 think=0 hang=1\nword"
MESSAGE = {"agentId": "echo", "content": "/echo tools=0 think=0\nhello"}


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(revoked_streams, "LOOK_SECONDS", 0.1)


def now() -> int:
    return int(time.time())


@pytest.fixture
def customer(chat: httpx.Client, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    """Somebody whose token is a minute old."""
    headers = issuer.user(organization, "someone", "customer", iat=now() - 60)
    with httpx.Client(base_url=chat.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def admin_signed_in_later(
    chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    for client in (chat, management):
        client.headers.update(issuer.headers(organization, iat=now() + LATER))


def revoke(management: httpx.Client, **body: Any) -> dict[str, Any]:
    made = management.post(REVOCATIONS, json=body)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


CALLS = [
    ("GET", "/api/conversations", None),
    ("GET", "/api/conversations/c1", None),
    ("DELETE", "/api/conversations/c1", None),
    ("POST", "/api/conversations/c1/messages", MESSAGE),
    ("POST", "/api/conversations/c1/regenerate", {}),
    ("POST", "/api/conversations/c1/inject", {"content": "x"}),
    ("POST", "/api/conversations/c1/stop", {}),
    (
        "POST",
        "/api/chat",
        {
            "id": "c1",
            "agentId": "echo",
            "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "x"}]}],
        },
    ),
    (
        "POST",
        "/agui/echo",
        {
            "threadId": "c1",
            "runId": "r1",
            "state": {},
            "messages": [{"id": "m", "role": "user", "content": "x"}],
            "tools": [],
            "context": [],
            "forwardedProps": {},
        },
    ),
    (
        "POST",
        "/v1/chat/completions",
        {"model": "agent:echo", "messages": [{"role": "user", "content": "x"}]},
    ),
    ("POST", "/v1/responses", {"model": "agent:echo", "input": "x"}),
]


@pytest.mark.parametrize("user_id", ["someone", None])
def test_revoked_token_is_refused_by_every_kind_of_call_and_changes_nothing(
    chat: httpx.Client, management: httpx.Client, customer: httpx.Client, user_id: str | None
) -> None:
    say(customer, "hello")
    before = chat.get("/api/conversations/c1/messages").json()
    revoke(management, **({"userId": user_id} if user_id else {"everybody": True}))
    for method, path, body in CALLS:
        refused = customer.request(method, path, json=body)
        assert error_of(refused) == (401, "token_revoked"), (method, path)
    assert chat.get("/api/conversations/c1/messages").json() == before
    assert [one["id"] for one in chat.get("/api/conversations?owner=all").json()["items"]] == ["c1"]


def test_resumed_message_of_a_revoked_token_is_refused(
    management: httpx.Client, customer: httpx.Client
) -> None:
    seen = say(customer, "hello")[0].id
    revoke(management, userId="someone")
    path, headers = "/api/conversations/c1/messages", {"last-event-id": seen or ""}
    assert error_of(customer.post(path, json=MESSAGE, headers=headers)) == (401, "token_revoked")


def test_token_from_after_the_revocation_counts_and_so_do_those_of_others(
    chat: httpx.Client, management: httpx.Client, customer: httpx.Client, issuer: Issuer, organization: str
) -> None:
    made = revoke(management, userId="someone")
    others = issuer.user(organization, "other", "customer", iat=now() - 60)
    assert customer.get("/api/conversations", headers=others).status_code == 200
    again = issuer.user(organization, "someone", "customer", iat=now() + LATER)
    assert customer.get("/api/conversations", headers=again).status_code == 200
    elsewhere = issuer.user("another-organization", "someone", "customer", iat=now() - 60)
    assert customer.get("/api/conversations", headers=elsewhere).status_code == 200
    assert management.get(REVOCATIONS).json()["items"] == [made]


def test_token_that_does_not_say_when_it_was_issued_counts_as_old(
    management: httpx.Client, customer: httpx.Client, issuer: Issuer, organization: str
) -> None:
    customer.headers.update(issuer.user(organization, "someone", "customer"))
    assert customer.get("/api/conversations").status_code == 200
    revoke(management, userId="someone")
    assert error_of(customer.get("/api/conversations")) == (401, "token_revoked")


async def test_ticket_of_a_revoked_token_is_refused(
    chat: httpx.Client,
    management: httpx.Client,
    customer: httpx.Client,
    platform: Platform,
    organization: str,
) -> None:
    say(customer, "hello")
    path = "/api/conversations/c1/stream"
    tickets = TicketStore(platform.stores.aws, platform.settings.tickets_table, platform.stores.clock)
    caller = Principal(organization, "someone", frozenset({"chat"}), issued_ms=1000 * (now() - 60))
    old, _ = await tickets.issue(Ticket(caller, "GET", path, None))
    new, _ = await tickets.issue(Ticket(replace(caller, issued_ms=1000 * (now() + LATER)), "GET", path, None))
    revoke(management, userId="someone")
    url = f"{chat.base_url}{path}?ticket="
    async with httpx.AsyncClient(timeout=30) as nobody:
        assert error_of(await nobody.get(url + old, headers=STREAM)) == (401, "token_revoked")
        async with nobody.stream("GET", url + new, headers=STREAM) as response:
            assert response.status_code == 200


def test_stream_that_reads_ends_when_its_token_is_revoked(
    chat: httpx.Client, management: httpx.Client, customer: httpx.Client
) -> None:
    say(customer, "hello")
    with customer.stream("GET", "/api/conversations/c1/stream", headers=STREAM) as response:
        assert response.status_code == 200
        revoke(management, userId="someone")
        # Nothing happens in the conversation: without the revocation it would go on for minutes.
        assert {event.data["type"] for event in read_events(response.iter_lines())} <= {"heartbeat"}
    assert error_of(customer.get("/api/conversations/c1/stream", headers=STREAM)) == (401, "token_revoked")


def test_run_of_a_revoked_token_goes_on_to_its_end_without_its_client(
    chat: httpx.Client, management: httpx.Client, customer: httpx.Client
) -> None:
    with saying(customer, HANGING) as events:
        run_id = next(events).data["runId"]
        revoke(management, userId="someone")
        chat.post("/api/conversations/c1/stop")
        rest = list(events)
    assert [event.data["type"] for event in rest if event.data["type"] == "error"] == []
    with chat.stream("GET", f"/api/runs/{run_id}/stream", headers=STREAM) as response:
        last = list(read_events(response.iter_lines()))[-1].data
    assert (last["type"], last["finishReason"]) == ("done", "stopped")


def test_revocation_of_everybody_takes_the_place_of_earlier_ones(management: httpx.Client) -> None:
    for user in ("one", "two", "one"):
        revoke(management, userId=user)
    assert sorted(one["userId"] for one in management.get(REVOCATIONS).json()["items"]) == ["one", "two"]
    revoke(management, everybody=True)
    assert [one["userId"] for one in management.get(REVOCATIONS).json()["items"]] == [None]


@pytest.mark.parametrize(
    "body",
    [
        {"userId": "key:key_1"},
        {"userId": ""},
        {"userId": "x" * 256},
        {},
        {"everybody": False},
        {"userId": "one", "everybody": True},
    ],
)
def test_revocation_of_what_is_no_user_is_refused(management: httpx.Client, body: dict[str, Any]) -> None:
    assert management.post(REVOCATIONS, json=body).status_code == 422
    assert management.get(REVOCATIONS).json()["items"] == []


def test_key_is_good_after_a_revocation_of_everybody(
    chat: httpx.Client, management: httpx.Client, platform: Platform
) -> None:
    secret = management.post("/api/keys", json={"name": "Server", "scopes": ["chat"]}).json()["secret"]
    revoke(management, everybody=True)
    answer = chat.get("/api/conversations", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
