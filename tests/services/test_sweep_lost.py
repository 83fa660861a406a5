"""Runs whose process dies before anyone has heard of them: the sweep finds them."""

import asyncio
import itertools
import uuid
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import pytest

from millrace.domain.clock import now_ms
from millrace.domain.conversations import Slot
from millrace.domain.runs import LEASE_MS, LeaseRecord
from millrace.services.runs import sweep_lost as sweep_lost_module
from millrace.services.runs.sweep_lost import sweep_lost
from millrace.settings import Settings
from millrace.stores import run_definitions
from millrace.stores.connect import Stores
from millrace.stores.dynamo import put
from millrace.stores.run_definitions import SHARDS
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
    talk.models.turns = [[*says("half "), talk.until_begun, world.die]]
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
    definitions = world.others.run_definitions
    found = [one for shard in range(SHARDS) async for page in definitions.under_way(shard) for one in page]
    assert (talk.slot, run.id) not in found


async def lose(world: World, number: int) -> str:
    """A run of the first shard whose process is gone."""
    slot = Slot(world.talk.slot.organization, f"lost-{number}")
    ids = (f"run_{chr(65 + number)}_{uuid.uuid4().hex}" for _ in itertools.count())
    run_id = next(one for one in ids if zlib.crc32(one.encode()) % SHARDS == 0)
    lease = {"runId": run_id, "holder": "gone", "untilMs": 1, "seq": 0, "messages": 1}
    dynamo, table = world.others.run_definitions._dynamo, world.others.run_definitions._table
    await dynamo.write(put(table, {"pk": slot.key, "sk": "RUN"} | lease))
    await dynamo.write(put(table, run_definitions._listed(slot, run_id)))
    return run_id


@asynccontextmanager
async def out_of_time() -> AsyncIterator[None]:
    with suppress(asyncio.CancelledError):
        yield


async def test_sweep_goes_on_where_its_time_was_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sweep has time for one page of two runs, of which the first is the last one of before."""
    lost = [await lose(world, number) for number in range(7)]
    monkeypatch.setattr(run_definitions, "PAGE", 2)
    monkeypatch.setattr(sweep_lost_module, "sweep_time", out_of_time)
    peek_all, looked = world.others.leases.peek_all, list[str]()

    async def once(slots: Iterable[Slot]) -> dict[str, LeaseRecord]:
        page = list(slots)
        looked.extend(slot.organization for slot in page[:1])
        if looked.count(world.talk.slot.organization) > 1:
            raise asyncio.CancelledError
        return await peek_all(page)

    monkeypatch.setattr(world.others.leases, "peek_all", once)
    sweeps = 0
    while not all(world.noticed(run_id) for run_id in lost):
        sweeps += 1
        assert sweeps < 500, [world.noticed(run_id) for run_id in lost]
        looked.clear()
        await sweep_lost(world.others)


async def test_sweep_that_has_time_looks_at_every_run_wherever_it_begins(world: World) -> None:
    lost = [await lose(world, number) for number in range(3)]
    await world.others.run_definitions.start_sweep_at(0, lost[1])
    await sweep_lost(world.others)
    assert [world.noticed(run_id) for run_id in lost] == [1, 1, 1]


async def test_lease_that_cannot_be_read_hides_no_other(world: World) -> None:
    lost = [await lose(world, number) for number in range(3)]
    slot, definitions = Slot(world.talk.slot.organization, "lost-1"), world.others.run_definitions
    broken = {"pk": slot.key, "sk": "RUN", "runId": lost[1], "progress": "{"}
    await definitions._dynamo.write(put(definitions._table, broken))
    await sweep_lost(world.others)
    assert [world.noticed(run_id) for run_id in lost] == [1, 0, 1]
