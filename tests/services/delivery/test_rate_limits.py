"""Rate limits across many invocations: real deliveries in simulated time.

Queue, table and server are played here; what is looked at is when requests leave, and how often jobs come.
"""

import asyncio
import random
from bisect import bisect_right
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from millrace.destinations.secrets import Redactor, Resolved
from millrace.destinations.sending import HttpSender
from millrace.destinations.webhook import Webhook
from millrace.destinations.wire import Answer, Request
from millrace.pipelines.definitions.destinations import WebhookConfig
from millrace.pipelines.event import Event
from millrace.services.delivery.attempt import Attempts
from millrace.services.delivery.deliver import Deliverer
from millrace.services.delivery.job import Job, job_event, read_job
from millrace.services.delivery.slots import RateLimits
from millrace.services.delivery.target import Target
from millrace.stores.delivery_state import DeliveryState, DestinationKey
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, from_item
from tests.services.delivery.delivering import event

EPOCH_MS = 1_790_000_000_000
PLACE = DestinationKey("acme", "pipe", "0-x")
PROCESSES = 12
EXACT = 0.001


class OwnTime(asyncio.SelectorEventLoop):
    """Time stands still while anything can be done, and then jumps to where something can be."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


class Table(Dynamo):
    """A table as `DeliveryState` needs it: conditional puts, each of which takes a while."""

    def __init__(self, chance: random.Random) -> None:
        self._items: dict[tuple[str, str], Item] = {}
        self._chance = chance
        self.writes = 0

    async def get(self, table: str, key: Item) -> Item | None:
        await self._sends()
        return self._items.get((key["pk"], key["sk"]))

    async def write(self, request: dict[str, Any]) -> None:
        await self._sends()
        self.writes += 1
        given = request["Put"]
        item = from_item(given["Item"])
        there = self._items.get((item["pk"], item["sk"]))
        if (there["revision"] if there else 0) != item["revision"] - 1:
            raise ConditionFailed({0: there})
        self._items[item["pk"], item["sk"]] = item

    async def _sends(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.002, 0.012))


class Machine:
    """A process's part of one: no timer is exact, and half a core is stopped now and then."""

    def __init__(self, chance: random.Random, stalls_every: float) -> None:
        self._chance = chance
        self._every = stalls_every
        self._stall = self._resumes = chance.expovariate(1 / stalls_every)

    async def pause(self, seconds: float) -> None:
        """Sleep for a little longer, or until a stall is over."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(seconds + self._chance.uniform(0, 0.005))
        while loop.time() >= self._stall:
            self._resumes = self._stall + self._chance.uniform(0.03, 0.15)
            self._stall = self._resumes + self._chance.expovariate(1 / self._every)
        await asyncio.sleep(max(0, self._resumes - loop.time()))


@dataclass
class Played:
    """One destination, whose jobs are taken by several processes. `sent`: when its requests came (ms).
    `stalls_every`: seconds after which, on average, a machine has no time for its process for a while."""

    config: dict[str, Any]
    latency: tuple[float, float] = (0.02, 0.12)
    stalls_every: float = 0.0
    proven: bool = True
    sent: list[float] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    times_taken: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(7)
        self.table = Table(self.chance)
        self.sender = HttpSender(
            Webhook(WebhookConfig.model_validate({"url": "https://example.com/"} | self.config)),
            self._post,
            self.clock,
        )
        self.processes = [self._process() for _ in range(PROCESSES)]
        self.tasks: set[asyncio.Task[None]] = set()

    def clock(self) -> int:
        return EPOCH_MS + int(asyncio.get_running_loop().time() * 1_000)

    def _process(self) -> Deliverer:
        state = DeliveryState(self.table, "t", self.clock)
        pause = Machine(self.chance, self.stalls_every).pause if self.stalls_every else asyncio.sleep
        attempts = Attempts(state, RateLimits(state, self.clock, pause), self.clock)
        return Deliverer(self, attempts, None, self, self.clock, self.chance.random)  # type: ignore[arg-type]

    async def _post(self, request: Request) -> Answer:
        self.sent.append(asyncio.get_running_loop().time() * 1_000)
        self.events.append(dict(request.headers)["webhook-id"])
        await asyncio.sleep(self.chance.uniform(*self.latency))
        return Answer(200)

    async def of(self, job: Job) -> Target:
        """As `Targets`."""
        config = WebhookConfig.model_validate({"url": "https://example.com/"} | self.config)
        return Target(PLACE, "m", config, self.sender, Redactor(Resolved(config, ())))

    async def send_one(self, body: str, delay_ms: int = 0, organization: str = "") -> None:
        """As `Queue`: it waits for whole seconds, and then a little."""
        seconds = min(900, -(-max(0, delay_ms) // 1000)) + self.chance.uniform(0.01, 0.2)
        self._begin(self._later(body, seconds))

    async def _later(self, body: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.times_taken += 1
        await self.chance.choice(self.processes).deliver(read_job(body))

    def _job(self, events: list[Event]) -> Job:
        return Job(
            organization="acme",
            pipeline_id="pipe",
            definition_version=1,
            destination=0,
            created_at=self.clock(),
            events=[job_event(one) for one in events],
        )

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)

    async def play(self, jobs: int, events: int, over: float = 0.0) -> None:
        """So many jobs come, spread over some seconds; returns when all is delivered."""
        if self.proven:
            await self.processes[0].deliver(self._job([event("first")]))
            await asyncio.sleep(120)
        self.sent.clear()
        self.events.clear()
        for n in range(jobs):
            job = self._job([event(f"{n}.{k}") for k in range(events)])
            self._begin(self._later(job.encode(), over * n / jobs))
        while self.tasks:
            done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
            self.tasks -= done
            for task in done:
                task.result()


def played(per_second: float, burst: int, jobs: int, events: int, **more: Any) -> Played:
    """The destination after all jobs were delivered."""
    over = more.pop("over", 0.0)
    world = Played({"rateLimit": {"perSecond": per_second, "burst": burst}}, **more)
    random.seed(7)  # for the waits of stores that contend
    with asyncio.Runner(loop_factory=OwnTime) as runner:
        runner.run(world.play(jobs, events, over))
    assert sorted(world.events) == sorted(f"{n}.{k}-m" for n in range(jobs) for k in range(events))
    return world


def reached(world: Played, burst: int) -> float:
    """Requests a second, after the burst."""
    return (len(world.sent) - burst) / (world.sent[-1] - world.sent[0]) * 1_000


def steady(world: Played) -> float:
    """Requests a second while there are always some that wait: without the first and the last tenth."""
    count = len(world.sent)
    first, last = count // 10, count - count // 10 - 1
    return (last - first) / (world.sent[last] - world.sent[first]) * 1_000


def most_over(world: Played, per_second: float, burst: int) -> float:
    """By how many requests a stretch of a second or more had more than it may."""
    times = world.sent
    return max(
        bisect_right(times, times[first] + span * 1_000) - first - burst - span * per_second
        for first in range(len(times))
        for span in (1, 2, 5, 20, 60)
    )


LOADS = [
    (50, 1, 600, 1),
    (50, 1, 12, 60),
    (5, 5, 100, 1),
    (5, 5, 4, 30),
    (1, 1, 60, 1),
    (1, 1, 1, 80),
    (0.2, 1, 12, 1),
    (200, 20, 40, 100),
    (20, 100, 40, 20),
]


@pytest.mark.parametrize(("per_second", "burst", "jobs", "events"), LOADS)
def test_backlog_leaves_at_the_limit_and_never_above_it(
    per_second: float, burst: int, jobs: int, events: int
) -> None:
    world = played(per_second, burst, jobs, events)
    assert 0.95 <= reached(world, burst) / per_second <= 1.001
    assert most_over(world, per_second, burst) <= EXACT


@pytest.mark.parametrize(("per_second", "burst", "jobs"), [(50, 1, 900), (5, 5, 90)])
def test_jobs_that_come_faster_than_the_limit_leave_at_the_limit(
    per_second: float, burst: int, jobs: int
) -> None:
    world = played(per_second, burst, jobs, 1, over=jobs / per_second / 2)
    assert 0.95 <= reached(world, burst) / per_second <= 1.001


def test_long_backlog_comes_in_line_and_not_again_and_again() -> None:
    world = played(2, 1, 1_000, 1)
    assert world.times_taken <= 4 * 1_000
    assert 0.95 <= reached(world, 1) / 2 <= 1.001


def test_slots_for_many_are_reserved_in_one_write() -> None:
    world = played(50, 1, 4, 150)
    assert world.table.writes < 150


def test_slow_server_leaves_no_slots_to_be_used_at_once() -> None:
    world = played(50, 1, 10, 40, latency=(0.5, 3.0))
    assert most_over(world, 50, 1) <= EXACT


@pytest.mark.parametrize(("per_second", "burst", "jobs", "events"), LOADS)
def test_machines_that_stall_lose_slots_and_never_use_them_together(
    per_second: float, burst: int, jobs: int, events: int
) -> None:
    """A second has the limit and the burst at most, whatever holds the processes up."""
    world = played(per_second, burst, jobs, events, stalls_every=10)
    assert most_over(world, per_second, burst) <= EXACT
    assert 0.95 <= steady(world) / per_second


SLOW = (0.3, 0.6)


@pytest.mark.parametrize(
    ("per_second", "burst", "jobs", "events", "latency"),
    [(*load, (0.02, 0.12)) for load in LOADS]
    + [(5, 1, 100, 1, SLOW), (5, 5, 100, 1, SLOW), (50, 1, 600, 1, SLOW), (5, 1, 40, 5, SLOW)],
)
def test_new_destination_has_its_limit_before_its_first_success(
    per_second: float, burst: int, jobs: int, events: int, latency: tuple[float, float]
) -> None:
    """Of the jobs that wait for its first answer none goes away that its process must wait for anyway."""
    world = played(per_second, burst, jobs, events, latency=latency, proven=False)
    assert most_over(world, per_second, burst) <= EXACT
    assert 0.95 <= reached(world, burst) / per_second <= 1.001
