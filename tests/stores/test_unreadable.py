"""A stored item that cannot be read is reported and skipped, and hides no other."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from millrace.domain.conversations import Slot
from millrace.domain.redrives import Redrive
from millrace.services.runs.delete import delete_conversation
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.dynamo import Dynamo, put
from millrace.stores.injections import _item, new_injection
from millrace.stores.pipelines import PipelineStore
from millrace.stores.redrives import RedriveStore
from tests.aws import Aws
from tests.services.scripted import Talk


@dataclass
class World:
    settings: Settings
    stores: Stores
    organization: str

    async def poison(self, table: str, pk: str, sk: str, **more: Any) -> None:
        await self.stores.agents._dynamo.write(put(table, {"pk": pk, "sk": sk} | more))


@pytest.fixture
async def world(aws_environment: Aws) -> AsyncIterator[World]:
    names = ("ApiFunction", "ConversationFunction")
    environment = {name: value for one in names for name, value in aws_environment.environment(one).items()}
    settings = Settings.from_environment(environment)
    made = World(settings, Stores.connect(settings), f"org-{uuid.uuid4().hex[:12]}")
    yield made
    await asyncio.to_thread(made.stores.aws.close)


async def test_live_message(world: World, caplog: pytest.LogCaptureFixture) -> None:
    slot, store = Slot(world.organization, "c1"), world.stores.injections
    for _ in range(2):
        made = new_injection([{"text": "hello"}], "user", world.stores.clock())
        await store._dynamo.write(put(world.settings.injections_table, _item(slot, made)))
        await world.poison(world.settings.injections_table, slot.key, f"I#{made.id}~", content="?")
    fresh, expired = await store.waiting(slot)
    assert ([one.content for one in fresh], expired) == (["hello", "hello"], [])
    assert "cannot be read" in caplog.text


async def test_memory(world: World) -> None:
    store = world.stores.memories
    for id in ("m1", "m3"):
        await store.put(world.organization, "ann", "a", id, id)
    await world.poison(world.settings.memories_table, f"{world.organization}#ann", "M#a#m2")
    assert [one.id for one in await store.of_agent(world.organization, "ann", "a")] == ["m1", "m3"]
    first, more = await store.page(world.organization, "ann", "", 2)
    assert more
    rest, end = await store.page(world.organization, "ann", more, 2)
    assert ([one.id for one in first + rest], end) == (["m1", "m3"], None)


async def test_redrive(world: World) -> None:
    table = world.settings.dead_letters_table
    store = RedriveStore(Dynamo(world.stores.aws), table)
    for id in ("r1", "r3"):
        made: dict[str, Any] = {"id": id, "request": {}, "createdAt": 1_800_000_000_000, "updatedAt": 1}
        await store.create(world.organization, "p", Redrive.model_validate(made))
    await world.poison(table, f"{world.organization}#p", "R#r2", body="{")
    assert [one.id for one in await store.newest(world.organization, "p")] == ["r3", "r1"]


async def test_checkpoint_and_pipeline(world: World) -> None:
    store = PipelineStore(Dynamo(world.stores.aws), world.settings.pipelines_table)
    for id in ("c1", "c3"):
        await store.add_checkpoint(world.organization, "p", {"id": id})
    await world.poison(world.settings.pipelines_table, f"{world.organization}#p", "C#c2", body="{")
    assert [one["id"] for one in await store.checkpoints(world.organization, "p")] == ["c3", "c1"]
    await world.poison(world.settings.pipelines_table, world.organization, "P#broken", body="{")
    assert await store.page(world.organization, "", 1) == ([], "broken")
    assert await store.page(world.organization, "broken", 1) == ([], None)


async def test_message_of_a_conversation_that_is_deleted(aws_environment: Aws) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    talk = Talk(settings, Stores.connect(settings))
    await talk.say("hello")
    await talk.stores.agents._dynamo.write(
        put(settings.conversations_table, {"pk": talk.slot.key, "sk": "M#00000099", "body": "{"})
    )
    await delete_conversation(talk.stores, talk.slot)
    assert await talk.stores.conversations.find(talk.slot, deleting=True) is None
    assert await talk.messages() == []
    await talk.platform.close()
