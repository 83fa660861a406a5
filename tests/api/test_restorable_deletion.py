"""Restorable deletions: hidden at once, complete when restored, deleted for good later."""

import time
from collections.abc import Iterator

import httpx
import pytest

from millrace.api.conversation_app import create_app
from millrace.domain.clock import from_iso, now_ms
from millrace.domain.conversations import Slot
from millrace.services.runs.delete import (
    OVERDUE_MS,
    RESTORE_MS,
    delete_restorably,
    restore_conversation,
    sweep_deletions,
)
from millrace.services.runs.platform import Platform
from millrace.stores.connect import Stores
from tests.api.talk import error_of, say, saying
from tests.api.test_deletion import kept
from tests.serving import served
from tests.tokens import Issuer

PATH = "/api/conversations/c1"


def listed(chat: httpx.Client) -> list[str]:
    return [one["id"] for one in chat.get("/api/conversations").json()["items"]]


def test_deleted_conversation_is_hidden_and_restored_as_it_was(chat: httpx.Client) -> None:
    say(chat, "one")
    chat.patch(PATH, json={"title": "Mine", "metadata": {"a": 1}}).raise_for_status()
    before, messages = chat.get(PATH).json(), chat.get(f"{PATH}/messages").json()
    deleted = chat.delete(PATH, params={"restorable": "true"})
    assert deleted.status_code == 202
    assert from_iso(deleted.json()["restorableUntil"]) > time.time() * 1000
    assert chat.delete(PATH, params={"restorable": "true"}).json() == deleted.json()
    assert listed(chat) == []
    assert error_of(chat.get(PATH)) == (404, "conversation_not_found")
    assert error_of(chat.get(f"{PATH}/messages")) == (404, "conversation_not_found")
    refused = chat.post(f"{PATH}/messages", json={"agentId": "echo", "content": "hi"})
    assert error_of(refused) == (409, "conversation_deleted")
    for _ in range(2):
        assert chat.post(f"{PATH}/restore").json() == before
    assert listed(chat) == ["c1"]
    assert chat.get(f"{PATH}/messages").json() == messages
    say(chat, "two")


def test_run_is_stopped_before_its_conversation_is_hidden(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=0 tokens=5000 delayMs=20\nword") as events:
        next(events)
        chat.delete(PATH, params={"restorable": "true"}).raise_for_status()
        list(events)
    restored = chat.post(f"{PATH}/restore").json()
    assert restored["activeRunId"] is None
    last = chat.get(f"{PATH}/messages").json()["items"][-1]
    assert (last["interrupted"], last["finishReason"]) == (True, "stopped")


def test_deletion_for_good_ends_the_time_of_a_restorable_one(chat: httpx.Client) -> None:
    say(chat, "one")
    chat.delete(PATH, params={"restorable": "true"}).raise_for_status()
    assert chat.delete(PATH).status_code == 204
    assert error_of(chat.post(f"{PATH}/restore")) == (404, "conversation_not_found")


def test_only_the_owner_deletes_and_restores(chat: httpx.Client, issuer: Issuer, organization: str) -> None:
    say(chat, "one")
    stranger = issuer.user(organization, "stranger", "customer")
    assert error_of(chat.delete(PATH, params={"restorable": "true"}, headers=stranger))[0] == 404
    chat.delete(PATH, params={"restorable": "true"}).raise_for_status()
    assert error_of(chat.post(f"{PATH}/restore", headers=stranger))[0] == 404
    assert error_of(chat.post(f"{PATH}/restore", headers=issuer.headers("another-org")))[0] == 404
    assert error_of(chat.delete(PATH, params={"restorable": "perhaps"})) == (422, "invalid_query")


@pytest.fixture
def later(platform: Platform) -> Iterator[Stores]:
    """The stores of the sweep, when the time to restore is over."""
    stores = Stores.connect(platform.settings, clock=lambda: now_ms() + RESTORE_MS + OVERDUE_MS + 1000)
    yield stores
    stores.aws.close()


async def test_sweep_deletes_what_nobody_restored(
    platform: Platform, organization: str, issuer: Issuer, later: Stores
) -> None:
    with served(create_app(platform.settings)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as chat:
            for conversation in ("c1", "c2"):
                say(chat, "one", conversation)
    for conversation in ("c1", "c2"):
        await delete_restorably(platform.stores, Slot(organization, conversation))
    await sweep_deletions(platform.stores)
    await restore_conversation(platform.stores, Slot(organization, "c2"))
    while await sweep_deletions(later):
        pass
    left = kept(platform, organization)
    assert left
    assert not any(f"{organization}#c1" in one for one in left)
    assert await platform.stores.conversations.find(Slot(organization, "c2"))
