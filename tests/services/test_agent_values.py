"""The values that agents in code keep with a conversation: `ctx.store` and the table behind it."""

import random
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from millrace.agent.code.agent import CODE_AGENTS, agent_of
from millrace.agent.suspension import Interrupted
from millrace.app import AgentContext, agent
from millrace.domain.agents import OWN_AGENTS
from millrace.domain.conversations import Slot
from millrace.errors import InvalidRequest, TooLarge
from millrace.services.runs.agent_values import RunValues
from millrace.services.runs.delete import delete_conversation
from millrace.services.runs.lease_writer import LeaseWriter
from millrace.services.runs.models import Models
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.dynamo import Dynamo, check_that
from millrace.stores.lease_record import LeaseLost
from millrace.testing import ProcessLost, Stage
from tests.services.scripted import Talk


@pytest.fixture
def stores(settings: Settings) -> Stores:
    return Stores.connect(settings)


@pytest.fixture
def slot() -> Slot:
    return Slot("acme", f"conversation-{uuid.uuid4().hex}")


@pytest.fixture
def held(stores: Stores, slot: Slot) -> Any:
    """A check of a lease that nobody has taken away."""
    return check_that(stores.conversations.table, {"pk": slot.key, "sk": "RUN"}, "attribute_not_exists(pk)")


async def test_values_are_kept_by_agent_and_key(stores: Stores, slot: Slot, held: Any) -> None:
    values = stores.agent_values
    await values.put(held, slot, "a", "x", b"1")
    await values.put(held, slot, "a", "x", b"2")
    await values.put(held, slot, "ab", "x", b"3")
    assert await values.get(slot, "a", "x") == b"2"
    assert await values.get(slot, "ab", "x") == b"3"
    assert await values.get(slot, "a", "y") is None
    assert await values.delete(held, slot, "a", ["x", "y"]) == 1
    assert await values.get(slot, "a", "x") is None
    assert await values.get(slot, "ab", "x") == b"3"


async def test_keys_are_listed_in_pages_and_in_order(stores: Stores, slot: Slot, held: Any) -> None:
    values = stores.agent_values
    for key in ("p/1", "p/10", "p/2", "q", "p"):
        await values.put(held, slot, "a", key, b"")
    assert await values.keys(slot, "a", "p/", "", 2) == ["p/1", "p/10"]
    assert await values.keys(slot, "a", "p/", "p/10", 2) == ["p/2"]
    assert await values.keys(slot, "a", "", "", 9) == ["p", "p/1", "p/10", "p/2", "q"]
    assert await values.keys(slot, "b", "", "", 9) == []


async def test_large_value_lies_in_parts_that_its_replacement_removes(
    stores: Stores, slot: Slot, held: Any
) -> None:
    values, noise = stores.agent_values, random.Random(7).randbytes(3_500_000)
    dynamo = Dynamo(stores.aws)

    async def parts() -> int:
        table = stores.conversations.table
        found = await dynamo.query(table, "pk = :pk AND begins_with(sk, :c)", pk=slot.key, c="C#")
        return len(found)

    await values.put(held, slot, "a", "x", noise)
    assert await values.get(slot, "a", "x") == noise
    assert await parts() == 12
    await values.put(held, slot, "a", "x", noise[:400_000])
    assert await values.get(slot, "a", "x") == noise[:400_000]
    assert await parts() == 2
    await values.delete(held, slot, "a", ["x"])
    assert await parts() == 0


@agent("counter", replay=False)
async def counter(ctx: AgentContext) -> AsyncIterator[str]:
    """Counts its runs in this conversation."""
    count = await ctx.store.get("count", 0) + 1
    await ctx.store.put("count", count)
    yield str(count)


