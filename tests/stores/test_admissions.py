"""Requests and active runs are counted exactly, however many arrive at once."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.limits import AllLimits, Control, Reached
from millrace.domain.runs import Run, RunState
from millrace.stores.admissions import BEGINNING_MS, Admission, AdmissionStore, Keys
from millrace.stores.dynamo import ConditionFailed, Dynamo
from millrace.stores.runs import RunStore
from tests.aws import Aws
from tests.strict_aws import StrictAws

AT_ONCE = 24


@dataclass
class Counts:
    """The store under a clock that stands still until it is moved."""

    store: AdmissionStore
    runs: RunStore
    dynamo: Dynamo
    now: list[int]
    organization: str

    async def ask(self, run: Admission, limits: AllLimits, user: str = "u") -> Reached | None:
        keys: Keys = {"organization": "", "user": user}
        return await self.store.ask(self.organization, keys, Control(limits=limits), run)

    def run(self, name: str) -> Admission:
        return Admission(name, iso(self.now[0]))

    async def at_once(self, limits: AllLimits, prefix: str = "r") -> list[str]:
        """The runs that are let in of many that ask at once."""
        asking = [self.run(f"{prefix}{number}") for number in range(AT_ONCE)]
        answers = await asyncio.gather(*(self.ask(one, limits) for one in asking))
        return [run.run_id for run, refused in zip(asking, answers, strict=True) if refused is None]

    async def stored(self, run: Admission, state: RunState) -> None:
        slot = Slot(self.organization, "c1")
        found = Run(run.run_id, slot, "echo", state, run.started_at, "msg", created_by="u")
        await self.dynamo.write(self.runs.put(found))


@pytest.fixture
async def counts(aws_environment: Aws) -> AsyncIterator[Counts]:
    clients, now = StrictAws(aws_environment.region), [1_800_000_000_000]
    dynamo = Dynamo(clients)
    runs = RunStore(dynamo, aws_environment.tables["RunsTable"])
    store = AdmissionStore(dynamo, aws_environment.tables["LimitsTable"], runs, lambda: now[0])
    yield Counts(store, runs, dynamo, now, f"org-{uuid.uuid4().hex[:12]}")
    clients.close()


def limits(**given: dict[str, int]) -> AllLimits:
    return AllLimits.model_validate(given)


async def test_concurrent_requests_are_limited_to_the_buckets_tokens(counts: Counts) -> None:
    given = limits(user={"requestsPerMinute": 7})
    assert len(await counts.at_once(given)) == 7
    counts.now[0] += 60_000 * 2 // 7 + 1  # room for two
    assert len(await counts.at_once(given, "s")) == 2
    counts.now[0] += 3_600_000  # a rest fills the bucket, and no more than that
    assert len(await counts.at_once(given, "t")) == 7


async def test_refused_request_is_told_when_there_is_room_again(counts: Counts) -> None:
    given = limits(organization={"requestsPerMinute": 6})
    await counts.at_once(given)
    refused = await counts.ask(counts.run("late"), given)
    assert refused is not None
    assert (refused.level, refused.name, refused.limit, refused.used) == (
        "organization",
        "requestsPerMinute",
        6,
        6,
    )
    assert refused.retry_after == 10
    counts.now[0] += 10_001
    assert await counts.ask(counts.run("later"), given) is None


async def test_concurrent_runs_are_limited(counts: Counts) -> None:
    given = limits(organization={"concurrentRuns": 5}, user={"concurrentRuns": 50})
    let_in = await counts.at_once(given)
    assert len(let_in) == 5
    # Those that were refused do not count for the user either.
    assert await counts.store.under_way(counts.organization, {"organization": "", "user": "u"}) == {
        "organization": 5,
        "user": 5,
    }


async def test_run_that_asks_again_counts_once(counts: Counts) -> None:
    given, run = limits(organization={"concurrentRuns": 1, "requestsPerMinute": 2}), counts.run("one")
    for _ in range(5):
        assert await counts.ask(run, given) is None
    again = replace(run, counted={}, entered={})  # its transaction was sent once more by another try
    assert await counts.ask(again, given) is None
    assert await counts.ask(counts.run("two"), given) is not None


async def test_user_beyond_the_own_limit_takes_nothing_from_the_organization(counts: Counts) -> None:
    given = limits(organization={"requestsPerMinute": 3}, user={"requestsPerMinute": 1})
    assert await counts.ask(counts.run("first"), given, "greedy") is None
    for number in range(9):
        refused = await counts.ask(counts.run(f"more{number}"), given, "greedy")
        assert refused is not None
        assert refused.level == "user"
    assert await counts.ask(counts.run("other"), given, "modest") is None
    assert await counts.ask(counts.run("third"), given, "third") is None


@pytest.mark.parametrize(
    ("state", "holds"), [("running", True), ("queued", True), ("waiting", False), ("failed", False)]
)
async def test_run_that_is_over_makes_room_without_having_left(
    counts: Counts, state: RunState, holds: bool
) -> None:
    given, run = limits(user={"concurrentRuns": 1}), counts.run("one")
    assert await counts.ask(run, given) is None
    await counts.stored(run, state)
    refused = await counts.ask(counts.run("two"), given)
    assert (refused is not None) is holds


async def test_run_that_never_began_makes_room_in_the_end(counts: Counts) -> None:
    given = limits(user={"concurrentRuns": 1})
    assert await counts.ask(counts.run("killed"), given) is None
    assert await counts.ask(counts.run("two"), given) is not None
    counts.now[0] += BEGINNING_MS + 1
    assert await counts.ask(counts.run("three"), given) is None


async def test_run_leaves_where_it_has_entered(counts: Counts) -> None:
    given, run = limits(organization={"concurrentRuns": 1}, agent={"concurrentRuns": 1}), counts.run("one")
    keys: Keys = {"organization": "", "user": "u", "agent": "echo"}
    control = Control(limits=given)
    assert await counts.store.ask(counts.organization, keys, control, run) is None
    slot = Slot(counts.organization, "c1")
    ended = Run(run.run_id, slot, "echo", "completed", run.started_at, "msg", created_by="u")
    for _ in range(2):
        await counts.store.leave(counts.organization, keys, control, ended)
    assert await counts.store.ask(counts.organization, keys, control, counts.run("two")) is None


async def test_transaction_that_begins_a_run_counts_it(counts: Counts) -> None:
    """For a process that learns of the limits only with what else it reads before."""
    given = limits(user={"concurrentRuns": 2, "requestsPerMinute": 2})
    keys: Keys = {"organization": "", "user": "u"}

    async def begin(number: int) -> bool:
        run, control = counts.run(f"r{number}"), Control(limits=given)
        try:
            await counts.dynamo.transact(*counts.store.writes(counts.organization, keys, control, run))
        except ConditionFailed:
            return False
        return True

    begun = [await begin(number) for number in range(2)]
    # The second finds a bucket in use, which this process does not know yet.
    assert begun == [True, False]
    assert await counts.ask(counts.run("r1"), given) is None
    assert await counts.ask(counts.run("r2"), given) is not None
