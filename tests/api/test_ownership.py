"""Ownership of conversations: every operation by the owner, by users with a share, and by each role."""

import asyncio
import dataclasses
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.domain.access import ROLES, Principal
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.runs import LeaseRecord, Run
from millrace.errors import NotFound
from millrace.services.runs.access import authorize_run
from millrace.services.runs.delete import delete_conversation, delete_restorably, restore_conversation
from millrace.services.runs.new_message import NewMessage
from millrace.services.runs.platform import Platform
from millrace.services.runs.search import search_in
from millrace.services.runs.send import send
from millrace.services.runs.sharing import share, shares
from millrace.stores.conversations import ConversationSnapshot, ConversationStore
from millrace.stores.dynamo import Dynamo
from millrace.stores.leases import SlotChanged
from tests.api.talk import STREAM, error_of, say, saying
from tests.tokens import Issuer

C = "/api/conversations/c1"
READ: list[tuple[str, str, Any]] = [
    ("GET", C, None),
    ("GET", f"{C}/messages", None),
    ("GET", f"{C}/messages?threadId=t", None),
    ("GET", f"{C}/inject", None),
    ("GET", "/api/runs/{run_id}", None),
    ("GET", "/api/runs/{run_id}/stream", None),
    ("GET", "/api/runs/{thread_run_id}", None),
    ("GET", f"{C}/stream", None),
    ("GET", f"{C}/stream?threadId=t&lastEventId={{thread_run_id}}.1", None),
    ("GET", f"{C}/messages?stream=true&lastEventId={{run_id}}.1", None),
    ("POST", f"{C}/messages?lastEventId={{run_id}}.1", {"content": "resumes"}),
]
WRITE: list[tuple[str, str, Any]] = [
    ("POST", f"{C}/messages", {"content": "/echo tools=0\nmore"}),
    ("POST", f"{C}/messages", {"content": "/echo tools=0\nmore", "threadId": "t"}),
    ("POST", f"{C}/messages", {"content": "/echo tools=0\nmore", "threadId": "new"}),
    ("POST", f"{C}/stop", None),
    ("POST", f"{C}/inject", {"content": "psst"}),
    ("DELETE", f"{C}/inject/msg_1", None),
]
OWN: list[tuple[str, str, Any]] = [
    ("GET", f"{C}/shares", None),
    ("POST", f"{C}/shares", {"userId": "friend"}),
    ("DELETE", f"{C}/shares?userId=friend", None),
    ("DELETE", C, None),
]
UNSEEN = {"conversation_not_found", "run_not_found"}


def as_user(chat: httpx.Client, headers: dict[str, str]) -> httpx.Client:
    return httpx.Client(base_url=chat.base_url, headers=headers, timeout=30)


