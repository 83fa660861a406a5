"""Conversations are deleted when their retention period is over, and no others."""

import asyncio

import httpx
import pytest

from millrace.domain.limits import DAY_MS
from millrace.services.retention import sweep_retention
from millrace.services.runs.platform import Platform
from millrace.stores.connect import Stores
from tests.api.talk import say, saying
from tests.tokens import Issuer

HANGING = "/echo tools=0 think=0 hang=1\nword"


@pytest.fixture
def now(platform: Platform) -> list[int]:
    return [platform.stores.clock()]


@pytest.fixture
def later(platform: Platform, now: list[int]) -> Stores:
    return Stores.connect(platform.settings, platform.stores.aws, lambda: now[0])


def listed(chat: httpx.Client) -> set[str]:
    return {one["id"] for one in chat.get("/api/conversations").json()["items"]}


def keep(management: httpx.Client, days: int | None) -> None:
    answer = management.put("/api/retention", json={"conversationDays": days})
    assert answer.status_code == 200, answer.text
    assert management.get("/api/retention").json() == {"conversationDays": days}


def test_conversation_is_deleted_when_its_time_is_over(
    chat: httpx.Client, management: httpx.Client, later: Stores, now: list[int]
) -> None:
    for number in range(3):
        say(chat, "hello", conversation=f"c{number}")
    keep(management, 30)
    now[0] += 30 * DAY_MS - 3_600_000
    asyncio.run(sweep_retention(later))
    assert listed(chat) == {"c0", "c1", "c2"}
    now[0] += 2 * 3_600_000
    asyncio.run(sweep_retention(later))
    assert listed(chat) == set()
    assert chat.get("/api/conversations/c0/messages").status_code == 404


def test_conversation_whose_run_is_under_way_stays(
    chat: httpx.Client, management: httpx.Client, later: Stores, now: list[int]
) -> None:
    keep(management, 1)
    with saying(chat, HANGING) as events:
        assert next(events).data["type"] == "start"
        now[0] += 2 * DAY_MS
        asyncio.run(sweep_retention(later))
        assert listed(chat) == {"c1"}
        chat.post("/api/conversations/c1/stop")


def test_conversations_of_organizations_that_set_nothing_stay(
    chat: httpx.Client,
    management: httpx.Client,
    later: Stores,
    now: list[int],
    issuer: Issuer,
    organization: str,
) -> None:
    say(chat, "hello")
    management.put(
        "/api/retention", json={"conversationDays": 1}, headers=issuer.headers(f"{organization}-other")
    )
    keep(management, 1)
    keep(management, None)
    now[0] += 5 * DAY_MS
    asyncio.run(sweep_retention(later))
    assert listed(chat) == {"c1"}


@pytest.mark.parametrize("days", [0, -1, 1.5, "30", 3651])
def test_wrong_retention_is_refused(management: httpx.Client, days: object) -> None:
    assert management.put("/api/retention", json={"conversationDays": days}).status_code == 422
