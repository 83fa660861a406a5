"""Runs whose process dies before anybody has heard of them: the sweep finds them."""

from collections.abc import AsyncIterator

import pytest

from millrace.domain.clock import now_ms
from millrace.domain.runs import LEASE_MS
from millrace.services.runs.sweep_lost import sweep_lost
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.services.asking import AGENT, Queue, hire, run_of
from tests.services.mortal import Killed, Mortal
from tests.services.scripted import Talk, says


class World:
    """A conversation whose process may die, and the stores of whoever looks after it."""

    def __init__(self, settings: Settings) -> None:
        self.ahead = 0
        self.aws = Mortal(settings.region, [])
        self.talk = Talk(settings, Stores.connect(settings, self.aws))
        self.others = Stores.connect(settings, clock=lambda: now_ms() + self.ahead)
        self.queue = Queue(self.talk)
        self.others.run_queue.enqueue = self.queue._enqueue  # type: ignore[method-assign]

    async def die(self) -> None:
        self.aws.dead = True
        raise Killed

    def noticed(self, run_id: str) -> int:
        return [one for one, _ in self.queue.sent].count(run_id)


@pytest.fixture
async def world(aws_environment: Aws) -> AsyncIterator[World]:
    made = World(Settings.from_environment(aws_environment.environment("ConversationFunction")))
    yield made
    await made.talk.platform.close()


async def test_run_that_nobody_has_heard_of_is_found(world: World) -> None:
    """No event of it has reached the bus, and nobody watches."""
    talk = world.talk
    talk.models.turns = [[*says("half "), world.die]]
    await hire(talk)
    session = await talk.start("Go.", agent_id=AGENT)
    with pytest.raises(Killed):
        await session.over()
    world.aws.next_process()
    run = await run_of(talk)
    await sweep_lost(world.others)
    assert world.noticed(run.id) == 0  # its lease is not over
    world.ahead = LEASE_MS + 1000
    assert await sweep_lost(world.others) >= 1
    await sweep_lost(world.others)
    assert world.noticed(run.id) == 1


async def test_ended_run_is_looked_after_no_more(world: World) -> None:
    talk = world.talk
    talk.models.turns = [says("Done.")]
    await hire(talk)
    await talk.say("Go.", agent_id=AGENT)
    run = await run_of(talk)
    found = [one for shard in range(8) for one in (await world.others.run_definitions.under_way(shard))[0]]
    assert (talk.slot, run.id) not in found