@pytest.fixture
def owner(chat: httpx.Client, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with as_user(chat, issuer.user(organization, "owner", "customer")) as client:
        yield client


@pytest.fixture
def stranger(chat: httpx.Client, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with as_user(chat, issuer.user(organization, "stranger", "customer")) as client:
        yield client


def attempt(client: httpx.Client, operation: tuple[str, str, Any], ids: dict[str, str]) -> str:
    """`done` when it went through or would have, else why the caller may not."""
    method, path, body = operation
    with client.stream(method, path.format(**ids), json=body) as response:
        if response.status_code < 400:
            return "done"
        response.read()
        code = error_of(response)[1]
    return "unseen" if code in UNSEEN else "forbidden" if code == "missing_scope" else "done"


def outcomes(client: httpx.Client, ids: dict[str, str]) -> list[str]:
    """One outcome for each kind of operation; all of a kind must come out alike."""
    found = [{attempt(client, one, ids) for one in kind} for kind in (READ, WRITE, OWN)]
    assert all(len(kind) == 1 for kind in found), found
    return [kind.pop() for kind in found]


UNSEEN_BY, READER, WRITER, MANAGER = (
    ["unseen", "unseen", "unseen"],
    ["done", "forbidden", "forbidden"],
    ["done", "done", "forbidden"],
    ["done", "done", "done"],
)
MATRIX: dict[str, tuple[str, str, list[str]]] = {
    "its owner": ("owner", "customer", MANAGER),
    "another customer": ("stranger", "customer", UNSEEN_BY),
    "a customer it is shared with": ("reader", "customer", READER),
    "a customer who may write": ("writer", "customer", WRITER),
    "a member": ("someone", "member", READER),
    "a member who may write": ("writer", "member", WRITER),
    "an operator": ("someone", "operator", MANAGER),
    "an admin": ("someone", "admin", MANAGER),
}


@pytest.mark.parametrize("case", MATRIX)
def test_operations_on_a_conversation_are_for_whom_they_are(
    owner: httpx.Client, issuer: Issuer, organization: str, case: str
) -> None:
    user, role, expected = MATRIX[case]
    ids = conversation_of(owner)
    with as_user(owner, issuer.user(organization, user, role)) as client:
        assert outcomes(client, ids) == expected


def conversation_of(owner: httpx.Client) -> dict[str, str]:
    """Make the conversation with a run, and one in its thread, and shares it."""
    run_id = say(owner, "/echo tools=0\nhello")[0].data["runId"]
    thread_run_id = say(owner, "/echo tools=0\nhello", threadId="t")[0].data["runId"]
    for user, access in (("reader", "read"), ("writer", "write")):
        assert owner.post(f"{C}/shares", json={"userId": user, "access": access}).status_code == 204
    return {"run_id": run_id, "thread_run_id": thread_run_id}


def test_admin_of_another_organization_sees_nothing(owner: httpx.Client, issuer: Issuer) -> None:
    ids = conversation_of(owner)
    with as_user(owner, issuer.user("another-organization", "owner", "admin")) as client:
        # A subscription waits, as for any id that is not there yet.
        found = {one[1]: attempt(client, one, ids) for one in READ + OWN if one[1] != f"{C}/stream"}
    assert set(found.values()) == {"unseen"}


def test_stranger_cannot_steer_a_run_that_goes_on(owner: httpx.Client, stranger: httpx.Client) -> None:
    with saying(owner, "/echo tools=0 tokens=3 delayMs=60000\nslow") as events:
        run_id = next(events).data["runId"]
        assert error_of(stranger.post(f"{C}/stop")) == (404, "conversation_not_found")
        assert error_of(stranger.post(f"{C}/inject", json={"content": "x"}))[0] == 404
        sent = {"content": "x", "agentId": "echo"}
        for if_busy in ("reject", "inject", "interrupt"):
            answer = stranger.post(f"{C}/messages", json=sent | {"ifBusy": if_busy})
            assert error_of(answer) == (404, "conversation_not_found")
        resumed = stranger.post(f"{C}/messages", json=sent, headers=STREAM | {"last-event-id": f"{run_id}.1"})
        assert error_of(resumed)[0] == 404
        assert owner.get(f"/api/runs/{run_id}").json()["state"] == "running"
        assert owner.get(f"{C}/inject").json()["items"] == []
        assert owner.post(f"{C}/stop").status_code == 202


def test_messages_of_a_shared_conversation_name_who_wrote_them(
    owner: httpx.Client, issuer: Issuer, organization: str
) -> None:
    conversation_of(owner)
    with as_user(owner, issuer.user(organization, "writer", "customer")) as writer:
        with saying(writer, "/echo tools=1 toolMs=2000\nmine") as events:
            next(events)
            live = owner.post(f"{C}/inject", json={"content": "ours"})
            waiting = writer.get(f"{C}/inject").json()["items"]
            list(events)
        sent = {"content": "late", "ifBusy": "inject", "idempotencyKey": "k"}
        with saying(owner, "/echo tools=1 toolMs=2000\nagain") as events:
            next(events)
            accepted = writer.post(f"{C}/messages", json=sent)
            list(events)
    assert live.json()["createdBy"] == "owner"
    assert [one["createdBy"] for one in waiting] == ["owner"]
    assert (accepted.status_code, accepted.json()["createdBy"]) == (202, "writer")
    written = {
        "".join(block.get("text", "") for block in one["content"]): one.get("createdBy")
        for one in owner.get(f"{C}/messages").json()["items"]
    }
    for text, author in (("mine", "writer"), ("ours", "owner"), ("again", "owner"), ("late", "writer")):
        assert [by for said, by in written.items() if by and said.endswith(text)] == [author]


def test_key_of_another_user_gives_nothing_away(owner: httpx.Client, stranger: httpx.Client) -> None:
    sent = {"content": "/echo tools=0\nsecret", "agentId": "echo", "idempotencyKey": "k"}
    assert owner.post(f"{C}/messages", json=sent).json()["content"] == "secret"
    assert error_of(stranger.post(f"{C}/messages", json=sent)) == (404, "conversation_not_found")


def test_lists_show_ones_own_and_others_to_those_who_observe(
    owner: httpx.Client, stranger: httpx.Client, issuer: Issuer, organization: str
) -> None:
    say(owner, "/echo tools=0\nmine")
    assert stranger.post("/api/conversations", json={"agentId": "echo", "id": "c2"}).status_code == 201
    assert listed(owner) == ["c1"]
    assert listed(stranger) == ["c2"]
    assert listed(owner, owner="owner") == ["c1"]
    for others in ("all", "stranger"):
        answer = owner.get("/api/conversations", params={"owner": others})
        assert error_of(answer) == (403, "missing_scope")
    with as_user(owner, issuer.user(organization, "someone", "member")) as member:
        assert listed(member) == []
        assert sorted(listed(member, owner="all")) == ["c1", "c2"]
        assert listed(member, owner="stranger") == ["c2"]


def listed(client: httpx.Client, **query: str) -> list[str]:
    """The ids of every page, one conversation a page."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get("/api/conversations", params=query | {"limit": "1", "cursor": cursor})
        page = answer.raise_for_status().json()
        found += [one["id"] for one in page["items"]]
        cursor = page["nextCursor"]
    return found


@pytest.mark.parametrize("owner_id", ["x" * 256, "%00", "%20"])
def test_list_of_no_possible_user_is_refused(owner: httpx.Client, owner_id: str) -> None:
    assert error_of(owner.get(f"/api/conversations?owner={owner_id}")) == (422, "invalid_query")


# --- sharing ---------------------------------------------------------------------------------------


def test_share_is_listed_replaced_and_taken_away(owner: httpx.Client, stranger: httpx.Client) -> None:
    say(owner, "/echo tools=0\nhello")
    assert owner.post(f"{C}/shares", json={"userId": "stranger"}).status_code == 204
    assert owner.get(f"{C}/shares").json()["items"] == [{"userId": "stranger", "access": "read"}]
    assert stranger.get(C).status_code == 200
    assert error_of(stranger.post(f"{C}/stop")) == (403, "missing_scope")
    assert owner.post(f"{C}/shares", json={"userId": "stranger", "access": "write"}).status_code == 204
    said = stranger.post(f"{C}/messages", json={"content": "/echo tools=0\nhi"})
    assert said.json()["content"] == "hi"
    run = stranger.get(f"/api/runs/{said.headers['x-run-id']}").json()
    assert run["createdBy"] == "stranger"
    assert stranger.get(C).json()["createdBy"] == "owner"
    assert owner.delete(f"{C}/shares?userId=stranger").status_code == 204
    assert error_of(stranger.get(C)) == (404, "conversation_not_found")
    assert error_of(stranger.get(f"/api/runs/{run['id']}")) == (404, "run_not_found")
    assert owner.get(f"/api/runs/{run['id']}").status_code == 200


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"userId": ""}, 422, "invalid_request"),
        ({"userId": "x" * 256}, 422, "invalid_request"),
        ({"userId": "a", "access": "own"}, 422, "invalid_request"),
        ({"userId": "owner"}, 422, "already_owner"),
    ],
)
def test_wrong_share_is_refused(owner: httpx.Client, given: dict[str, str], status: int, code: str) -> None:
    owner.post("/api/conversations", json={"agentId": "echo", "id": "c1"})
    assert error_of(owner.post(f"{C}/shares", json=given)) == (status, code)
    assert owner.get(f"{C}/shares").json()["items"] == []


def test_shares_end_at_their_limit_and_what_is_not_there_cannot_go(owner: httpx.Client) -> None:
    owner.post("/api/conversations", json={"agentId": "echo", "id": "c1"})
    for number in range(50):
        assert owner.post(f"{C}/shares", json={"userId": f"user {number}"}).status_code == 204
    assert error_of(owner.post(f"{C}/shares", json={"userId": "one more"})) == (409, "too_many_shares")
    assert owner.post(f"{C}/shares", json={"userId": "user 7", "access": "write"}).status_code == 204
    assert error_of(owner.delete(f"{C}/shares?userId=one%20more")) == (404, "share_not_found")
    assert error_of(owner.delete(f"{C}/shares")) == (422, "invalid_query")


async def test_shares_made_at_the_same_time_are_all_kept(platform: Platform, organization: str) -> None:
    slot, owner = Slot(organization, "c1"), user(organization, "owner")
    await platform.stores.conversations.create(slot, made_by("owner"))
    users = [f"user {number}" for number in range(8)]
    await asyncio.gather(*(share(platform.stores, owner, slot, one, "read") for one in users))
    assert set(await shares(platform.stores, owner, slot)) == set(users)


# --- what is no endpoint ---------------------------------------------------------------------------


def user(organization: str, name: str) -> Principal:
    return Principal(organization, name, ROLES["customer"])


def made_by(name: str, id: str = "c1") -> Conversation:
    at = "2026-01-01T00:00:00.000Z"
    return Conversation(id, "echo", "", at, at, name)


def run_of(name: str, slot: Slot) -> Run:
    return Run("run_1", slot, "echo", "running", "2026-01-01T00:00:01.000Z", "msg_1", owner=name)


@pytest.mark.parametrize("thread", [None, "t"])
async def test_run_never_begins_in_a_conversation_that_another_user_made_meanwhile(
    platform: Platform, organization: str, thread: str | None
) -> None:
    """Between the look at what is there and the transaction that begins the run."""
    stores, slot = platform.stores, Slot(organization, "c1", thread)
    await stores.conversations.create(slot.root(), made_by("owner"))
    run = run_of("stranger", slot)
    question = StoredMessage("msg_0", "user", [{"text": "hi"}], run.started_at, "run_1")
    with pytest.raises(SlotChanged):
        await stores.leases.begin(
            stores.leases.beginning(run, "env_1", made_by("stranger"), question, LeaseRecord())
        )
    assert (await stores.leases.peek(slot)).run_id is None
    message = NewMessage("hi", "echo", thread)
    with pytest.raises(NotFound):
        await send(stores, platform.models, user(organization, "stranger"), "c1", message)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", C, {"title": "Mine"}),
        ("DELETE", C, None),
        ("DELETE", f"{C}?restorable=true", None),
        ("POST", f"{C}/stop", None),
        ("POST", f"{C}/inject", {"content": "psst"}),
    ],
)
async def test_command_reaches_no_conversation_that_another_user_made_meanwhile(
    owner: httpx.Client,
    platform: Platform,
    organization: str,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: Any,
) -> None:
    """Between the look at whose it is and the write its owner deletes it, and another user's agent answers in
    one of the same id."""
    stores, slot = platform.stores, Slot(organization, "c1")
    await stores.conversations.create(slot, made_by("owner"))
    find = ConversationStore.find

    async def find_then_lose(self: ConversationStore, *args: Any, **options: Any) -> Conversation | None:
        found = await find(self, *args, **options)
        if found and found.created_by == "owner":
            await delete_conversation(stores, slot)
            await stores.conversations.create(slot, made_by("stranger"))
            begun = replace(run_of("stranger", slot), id=f"run_{uuid.uuid4().hex}")
            question = StoredMessage("msg_0", "user", [{"text": "hi"}], begun.started_at, begun.id)
            await stores.leases.begin(
                stores.leases.beginning(begun, "env_1", made_by("stranger"), question, LeaseRecord())
            )
        return found

    with monkeypatch.context() as patched:
        patched.setattr(ConversationStore, "find", find_then_lose)
        answer = await asyncio.to_thread(owner.request, method, path, json=body)
    assert answer.status_code in (404, 409)
    left, lease = await stores.conversations.find(slot), await stores.leases.peek(slot)
    assert left
    assert (left.created_by, left.title) == ("stranger", "")
    assert lease.run_id
    assert lease.stop is None
    assert await stores.injections.waiting(slot) == ([], [])


async def test_branch_is_chosen_in_no_conversation_that_another_user_made_meanwhile(
    owner: httpx.Client,
    stranger: httpx.Client,
    platform: Platform,
    organization: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both have a question with two answers, so that all but the runs is alike."""
    stores, slot = platform.stores, Slot(organization, "c1")
    await asyncio.to_thread(two_answers, owner)
    first = (await stores.conversations.open(slot)).latest[1][1].id
    left = [True]
    opened = ConversationStore.open

    async def open_then_lose(self: ConversationStore, *args: Any) -> ConversationSnapshot:
        found = await opened(self, *args)
        if left and left.pop():
            await delete_conversation(stores, slot)
            await asyncio.to_thread(two_answers, stranger)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(ConversationStore, "open", open_then_lose)
        answer = await asyncio.to_thread(owner.put, f"{C}/branch", json={"messageId": first})
    assert error_of(answer) == (404, "conversation_not_found")
    snapshot = await stores.conversations.open(slot)
    assert snapshot.conversation
    assert (snapshot.conversation.created_by, snapshot.lease_record.tree.head) == ("stranger", 0)


def two_answers(client: httpx.Client) -> None:
    say(client, "/echo tools=0\nhi")
    client.post(f"{C}/regenerate", json={}).raise_for_status()


async def test_hidden_conversation_is_restored_by_its_own_user_only(
    platform: Platform, organization: str
) -> None:
    """Another user may have made one of the same id, and deleted it, since the look at whose it is."""
    stores, slot = platform.stores, Slot(organization, "c1")
    await stores.conversations.create(slot, made_by("stranger"))
    until = await delete_restorably(stores, slot, made_by("stranger"))
    with pytest.raises(NotFound):
        await delete_restorably(stores, slot, made_by("owner"))
    with pytest.raises(NotFound):
        await restore_conversation(stores, slot, made_by("owner"))
    assert await stores.conversations.find(slot) is None
    assert await delete_restorably(stores, slot, made_by("stranger")) == until
    await restore_conversation(stores, slot, made_by("stranger"))
    assert await stores.conversations.find(slot)


@pytest.mark.parametrize(
    ("owner_id", "started", "readable"),
    [
        ("someone", "2026-01-02", False),  # the run of a conversation that was deleted
        ("", "2025-12-31", False),  # the same, from before runs had owners
        ("", "2026-01-02", True),  # before runs had owners, in a conversation that is still there
        ("owner", "2026-01-02", True),
    ],
)
async def test_run_is_read_by_the_owner_of_its_own_conversation_only(
    platform: Platform, organization: str, owner_id: str, started: str, readable: bool
) -> None:
    stores, slot = platform.stores, Slot(organization, "c1")
    await stores.conversations.create(slot, made_by("owner"))
    run = Run("run_1", slot, "echo", "completed", f"{started}T00:00:00.000Z", "msg_1", owner=owner_id)
    await Dynamo(stores.aws).write(stores.runs.put(run))
    if readable:
        assert await authorize_run(stores, user(organization, "owner"), "run_1") == run
    else:
        with pytest.raises(NotFound):
            await authorize_run(stores, user(organization, "owner"), "run_1")


async def test_search_finds_only_what_the_runs_user_said(
    platform: Platform, owner: httpx.Client, stranger: httpx.Client, organization: str
) -> None:
    say(owner, "/echo tools=0\nthe word is xylophone")
    say(stranger, "/echo tools=0\nthe word is xylophone", conversation="c2")
    for name, conversation in (("owner", "c1"), ("stranger", "c2")):
        admin = dataclasses.replace(user(organization, name), scopes=ROLES["admin"])
        search = search_in(platform.stores, Slot(organization, "now"), admin, lambda query, hits: None)
        assert {hit.conversation_id for hit in await search("xylophone", 10)} == {conversation}


def test_conversation_older_than_owners_is_for_those_who_observe(
    platform: Platform, owner: httpx.Client, issuer: Issuer, organization: str, aws: Any
) -> None:
    say(owner, "/echo tools=0\nhello")
    table = aws.resource("dynamodb").Table(platform.settings.conversations_table)
    key = {"pk": f"{organization}#c1", "sk": "META"}
    table.update_item(Key=key, UpdateExpression="REMOVE createdBy, ownerPk")
    assert error_of(owner.get(C)) == (404, "conversation_not_found")
    with as_user(owner, issuer.user(organization, "someone", "member")) as member:
        assert member.get(C).status_code == 200
        assert listed(member, owner="all") == ["c1"]
