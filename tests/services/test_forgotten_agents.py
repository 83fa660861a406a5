"""Deleting an agent deletes its memories of all users, and nothing brings them back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from millrace.domain.access import Principal
from millrace.domain.agents import AgentSettings
from millrace.errors import NotFound
from millrace.services.agents import Agents
from millrace.services.forget_agents import sweep_forgotten
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.services.mortal import Blow, Failure, Killed, Mortal
from tests.services.scripted import Talk

USERS = ["ann", "bob", "#odd#one", "😀" * 255]
SETTINGS = AgentSettings.model_validate({"name": "Clerk"})


class World:
    """An organization with two agents that know the same users."""

    def __init__(self, settings: Settings, blows: list[list[Blow]]) -> None:
        self.aws = Mortal(settings.region, [[]])
        self.blows = blows
        self.talk = Talk(settings, Stores.connect(settings, self.aws))
        self.stores, self.organization = self.talk.stores, self.talk.slot.organization
        self.agents = Agents(Platform.make(settings, self.stores))
        self.caller = Principal(self.organization, "boss", frozenset({"agents:write"}))

    async def hire(self) -> None:
        for agent_id in ("clerk", "clerk2"):
            await self.agents.create(self.caller, SETTINGS, agent_id)
            for user in USERS:
                await self.stores.memories.put(self.organization, user, agent_id, "m1", "Likes tea.")
        self.aws.blows = self.blows
        self.aws.next_process()

    async def known(self, agent_id: str) -> list[str]:
        memories = self.stores.memories
        return [user for user in USERS if await memories.of_agent(self.organization, user, agent_id)]


@pytest.fixture
async def world(settings: Settings) -> AsyncIterator[World]:
    made = World(settings, [])
    await made.hire()
    yield made
    await asyncio.to_thread(made.aws.close)


def items_about(aws: Aws, settings: Settings, organization: str, agent_id: str) -> list[dict[str, Any]]:
    """Everything in the table of memories that names the agent, but its mark."""
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=settings.memories_table)
    found = [item for page in pages for item in page["Items"] if organization in str(item)]
    return [one for one in found if f"{agent_id}'" in str(one) or f"{agent_id}#" in str(one)]


async def test_memories_of_all_users_go_with_their_agent(world: World, aws: Aws, settings: Settings) -> None:
    assert await world.known("clerk") == USERS
    await world.agents.delete(world.caller, "clerk")
    assert await world.known("clerk") == []
    assert await world.known("clerk2") == USERS
    [mark] = items_about(aws, settings, world.organization, "clerk")
    assert mark["sk"]["S"] == "MARK"


async def test_run_that_goes_on_remembers_nothing_for_a_deleted_agent(world: World) -> None:
    await world.agents.delete(world.caller, "clerk")
    with pytest.raises(NotFound, match="deleted"):
        await world.stores.memories.put(world.organization, "ann", "clerk", "m2", "Likes coffee.")
    assert await world.known("clerk") == []


async def test_agent_that_is_made_anew_begins_without_memories_and_keeps_its_own(world: World) -> None:
    await world.agents.delete(world.caller, "clerk")
    await world.agents.create(world.caller, SETTINGS, "clerk")
    assert await world.known("clerk") == []
    await world.stores.memories.put(world.organization, "ann", "clerk", "m2", "Likes coffee.")
    await sweep_forgotten(world.stores)
    assert await world.known("clerk") == ["ann"]


async def test_deletion_that_comes_late_spares_the_agent_that_is_back(world: World) -> None:
    """A sweep has read the mark, and goes on after the agent was made anew."""
    organization, stores = world.organization, world.stores
    deleted = stores.forgotten_agents.gone(organization, "clerk")
    await stores.agents.delete(organization, "clerk", *deleted)
    late = await stores.forgotten_agents.pending(organization, "clerk")
    assert late
    await world.agents.create(world.caller, SETTINGS, "clerk")
    await stores.memories.put(organization, "ann", "clerk", "m2", "Likes coffee.")
    pending, stores.forgotten_agents.unfinished = stores.forgotten_agents.unfinished, _only(late)  # type: ignore[method-assign]
    await sweep_forgotten(stores)
    stores.forgotten_agents.unfinished = pending  # type: ignore[method-assign]
    assert await world.known("clerk") == ["ann"]


def _only(late: Any) -> Any:
    async def unfinished(limit: int) -> list[Any]:
        return [late]

    return unfinished


@pytest.mark.parametrize("failure", ["kill before", "kill after", "fault before", "fault after"])
async def test_deletion_that_breaks_off_anywhere_is_finished_by_the_sweep(
    settings: Settings, aws_environment: Aws, failure: Failure
) -> None:
    for write in range(1, 20):
        world = World(settings, [[Blow(write, failure)]])
        await world.hire()
        try:
            await world.agents.delete(world.caller, "clerk")
        except (Killed, Exception):
            world.aws.next_process()
        if await world.stores.forgotten_agents.pending(world.organization, "clerk"):
            await sweep_forgotten(world.stores)
        is_there = await _is_there(world)
        assert await world.known("clerk") == (USERS if is_there else []), write
        assert await world.known("clerk2") == USERS
        about = items_about(aws_environment, settings, world.organization, "clerk")
        assert is_there or len(about) == 1, (write, about)
        met = world.aws.writes[1] >= write
        await asyncio.to_thread(world.aws.close)
        if not met:
            assert write > 9
            return


async def _is_there(world: World) -> bool:
    found, _ = await world.stores.agents.page(world.organization, "", 10)
    return "clerk" in [agent.id for agent in found]


async def test_user_who_is_forgotten_is_listed_nowhere(world: World, aws: Aws, settings: Settings) -> None:
    await world.stores.memories.delete_user(world.organization, "ann")
    found = items_about(aws, settings, world.organization, "clerk")
    assert found
    assert not any("ann" in str(item) for item in found)
