"""Budgets of a day while many runs spend at the same time, and the cost of reading them."""

import asyncio
import random
import uuid
from typing import Any

import pytest
from msgspec.structs import replace

from millrace.agent.budget import Budget
from millrace.domain.agents import AgentLimits
from millrace.domain.conversations import Slot
from millrace.domain.limits import AllLimits, OrganizationLimits, Used
from millrace.domain.runs import Run
from millrace.errors import TooManyRequests
from millrace.services.runs.launch import send_and_launch
from millrace.services.runs.new_message import NewMessage, ReplayedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.spending import Spending
from millrace.settings import Settings
from millrace.stores import limits as limits_module
from millrace.stores.connect import Stores
from millrace.stores.lease_record import Lease
from millrace.stores.limits import LimitStore
from tests.clock import Clock
from tests.effort import effort
from tests.services.scripted import Talk
from tests.services.test_aws_calls import Counting, answer

RUNS = effort(60, 200)
LIMIT, LARGEST = 2_000, 100


@pytest.fixture
def organization() -> str:
    return f"org-{uuid.uuid4().hex[:12]}"


async def limited(store: LimitStore, organization: str, **given: int) -> None:
    found = AllLimits(organization=OrganizationLimits(**given))
    await store.change(organization, lambda seen: seen.model_copy(update={"limits": found}))


def spending(stores: Stores, organization: str, number: int) -> Spending:
    slot = Slot(organization, f"c{number}")
    run = Run(f"run_{number}", slot, "echo", "running", "", "msg", created_by=f"user-{number}")
    return Spending.of(stores.limits, Lease(run, "env", 0, 1, 100), Budget(AgentLimits()))


async def spend_up(one: Spending) -> list[int]:
    """Calls a model until the limit ends it; the tokens of each call."""
    made: list[int] = []
    while not await one.reached():
        made.append(random.randint(1, LARGEST))
        await asyncio.sleep(random.uniform(0, 0.002))
        one.budget.input += made[-1]
    return made


async def test_runs_at_once_overshoot_a_budget_by_at_most_one_call_each(
    settings: Settings, organization: str
) -> None:
    stores = Stores.connect(settings)
    await limited(stores.limits, organization, tokens_per_day=LIMIT)
    runs = [spending(stores, organization, number) for number in range(RUNS)]
    calls = await asyncio.gather(*map(spend_up, runs))
    counted = (await stores.limits.standing(organization, {"organization": ""})).used["organization"].tokens
    assert counted == sum(map(sum, calls))
    assert LIMIT <= counted
    # Without the last call of each run the limit is not passed.
    assert counted - sum(made[-1] for made in calls) < LIMIT
    assert await spend_up(replace(runs[0], asked=False, last=None)) == []


async def test_agents_of_one_run_that_work_at_once_count_each_call_once(
    settings: Settings, organization: str
) -> None:
    stores = Stores.connect(settings)
    await limited(stores.limits, organization, tokens_per_day=10**9)
    one = spending(stores, organization, 1)
    one.budget.input = 500
    await asyncio.gather(*(one.count() for _ in range(5)))
    counted = (await stores.limits.standing(organization, {"organization": ""})).used["organization"].tokens
    assert counted == 500


async def test_process_that_goes_on_counts_what_the_one_before_it_did_not(
    settings: Settings, organization: str
) -> None:
    """Its budget holds what was stored, which is counted, and the estimate of the turn that was lost."""
    stores = Stores.connect(settings)
    await limited(stores.limits, organization, tokens_per_day=100)
    one = spending(stores, organization, 1)
    lease = Lease(one.run, "env", 7, 1, 100)
    lease.progress = replace(lease.progress, input=60, output=10)
    later = Spending.of(stores.limits, lease, Budget(AgentLimits(), input=60, output=10))
    assert await later.reached() is None
    lost = Spending.of(stores.limits, lease, Budget(AgentLimits(), input=160, output=10))
    assert await lost.reached() is not None


@pytest.mark.parametrize("given", ["", "user.requestsPerMinute=60 organization.concurrentRuns=9"])
@pytest.mark.parametrize("remembered", [True, False])
async def test_limits_add_no_round_trip_before_the_first_token(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, remembered: bool, given: str
) -> None:
    if not remembered:
        monkeypatch.setattr(limits_module, "CACHE_SECONDS", 0.0)
    settings = replace(settings, default_limits=given)
    counting = Counting(settings.region, delay=0.05)
    platform = Platform.make(settings, Stores.connect(settings, counting))
    for _ in range(2):
        counting.calls = []
        seen = await answer(platform, "/echo tools=0 think=0\nword")
        first = next(moment for moment, event in seen if event.type == "token")
        assert counting.in_sequence_before(first) <= 2
    await platform.close()


async def test_spending_is_not_counted_without_a_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, add = list[object](), LimitStore._add

    async def noted(store: LimitStore, *given: Any) -> Used:
        added.append(given)
        return await add(store, *given)

    monkeypatch.setattr(LimitStore, "_add", noted)
    platform = Platform.make(settings)
    await answer(platform, "/echo tools=0 think=0\nword")
    assert added == []
    await platform.close()


async def test_message_that_begins_no_run_counts_for_no_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "CACHE_SECONDS", 3600.0)
    talk = Talk(settings, Stores.connect(settings, clock=Clock()))
    await limited(talk.stores.limits, talk.slot.organization, requests_per_minute=2)
    await talk.stores.limits.control(talk.slot.organization)
    await talk.say("Hi", idempotency_key="key-1")
    message = NewMessage("Hi", "echo", idempotency_key="key-1")
    for _ in range(3):
        repeated = await send_and_launch(talk.platform, talk.caller, "c1", message, None)
        assert isinstance(repeated, ReplayedRun)
    assert (await talk.say("The second"))[-1].type == "done"
    with pytest.raises(TooManyRequests):
        await talk.start("The third")
    await talk.platform.close()
