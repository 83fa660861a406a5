"""Recording on the emulated AWS: each event once, by organization, whatever arrives twice, late or all at
once."""

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.clock import iso
from millrace.domain.command_center import center_stream
from millrace.domain.events import Event
from millrace.domain.record import RANGES, Subject, add_number, apply
from millrace.services.command_center.record import Recorder, record
from millrace.services.command_center.record_batch import record_batch
from tests.command_center.conftest import NOON
from tests.command_center.making import ended, message, run_event, started, whole_run


async def log_of(recorder: Recorder, organization: str) -> list[Event]:
    found = await recorder.records.log.read(center_stream(organization))
    assert [one.seq for one in found] == list(range(1, len(found) + 1))
    return [one.event for one in found]


async def test_each_event_is_recorded_once_however_often_it_comes(
    recorder: Recorder, organization: str
) -> None:
    events = whole_run(organization, "run_1")
    await record(recorder, organization, [*events, *events[:3]])
    assert await record(recorder, organization, events) == []
    assert await log_of(recorder, organization) == events


async def test_batch_is_put_in_order_run_by_run(recorder: Recorder, organization: str) -> None:
    events = whole_run(organization, "run_1")
    await record(recorder, organization, random.Random(7).sample(events, len(events)))
    assert await log_of(recorder, organization) == events


async def test_many_who_record_at_once_lose_nothing_and_repeat_nothing(
    recorder: Recorder, organization: str
) -> None:
    runs = [whole_run(organization, f"run_{n}") for n in range(8)]
    everything = [event for run in runs for event in run]
    shuffled = random.Random(3).sample(everything * 2, len(everything) * 2)
    batches = [shuffled[at : at + 10] for at in range(0, len(shuffled), 10)]
    for at in range(0, len(batches), 5):
        await asyncio.gather(*(record(recorder, organization, one) for one in batches[at : at + 5]))
    logged = await log_of(recorder, organization)
    assert sorted(event["id"] for event in logged) == sorted(event["id"] for event in everything)
    assert await recorder.records.live(organization) == []


async def test_run_is_live_from_its_first_event_to_its_last(recorder: Recorder, organization: str) -> None:
    events = whole_run(organization, "run_1")
    await record(recorder, organization, events[:6])
    (live,) = await recorder.records.live(organization)
    shown = {name: live.view[name] for name in ("runId", "status", "tokens", "cost", "tool", "lastEventAt")}
    assert shown == {
        "runId": "run_1",
        "status": "running",
        "tokens": 4,
        "cost": 0.25,
        "tool": None,
        "lastEventAt": iso(NOON + 6000),
    }
    await record(recorder, organization, events[6:])
    assert await recorder.records.live(organization) == []


async def test_figures_of_a_run_that_nobody_has_told_are_unknown(
    recorder: Recorder, organization: str
) -> None:
    await record(recorder, organization, [started(organization, "run_1")])
    (live,) = await recorder.records.live(organization)
    assert (live.view["tokens"], live.view["cost"]) == (None, None)


async def test_start_that_comes_after_the_end_does_not_bring_the_run_back(
    recorder: Recorder, organization: str
) -> None:
    events = whole_run(organization, "run_1")
    await record(recorder, organization, events[1:])
    await record(recorder, organization, events[:1])
    assert await recorder.records.live(organization) == []
    assert len(await log_of(recorder, organization)) == len(events)


async def test_second_end_of_a_run_is_not_recorded(recorder: Recorder, organization: str) -> None:
    await record(recorder, organization, [started(organization, "run_1"), ended(organization, "run_1")])
    late = ended(organization, "run_1", number=50, failed=True)
    assert await record(recorder, organization, [late]) == []


async def test_event_that_cannot_be_recorded_fails_alone(recorder: Recorder, organization: str) -> None:
    good = started(organization, "run_1")
    bad: list[object] = [
        "no object",
        good | {"organization": "a#b"},
        good | {"id": "run_1"},
        good | {"id": "run_2:1"},
        good | {"type": "alert:triggered"},
        good | {"time": "yesterday"},
        started(organization, "run_9") | {"run": "no run"},
    ]
    batch = {"Records": [message(one, n) for n, one in enumerate([*bad, good])]}
    batch["Records"].append({"messageId": "not-json", "body": "{"})
    answer = await record_batch(recorder, batch)
    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    assert failed == {f"message-{n}" for n in range(len(bad))} | {"not-json"}
    assert await log_of(recorder, organization) == [good]


async def test_organizations_are_kept_apart(recorder: Recorder, organization: str) -> None:
    other = f"{organization}-b"
    batch = [message(started(who, f"run_{who}"), n) for n, who in enumerate([organization, other])]
    assert await record_batch(recorder, {"Records": batch}) == {"batchItemFailures": []}
    for who in (organization, other):
        assert [event["runId"] for event in await log_of(recorder, who)] == [f"run_{who}"]


@given(st.lists(st.integers(1, 60)))
def test_ranges_know_exactly_the_numbers_that_were_marked(numbers: list[int]) -> None:
    ranges: list[list[int]] = []
    seen: set[int] = set()
    for number in numbers:
        assert add_number(ranges, number) == (number not in seen)
        seen.add(number)
    assert [n for low, high in ranges for n in range(low, high + 1)] == sorted(seen)
    assert all(low - before > 1 for (_, before), (low, _) in pairwise(ranges))


def test_ranges_stay_small_and_forget_the_oldest_gap_first() -> None:
    ranges: list[list[int]] = []
    for number in range(2, 2 * RANGES + 10, 2):
        add_number(ranges, number)
    assert len(ranges) == RANGES
    assert not add_number(ranges, 3)
    assert add_number(ranges, 2 * RANGES + 7)


@pytest.mark.parametrize("seed", range(5))
def test_view_of_a_run_does_not_depend_on_the_order_of_its_events(seed: int) -> None:
    events = whole_run("org", "run_1")[:7]
    in_order, shuffled = Subject("run_1"), Subject("run_1")
    for event in events:
        assert apply(in_order, event)
    for event in random.Random(seed).sample(events, len(events)):
        assert apply(shuffled, event)
    assert shuffled.view == in_order.view


def test_tool_is_shown_while_it_works() -> None:
    subject = Subject("run_1")
    apply(subject, run_event("org", "run_1", 2, "tool_started", tool="calculator"))
    assert subject.view["tool"] == "calculator"
    apply(subject, run_event("org", "run_1", 3, "tool_completed", tool="calculator"))
    assert subject.view["tool"] is None
