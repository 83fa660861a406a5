"""Past runs: lists by filter, and events with their times."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from millrace.domain.clock import from_iso, iso
from millrace.domain.conversations import Slot
from millrace.domain.runs import Run
from millrace.services.runs.platform import Platform
from millrace.stores import runs as stored_runs
from millrace.stores.connect import Stores
from tests.api.talk import error_of, say
from tests.tokens import Issuer

NOON = 1_795_262_400_000
AGENTS, STATES, USERS = ("one", "two"), ("completed", "failed"), ("ann", "bob")


def listed(chat: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = chat.get("/api/runs", params=query | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if not (cursor := page["nextCursor"]):
            return found


def test_runs_are_listed_latest_first_and_by_conversation(chat: httpx.Client) -> None:
    for conversation in ("a", "b", "a"):
        say(chat, "/echo tools=0\nhello", conversation)
    runs = listed(chat)
    assert [run["conversationId"] for run in runs] == ["a", "b", "a"]
    assert [run["startedAt"] for run in runs] == sorted((run["startedAt"] for run in runs), reverse=True)
    assert [run["id"] for run in listed(chat, conversationId="b")] == [runs[1]["id"]]


def test_customer_lists_own_runs_and_those_of_conversations_that_may_be_read(
    chat: httpx.Client, issuer: Issuer, organization: str
) -> None:
    say(chat, "/echo tools=0\nhello", "mine")
    headers = issuer.user(organization, "customer-1", "customer")
    with httpx.Client(base_url=chat.base_url, headers=headers, timeout=30) as customer:
        say(customer, "/echo tools=0\nhello", "theirs")
        assert [run["conversationId"] for run in listed(customer)] == ["theirs"]
        assert error_of(customer.get("/api/runs?user=user-1")) == (403, "missing_scope")
        assert error_of(customer.get("/api/runs?conversationId=mine")) == (404, "conversation_not_found")
        assert len(listed(customer, conversationId="theirs")) == 1


def test_runs_of_another_organization_are_not_there(chat: httpx.Client, issuer: Issuer) -> None:
    done = say(chat, "/echo tools=0\nhello")[-1]
    run_id = str(done.id).partition(".")[0]
    with httpx.Client(base_url=chat.base_url, headers=issuer.headers("org-x"), timeout=30) as other:
        assert listed(other) == []
        for path in ("events", "model-calls"):
            assert error_of(other.get(f"/api/runs/{run_id}/{path}")) == (404, "run_not_found")


@pytest.mark.parametrize(
    "query",
    [
        {"state": "lost"},
        {"since": "yesterday"},
        {"cursor": "x"},
        {"limit": "0"},
        {"conversationId": "#"},
    ],
)
def test_bad_filters_are_refused(chat: httpx.Client, query: dict[str, str]) -> None:
    assert chat.get("/api/runs", params=query).status_code == 422


def store(stores: Stores, organization: str, number: int, agent: str, state: Any, user: str) -> None:
    """A run that ended. Its id is not in the order of time, as those of some protocols are not."""
    made = Run(
        id=f"run_{(number * 7919) % 1000:03d}",
        slot=Slot(organization, "c"),
        agent_id=agent,
        state=state,
        started_at=iso(NOON + 1000 * (number // 2)),
        message_id="m",
        owner=user,
        created_by=user,
    )
    asyncio.run(stores.runs._dynamo.transact(stores.runs.put(made)))


@examples(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    runs=st.lists(
        st.tuples(st.sampled_from(AGENTS), st.sampled_from(STATES), st.sampled_from(USERS)), max_size=14
    ),
    agent=st.sampled_from([None, *AGENTS]),
    state=st.sampled_from([None, *STATES]),
    user=st.sampled_from([None, *USERS]),
    since=st.sampled_from([None, 2]),
    limit=st.integers(1, 5),
)
def test_pages_of_any_filter_hold_each_run_once(
    chat: httpx.Client,
    platform: Platform,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
    runs: list[tuple[str, str, str]],
    agent: str | None,
    state: str | None,
    user: str | None,
    since: int | None,
    limit: int,
) -> None:
    """Also where one page looks at fewer runs than there are, and where several began at the same time."""
    monkeypatch.setattr(stored_runs, "READ_AT_ONCE", 3)
    monkeypatch.setattr(stored_runs, "MOST_READ", 6)
    organization = f"org-{id(runs)}-{len(runs)}-{limit}-{agent}-{state}-{user}"
    for number, one in enumerate(runs):
        store(platform.stores, organization, number, *one)
    asked = {"agentId": agent, "state": state, "user": user, "limit": limit}
    if since is not None:
        asked["since"] = iso(NOON + 1000 * since)
    with httpx.Client(base_url=chat.base_url, headers=issuer.headers(organization), timeout=30) as client:
        found = listed(client, **{name: value for name, value in asked.items() if value is not None})
    wanted = {
        f"run_{(number * 7919) % 1000:03d}"
        for number, one in enumerate(runs)
        if all(ask in (None, has) for ask, has in zip((agent, state, user), one, strict=True))
        and (since is None or number // 2 >= since)
    }
    assert sorted(run["id"] for run in found) == sorted(wanted)
    assert [run["startedAt"] for run in found] == sorted((run["startedAt"] for run in found), reverse=True)


def test_events_of_a_run_come_with_their_times_in_pages(chat: httpx.Client) -> None:
    sent = say(chat, "/echo tools=1\none two three")
    run_id = str(sent[-1].id).partition(".")[0]
    run = chat.get(f"/api/runs/{run_id}").json()
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = chat.get(f"/api/runs/{run_id}/events", params={"limit": 1, "cursor": cursor}).json()
        found += page["items"]
        cursor = page["nextCursor"]
    numbered = [event for event in sent if event.id]
    assert [(one["id"], one["event"]) for one in found] == [(event.id, event.data) for event in numbered]
    times = [from_iso(one["time"]) for one in found]
    assert times == sorted(times)
    assert from_iso(run["startedAt"]) - 1000 <= times[0]
    assert times[-1] <= from_iso(run["endedAt"]) + 1000


def test_events_of_a_run_hide_what_its_stream_hides(chat: httpx.Client) -> None:
    sent = say(chat, "/echo tools=1\nhello")
    run_id = str(sent[-1].id).partition(".")[0]
    for detail in ("answer", "steps", "full"):
        streamed = chat.get(f"/api/runs/{run_id}/events", params={"detail": detail}).json()["items"]
        kinds = {one["event"]["type"] for one in streamed}
        assert ("tool_call" in kinds) == (detail != "answer")