@pytest.fixture
def talk(settings: Settings, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Talk:
    for one in (counter, keeps):
        made = agent_of(one)
        assert made is not None
        monkeypatch.setitem(CODE_AGENTS, made.id, made)
        monkeypatch.setitem(OWN_AGENTS, made.id, made.record())
    talk = Talk(settings, stores, [])
    talk.platform.models = Models(settings, lambda: talk.platform.http.models)
    return talk


kept: list[AgentContext] = []


@agent("keeps", replay=False)
async def keeps(ctx: AgentContext) -> AsyncIterator[str]:
    """Lets its context outlive its run."""
    kept.append(ctx)
    await ctx.store.put("mine", True)
    yield "Done."


async def test_values_last_over_runs_and_go_with_their_conversation(talk: Talk, stores: Stores) -> None:
    for _ in range(2):
        await talk.say("Count.", agent_id="counter")
    messages = [one for one in await talk.messages() if one.role == "assistant"]
    assert [one.content for one in messages] == [[{"text": "1"}], [{"text": "2"}]]
    assert await stores.agent_values.keys(talk.slot, "counter", "", "", 9) == ["count"]
    await delete_conversation(stores, talk.slot)
    assert await stores.agent_values.keys(talk.slot, "counter", "", "", 9) == []


async def test_session_whose_run_is_over_writes_nothing(talk: Talk, stores: Stores) -> None:
    kept.clear()
    await talk.say("Keep.", agent_id="keeps")
    (ctx,) = kept
    with pytest.raises(Interrupted) as interrupted:
        await ctx.store.put("mine", False)
    assert isinstance(interrupted.value.error, LeaseLost)
    assert await ctx.store.get("mine") is True


async def test_superseded_process_writes_nothing(talk: Talk, stores: Stores, slot: Slot) -> None:
    """Its session does not know yet: the lease's condition refuses the write."""
    lost = check_that(stores.conversations.table, {"pk": slot.key, "sk": "RUN"}, "attribute_exists(pk)")

    class Session:
        run = type("Run", (), {"slot": slot, "id": "run"})

        async def write_values(self, write: Any) -> Any:
            leases = type("Leases", (), {"lease_check": lambda self, lease: lost})()
            writer = LeaseWriter.__new__(LeaseWriter)
            writer.lease, writer._stores = self, type("S", (), {"leases": leases})  # type: ignore[assignment]
            return await writer.write_beside(write)

    with pytest.raises(Interrupted):
        await RunValues(stores.agent_values, Session()).put("a", "x", b"1")  # type: ignore[arg-type]
    assert await stores.agent_values.get(slot, "a", "x") is None


# --- ctx.store, in memory ---------------------------------------------------------------------------


@agent("twice")
async def twice(ctx: AgentContext) -> AsyncIterator[str]:
    """Adds to what it reads, with steps between."""
    await ctx.store.put("log", [*await ctx.store.get("log", []), ctx.message])
    await ctx.store.put("raw", b"\xff\x00")
    await ctx.store.put("log", [*await ctx.store.get("log"), "more"])
    await ctx.store.delete("raw")
    yield f"{await ctx.store.get('log')} {await ctx.store.get('raw')} {await ctx.store.list('l')}"


def test_function_that_is_replayed_adds_once_wherever_its_process_is_lost() -> None:
    stage = Stage(twice)
    assert stage.ask("one") == "['one', 'more'] None ['log']"
    writes = stage._control.writes  # type: ignore[union-attr]
    assert writes > 6
    for lost_at in range(1, writes + 1):
        stage = Stage(twice)
        try:
            stage.ask("one", lost_at=lost_at)
        except ProcessLost:
            stage.go_on()
        assert stage.text == "['one', 'more'] None ['log']"


@agent("anew", replay=False)
async def anew(ctx: AgentContext) -> AsyncIterator[str]:
    """Does a step, and knows by itself that it did."""
    if not await ctx.store.get("done"):
        await ctx.step("work", lambda: 1)
        await ctx.store.put("done", True)
    yield f"{ctx.message} {await ctx.live_messages()}"


def test_function_that_is_not_replayed_begins_anew_wherever_its_process_is_lost() -> None:
    for lost_at in range(1, 6):
        stage = Stage(anew)
        stage.send_live("hurry")
        try:
            stage.ask("Go.", lost_at=lost_at)
        except ProcessLost:
            stage.go_on()
        assert stage.text.startswith("Go. ")


def test_live_message_from_before_the_beginning_is_there_for_one_that_is_not_replayed() -> None:
    stage = Stage(anew)
    stage.send_live("hurry")
    assert stage.ask("Go.") == "Go. ['hurry']"


@agent("large")
async def large(ctx: AgentContext) -> AsyncIterator[str]:
    """Stores what it may not."""
    for key, value in (("x" * 513, 1), ("", 1), ("a\nb", 1)):
        with pytest.raises(InvalidRequest, match="1 to 512 bytes"):
            await ctx.store.put(key, value)
    with pytest.raises(TooLarge, match=r"must not exceed 131,072\. Split it"):
        await ctx.store.put("x", "x" * 131_072)
    with pytest.raises(InvalidRequest):
        await ctx.store.list(limit=0)
    yield "refused"


def test_store_says_what_is_too_large() -> None:
    assert Stage(large).ask("Store.") == "refused"
