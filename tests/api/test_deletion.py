"""Deleting a conversation deletes all of its data and ends its runs, and nothing comes back."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from millrace.api.conversation_app import create_app
from millrace.api.flows_app import create_app as flows_app
from millrace.domain.access import Principal
from millrace.domain.clock import now_ms
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.runs import Run
from millrace.errors import Conflict, Unavailable
from millrace.services.runs.delete import delete_conversation, finish_deletion, sweep_deletions
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage
from millrace.services.runs.platform import Platform
from millrace.services.runs.send import send
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from millrace.stores.lease_record import LeaseLost
from tests.api.talk import error_of, say, saying
from tests.serving import served
from tests.sse import Sent

PATH = "/api/conversations/c1"
RUNNING = "/echo tools=0 tokens=5000 delayMs=20\nword"


@pytest.fixture
def elsewhere(settings: Settings, chat: httpx.Client) -> Iterator[httpx.Client]:
    """The same app in another environment: nothing is shared but what is stored."""
    with served(create_app(settings)) as url:
        with httpx.Client(base_url=url, headers=chat.headers, timeout=30) as client:
            yield client


def kept(platform: Platform, organization: str) -> set[str]:
    """The tables and keys of everything that is stored of the organization, but for its command center."""
    settings = platform.settings
    client = platform.stores.aws.client("dynamodb")
    names = ("conversations", "runs", "events", "injections", "flows", "tickets")
    tables = {name: getattr(settings, f"{name}_table") for name in names}
    return {
        f"{name} {item['pk']['S']} {item.get('sk', {}).get('S')}"
        for name, table in tables.items()
        for page in client.get_paginator("scan").paginate(TableName=table)
        for item in page["Items"]
        if organization in str(item) and "#center" not in item["pk"]["S"]
    }


def last_of(events: Iterator[Sent]) -> dict[str, Any]:
    return list(events)[-1].data


def test_deleted_conversation_leaves_nothing_in_any_table(
    chat: httpx.Client, platform: Platform, organization: str
) -> None:
    for number in range(15):
        say(chat, f"hello {number}", idempotencyKey=f"key-{number}")
    say(chat, f"/echo tools=0\n{'large ' * 40_000}")  # stored in parts, logged over several items
    say(chat, "in a thread", threadId="t1")
    say(chat, "in another", threadId="t2", idempotencyKey="k")
    with saying(chat, "/echo toolMs=60000\nword") as events:
        next(events)
        chat.post(f"{PATH}/inject", json={"content": "taken back", "idempotencyKey": "i"})
        chat.post(f"{PATH}/inject", json={"content": "left over"})
        chat.post(f"{PATH}/stop")
        list(events)
    say(chat, "another conversation", conversation="c2")
    assert {one.split()[0] for one in kept(platform, organization)} > {"conversations", "runs", "events"}
    assert chat.delete(PATH).status_code == 204
    left = kept(platform, organization)
    assert all("c2" in one or one.startswith(("runs", "events")) for one in left), left
    assert chat.delete("/api/conversations/c2").status_code == 204
    assert kept(platform, organization) == set()


@pytest.mark.parametrize("thread", [None, "t1"])
def test_deletion_ends_what_runs_and_nothing_comes_back(
    chat: httpx.Client, elsewhere: httpx.Client, platform: Platform, organization: str, thread: str | None
) -> None:
    say(chat, "hello")
    with saying(chat, RUNNING, threadId=thread) as events:
        run_id = next(events).data["runId"]
        with elsewhere.stream("GET", f"/api/runs/{run_id}/stream") as following:
            assert following.status_code == 200
            assert chat.delete(PATH).status_code == 204
            followed = [line for line in following.iter_lines() if line.startswith("data:")]
        end = last_of(events)
    assert (end["type"], end["code"], end["retryable"]) == ("error", "deleted", False)
    assert '"code":"deleted"' in followed[-1]
    assert '"retryable":false' in followed[-1]
    assert error_of(chat.get(PATH)) == (404, "conversation_not_found")
    assert error_of(chat.get(f"/api/runs/{run_id}")) == (404, "run_not_found")
    assert error_of(chat.get(f"/api/runs/{run_id}/stream")) == (404, "run_not_found")
    assert kept(platform, organization) == set()


def test_run_is_hidden_from_the_mark_of_a_deletion_on(
    chat: httpx.Client, platform: Platform, organization: str
) -> None:
    """Its owner included: a deletion that broke off must not leave a text that is still served."""
    run_id = say(chat, "hello")[0].data["runId"]
    asyncio.run(platform.stores.deletions.begin(Slot(organization, "c1")))
    for path in (f"/api/runs/{run_id}", f"/api/runs/{run_id}/stream"):
        assert error_of(chat.get(path)) == (404, "run_not_found")


def test_json_answer_of_a_deleted_run_is_gone(chat: httpx.Client) -> None:
    with saying(chat, RUNNING, idempotencyKey="k") as events:
        run_id = next(events).data["runId"]
        with chat.stream("GET", f"/api/runs/{run_id}/stream"):
            chat.delete(PATH)
        assert last_of(events)["code"] == "deleted"
    again = chat.post(f"{PATH}/messages", json={"agentId": "echo", "content": "/echo tools=0\nnew"})
    assert again.json()["content"] == "new"
    assert len(chat.get(f"{PATH}/messages").json()["items"]) == 2


def test_flow_execution_goes_with_its_conversation(
    chat: httpx.Client, platform: Platform, organization: str, management: httpx.Client
) -> None:
    with served(flows_app(platform.settings)) as url:
        with httpx.Client(base_url=url, headers=chat.headers, timeout=30) as flows:
            steps = [{"name": "ask", "type": "wait_for_input"}]
            assert flows.post("/api/flows", json={"name": "f", "steps": steps}).status_code == 201
            execution = flows.post("/api/flows/f/events", json={"input": "x"}).json()["executionId"]
            assert flows.get(f"/api/flows/f/executions/{execution}").status_code == 200
            assert chat.delete(f"/api/conversations/{execution}").status_code == 204
            assert flows.get(f"/api/flows/f/executions/{execution}").status_code == 404
            flows.delete("/api/flows/f")
    assert kept(platform, organization) == set()


class Dying(AwsClients):
    """AWS for a process that dies at its n-th write: before it takes effect, or after."""

    left: int
    before: bool

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation in ("get_item", "query"):
            return await super().call(service, operation, **parameters)
        self.left -= 1
        if self.left < 0 and self.before:
            raise Unavailable("the process is gone")
        answer = await super().call(service, operation, **parameters)
        if self.left < 0:
            raise Unavailable("the process is gone")
        return answer


def fill(chat: httpx.Client) -> None:
    say(chat, "hello", idempotencyKey="k")
    say(chat, "/echo tools=0\nin a thread", threadId="t1")


@pytest.mark.parametrize("before", [True, False])
async def test_deletion_that_broke_off_anywhere_is_finished(
    chat: httpx.Client, settings: Settings, platform: Platform, organization: str, before: bool
) -> None:
    """By the sweep, or by a repeat of the request: by turns."""
    later = Stores.connect(settings, clock=lambda: now_ms() + 120_000)
    root = Slot(organization, "c1")
    for writes in range(100):
        await asyncio.to_thread(fill, chat)
        aws = Dying(settings.region)
        aws.left, aws.before = writes, before
        try:
            await delete_conversation(Stores.connect(settings, aws), root)
            break
        except* Unavailable:
            pass
        if before and not writes:
            continue  # nothing has happened yet
        assert await platform.stores.conversations.find(root) is None
        assert await platform.stores.directory.page(organization, None, 10) == ([], None)
        if writes % 2:
            await sweep_deletions(later)
        else:
            assert (await asyncio.to_thread(chat.delete, PATH)).status_code in (204, 404)
        assert await asyncio.to_thread(kept, platform, organization) == set()
    else:
        pytest.fail("the deletion takes more than a hundred writes")
    assert writes > 5
    assert kept(platform, organization) == set()


async def begin(stores: Stores, root: Slot, thread: str | None = None) -> None:
    models = Models(Settings("us-east-1"), httpx.AsyncClient)
    caller = Principal(root.organization, "user", frozenset({"chat"}))
    await send(stores, models, caller, root.conversation_id, NewMessage("hi", "echo", thread))


@pytest.mark.parametrize("thread", [None, "t1"])
async def test_message_to_a_conversation_that_is_being_deleted_is_refused(
    platform: Platform, organization: str, thread: str | None
) -> None:
    stores, root = platform.stores, Slot(organization, "c1")
    await begin(stores, root)
    await stores.deletions.begin(root)
    with pytest.raises(Conflict) as error:
        await begin(stores, root, thread)
    assert error.value.code in ("conversation_deleted", "run_active")
    await delete_conversation(stores, root)
    await begin(stores, root, thread)
    assert await stores.conversations.find(root) is not None
    await delete_conversation(stores, root)


async def test_late_deleter_leaves_a_new_conversation_alone(platform: Platform, organization: str) -> None:
    stores, root = platform.stores, Slot(organization, "c1")
    await begin(stores, root)
    late = await stores.deletions.begin(root)
    assert late is not None
    await delete_conversation(stores, root)
    await begin(stores, root)
    await finish_deletion(stores, late)
    assert await stores.conversations.find(root) is not None
    assert len((await stores.messages.page(root, 0, 10))[0]) == 1
    assert (await stores.leases.peek(root)).run_id is not None
    await delete_conversation(stores, root)


async def test_concurrent_deletions_and_messages_leave_all_or_nothing(
    platform: Platform, organization: str
) -> None:
    """Whatever wins: afterwards either nothing is stored, or one whole new conversation."""
    stores, root = platform.stores, Slot(organization, "c1")
    for _ in range(6):
        await begin(stores, root)
        tries = [delete_conversation(stores, root), begin(stores, root), delete_conversation(stores, root)]
        await asyncio.gather(*tries, return_exceptions=True)
        messages, _ = await stores.messages.page(root, 0, 10)
        record = await stores.leases.peek(root)
        if messages:
            assert [message.run_id for _, message in messages] == [record.run_id]
            found = await stores.conversations.find(root)
            assert found is not None
            assert found.active_run_id == record.run_id
            assert (await stores.runs.get(organization, record.run_id or "")).state == "running"
            await delete_conversation(stores, root)
        assert await asyncio.to_thread(kept, platform, organization) == set()


async def test_run_that_goes_on_in_a_thread_recreates_nothing(platform: Platform, organization: str) -> None:
    """Its last write comes after the mark and before its lease is taken away."""
    stores, root = platform.stores, Slot(organization, "c1")
    run = Run(
        id=f"run_{uuid.uuid4().hex}",
        slot=Slot(organization, "c1", "t1"),
        agent_id="echo",
        state="running",
        started_at="2026-11-26T00:00:00.000Z",
        message_id="msg_1",
    )
    about = Conversation("c1", "echo", "hi", run.started_at, run.started_at)
    question = StoredMessage("msg_0", "user", [{"text": "hi"}], run.started_at, run.id)
    record = await stores.leases.peek(run.slot)
    lease = await stores.leases.begin(stores.leases.beginning(run, "env", about, question, record))
    await stores.deletions.begin(root)
    with pytest.raises(LeaseLost):
        await stores.run_ends.end(lease, run, [], [], accepted=None)
    await delete_conversation(stores, root)
    with pytest.raises(LeaseLost):
        await stores.run_ends.end(lease, run, [], [], accepted=None)
    assert kept(platform, organization) == set()
