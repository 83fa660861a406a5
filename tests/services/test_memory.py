"""Memories that agents keep about their users."""

import asyncio
import uuid

import pytest

from millrace.domain.access import Principal
from millrace.domain.memories import MOST_MEMORIES
from millrace.errors import Conflict, NotFound
from millrace.services.runs.memory import UserMemory
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.memories import MemoryStore
from tests.services.asking import AGENT, call, hire
from tests.services.scripted import Talk, results_of


@pytest.fixture
def organization() -> str:
    return f"org-{uuid.uuid4().hex[:12]}"


async def test_memory_is_recalled_in_another_conversation(settings: Settings) -> None:
    stores = Stores.connect(settings)
    talk = Talk(
        settings,
        stores,
        [
            [call("remember", text="The user eats no meat.", name="diet")],
            [],
            [call("recall", query="meat")],
            [],
            [call("forget", id="diet")],
            [],
            [call("recall")],
        ],
    )
    await hire(talk, "remember", "recall", "forget")
    for words in ("I eat no meat", "What may I eat?", "Forget it", "And now?"):
        await talk.say(words, agent_id=AGENT)
    results = [text for message in await talk.messages() for text in results_of(message)]
    assert results[0] == "Remembered as diet."
    assert "The user eats no meat." in results[1]
    assert results[2] == "Forgot diet."
    assert results[3] == "Nothing is remembered about this."


async def test_memory_belongs_to_one_user_and_one_agent(settings: Settings, organization: str) -> None:
    store = Stores.connect(settings).memories
    ann, bob = Principal(organization, "ann"), Principal(organization, "bob")
    elsewhere = Principal(f"{organization}x", "ann")
    await UserMemory(store, ann, lambda op, about: None).remember("a", "blue", "color")
    for user, agent in ((ann, "b"), (bob, "a"), (elsewhere, "a"), (Principal(organization, "ann#a"), "a")):
        memory = UserMemory(store, user, lambda op, about: None)
        assert await memory.recall(agent, "", 10) == []
        assert not await memory.forget(agent, "color")
    [found] = await UserMemory(store, ann, lambda op, about: None).recall("a", "", 10)
    assert (found.id, found.text) == ("color", "blue")


async def test_memory_that_is_named_again_is_replaced(settings: Settings, organization: str) -> None:
    store = Stores.connect(settings).memories
    first = await store.put(organization, "ann", "a", "color", "blue")
    second = await store.put(organization, "ann", "a", "color", "red")
    assert [one.text for one in await store.of_agent(organization, "ann", "a")] == ["red"]
    assert second.created_at == first.created_at


async def test_memories_never_exceed_their_number_however_many_write(
    settings: Settings, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace.stores.memories.MOST_MEMORIES", 3)
    store = Stores.connect(settings).memories

    writes = (store.put(organization, "ann", "a", f"m{number}", "text") for number in range(6))
    done = await asyncio.gather(*writes, return_exceptions=True)
    refused = [error for error in done if isinstance(error, Conflict)]
    assert [error.code for error in refused] == ["too_many_memories"] * 3
    kept = await store.of_agent(organization, "ann", "a")
    assert len(kept) == 3
    await store.put(organization, "ann", "a", kept[0].id, "again")


async def test_expired_memory_is_neither_recalled_nor_counted(settings: Settings, organization: str) -> None:
    now = 1_800_000_000_000
    store = MemoryStore(
        Stores.connect(settings).agents._dynamo, settings.memories_table, lambda: now, seconds=86_400
    )
    await store.put(organization, "ann", "a", "old", "text")
    now += 86_400_000 - 1
    assert await store.of_agent(organization, "ann", "a")
    now += 1000
    assert await store.of_agent(organization, "ann", "a") == []
    assert await store.page(organization, "ann", "", 10) == ([], None)


async def test_memories_of_a_user_are_deleted_together(settings: Settings, organization: str) -> None:
    store = Stores.connect(settings).memories
    for agent in ("a", "b"):
        for number in range(15):
            await store.put(organization, "ann", agent, f"m{number}", "text")
    await store.put(organization, "bob", "a", "m", "text")
    await store.delete_user(organization, "ann")
    await store.delete_user(organization, "ann")
    assert await store.page(organization, "ann", "", 100) == ([], None)
    assert len(await store.of_agent(organization, "bob", "a")) == 1
    with pytest.raises(NotFound):
        await store.delete(organization, "ann", "a", "m1")


def test_all_memories_of_an_agent_fit_into_one_answer_of_the_store() -> None:
    from millrace.domain.memories import MEMORY_BYTES

    assert MOST_MEMORIES * (MEMORY_BYTES + 500) < 1024 * 1024
