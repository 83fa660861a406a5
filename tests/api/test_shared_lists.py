"""Shared conversations appear in the lists of the users they are shared with."""

import uuid
from collections.abc import Iterator
from itertools import chain

import httpx
import pytest

from millrace.api.cursors import to_cursor
from millrace.domain.conversations import Slot
from millrace.services.runs.platform import Platform
from millrace.stores.conversation_items import share_key, shared_key
from millrace.stores.dynamo import Dynamo, put
from tests.api.talk import error_of, say
from tests.aws import Aws
from tests.tokens import Issuer

LIST = "/api/conversations"


@pytest.fixture
def owner(chat: httpx.Client, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    headers = issuer.user(organization, "owner", "customer")
    with httpx.Client(base_url=chat.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def friend(chat: httpx.Client, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    headers = issuer.user(organization, "friend", "customer")
    with httpx.Client(base_url=chat.base_url, headers=headers, timeout=30) as client:
        yield client


def make(client: httpx.Client, conversation: str, *shared_with: str) -> None:
    assert client.post(LIST, json={"agentId": "echo", "id": conversation}).status_code == 201
    for user in shared_with:
        share(client, conversation, user)


def share(client: httpx.Client, conversation: str, user: str, access: str = "read") -> None:
    body = {"userId": user, "access": access}
    assert client.post(f"{LIST}/{conversation}/shares", json=body).status_code == 204


def pages(client: httpx.Client, limit: int, **query: str) -> list[list[str]]:
    found: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        params = query | {"limit": str(limit), "cursor": cursor}
        page = client.get(LIST, params=params).raise_for_status().json()
        found.append([one["id"] for one in page["items"]])
        cursor = page["nextCursor"]
    return found


def listed(client: httpx.Client, **query: str) -> list[str]:
    return sorted(chain(*pages(client, 100, **query)))


def test_shared_conversation_is_listed_until_the_share_is_taken_away(
    owner: httpx.Client, friend: httpx.Client
) -> None:
    make(owner, "c1")
    make(friend, "c2")
    assert listed(friend) == ["c2"]
    share(owner, "c1", "friend")
    (shared,) = [one for one in friend.get(LIST).json()["items"] if one["id"] == "c1"]
    assert shared == friend.get(f"{LIST}/c1").json()
    assert shared["createdBy"] == "owner"
    share(owner, "c1", "friend", "write")
    assert listed(friend) == ["c1", "c2"]
    assert listed(friend, owner="friend") == ["c2"]
    assert listed(owner) == ["c1"]
    assert owner.delete(f"{LIST}/c1/shares?userId=friend").status_code == 204
    assert listed(friend) == ["c2"]


def test_list_shows_a_shared_conversation_as_it_is_now(owner: httpx.Client, friend: httpx.Client) -> None:
    make(owner, "c1", "friend")
    say(owner, "/echo tools=0\nA new title")
    (shared,) = friend.get(LIST).json()["items"]
    assert shared == owner.get(f"{LIST}/c1").json()
    assert shared["title"] == "/echo tools=0"


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_hold_own_and_shared_conversations_once(
    owner: httpx.Client, friend: httpx.Client, limit: int
) -> None:
    expected = []
    for number in range(4):
        make(owner, f"shared{number}", "friend")
        make(friend, f"own{number}")
        make(owner, f"other{number}", "somebody")
        expected += [f"own{number}", f"shared{number}"]
    found = pages(friend, limit)
    assert sorted(chain(*found)) == sorted(expected)
    assert all(len(page) <= limit for page in found)
    assert all(found[:-1])


def test_deleted_conversation_leaves_no_list_with_its_share(
    owner: httpx.Client, friend: httpx.Client, aws: Aws, organization: str
) -> None:
    make(owner, "c1", "friend", "another")
    assert owner.delete(f"{LIST}/c1").status_code == 204
    assert listed(friend) == []
    items = aws.client("dynamodb").query(
        TableName=aws.tables["ConversationsTable"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": Slot(organization, "c1").key}},
    )
    assert items["Items"] == []
    make(owner, "c1")  # of the same id, and shared with nobody
    assert listed(friend) == []


@pytest.mark.parametrize("state", ["unshared", "deleting"])
async def test_share_that_the_index_still_lists_shows_nothing(
    owner: httpx.Client, friend: httpx.Client, platform: Platform, organization: str, state: str
) -> None:
    """Indexes follow their table by a moment."""
    make(owner, "c1", *(["friend"] if state == "deleting" else []))
    stores, slot = platform.stores, Slot(organization, "c1")
    if state == "deleting":
        await stores.deletions.begin(slot)
    else:
        stale = share_key(slot, "friend") | {
            "conversationId": "c1",
            "ownerPk": shared_key(organization, "friend"),
            "listSk": "2026-11-26T00:00:00.000Z#c1",
        }
        await Dynamo(stores.aws).write(put(stores.conversations.table, stale))
    assert listed(friend) == []


def test_conversation_is_not_listed_for_a_user_of_that_name_elsewhere(
    owner: httpx.Client, issuer: Issuer
) -> None:
    make(owner, "c1", "friend")
    headers = issuer.user(f"org-{uuid.uuid4().hex[:12]}", "friend", "customer")
    assert owner.get(LIST, headers=headers).json() == {"items": [], "nextCursor": None}


@pytest.mark.parametrize("user", ["a#b", "#friend", "friend#shared", "ü" * 255, "😀" * 255])
def test_conversation_is_listed_for_users_of_any_name(
    owner: httpx.Client, issuer: Issuer, organization: str, user: str
) -> None:
    make(owner, "c1", user)
    headers = issuer.user(organization, user, "customer")
    assert [one["id"] for one in owner.get(LIST, headers=headers).json()["items"]] == ["c1"]


def test_list_refuses_a_position_that_no_list_has(owner: httpx.Client) -> None:
    cursor = to_cursor({"id": "c1", "at": "9" * 2_000})
    assert error_of(owner.get(LIST, params={"cursor": cursor})) == (422, "invalid_cursor")
