"""A deleted run in the command center: its existence is kept, its texts are removed."""

import random

import pytest

from millrace.cli.watch.board import Board
from millrace.domain.command_center import center_stream
from millrace.domain.events import Event
from millrace.services.command_center.record import Recorder, record
from tests.command_center.making import ended, run_event, started

SAID = "what nobody may read any more"


def story(organization: str, run: str = "run_1") -> list[Event]:
    return [
        started(organization, run),
        run_event(organization, run, 2, "memory_op", op="search", query=SAID, hits=1),
        ended(organization, run, number=3) | {"result": SAID},
        run_event(organization, run, 10**15 - 2, "deleted"),
    ]


async def record_of(recorder: Recorder, organization: str) -> list[Event]:
    found = await recorder.records.log.read(center_stream(organization))
    assert [one.seq for one in found] == list(range(1, len(found) + 1))
    return [one.event for one in found]


@pytest.mark.parametrize("seed", range(6))
async def test_texts_of_a_deleted_run_are_gone_whatever_the_order(
    recorder: Recorder, organization: str, seed: int
) -> None:
    chance = random.Random(seed)
    events = chance.sample(story(organization), 4)
    other = [started(organization, "run_2"), ended(organization, "run_2")]
    while events:
        size = chance.randint(1, len(events))
        batch, events = events[:size], events[size:]
        await record(recorder, organization, batch + other)
    found = await record_of(recorder, organization)
    assert SAID not in str(found)
    assert "run:deleted" in {event["type"] for event in found}
    assert [event["result"] for event in found if event["runId"] == "run_2" and "result" in event] == ["done"]
    assert await recorder.records.live(organization) == []


async def test_deletion_that_comes_twice_is_recorded_once(recorder: Recorder, organization: str) -> None:
    events = story(organization)
    await record(recorder, organization, events)
    assert await record(recorder, organization, events) == []
    assert len(await record_of(recorder, organization)) == 4


def test_board_of_the_terminal_forgets_a_deleted_run() -> None:
    board = Board()
    board.begin({"since": 0, "runs": [], "alerts": []})
    *before, deleted = story("org")
    for event in before:
        board.apply(event)
    assert [event["result"] for event in board.recent] == [SAID]
    board.apply(deleted)
    assert (list(board.recent), board.runs) == ([], {})
