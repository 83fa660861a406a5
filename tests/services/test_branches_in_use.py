"""Branches of long conversations and under attack: what a model receives, in how many reads, and what is kept
when a run, a key or a deletion meets another branch."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from millrace.domain import events
from millrace.domain.branches import BranchPoint
from millrace.errors import Conflict
from millrace.services.runs import branches
from millrace.services.runs.branches import select_branch
from millrace.services.runs.model_history import model_history
from millrace.services.tasks.read import task_history
from millrace.stores import conversations
from tests.services.scripted import Talk, calls, text_of
from tests.services.test_branches import ask, keep_summary, sent, talk, texts, viewed

__all__ = ["talk"]


async def test_large_question_is_sent_whole_however_long_other_branches_are(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the latest message of its branch, and older than all that a new message reads at first."""
    large = "word " * 20_000
    first = await ask(talk, large, "1")
    for number in range(4):
        await ask(talk, f"other {number}", "2", **({"branch": BranchPoint()} if number == 0 else {}))
    monkeypatch.setattr(conversations, "HISTORY_MESSAGES", 2)
    await ask(talk, "", "1b", branch=BranchPoint(first, again=True))
    assert sent(talk) == [large]


async def test_summary_is_found_behind_many_regenerated_answers(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn is a branch of its own, and all of them are read at once."""
    kept = ""
    for number in range(12):
        await ask(talk, f"q{number}", "a")
        answer = await ask(talk, "", f"a{number}", branch=BranchPoint(again=True))
        kept = kept or answer
    await keep_summary(talk, "the beginning", kept, branched=True)
    monkeypatch.setattr(conversations, "HISTORY_MESSAGES", 2)
    reads = counted(talk, monkeypatch)
    snapshot = await talk.stores.conversations.open(talk.slot)
    found = [text_of(one) for one in await model_history(talk.stores, talk.slot, snapshot)]
    assert "the beginning" in found[0]
    assert found[1:] == ["a0", *(text for n in range(1, 12) for text in (f"q{n}", f"a{n}"))]
    assert len(reads) == 2
    assert texts(await viewed(talk)) == [text for n in range(12) for text in (f"q{n}", f"a{n}")]
    assert len(reads) < 6


def counted(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries from now on."""
    asked: list[str] = []
    call = talk.stores.aws.call

    async def counting(service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "query":
            asked.append(parameters["TableName"])
        return await call(service, operation, **parameters)

    monkeypatch.setattr(talk.stores.aws, "call", counting)
    return asked


async def test_branch_that_goes_on_counts_among_the_branches(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Choosing and sending in turn must not let the lease grow without end."""
    monkeypatch.setattr(branches, "MOST_BRANCHES", 3)
    first = await ask(talk, "one", "1")
    ends = [await ask(talk, "two", "2"), await ask(talk, "zwei", "2b", branch=BranchPoint(first))]
    for number in (0, 1):
        await select_branch(talk.stores, talk.slot, ends[number])
        ends[number] = await ask(talk, "more", "3")
    await select_branch(talk.stores, talk.slot, ends[0])
    with pytest.raises(Conflict) as full:
        await talk.start("more")
    assert full.value.code == "too_many_branches"
    await select_branch(talk.stores, talk.slot, ends[1])
    await ask(talk, "more", "4")


async def test_message_behind_a_run_interrupts_it_within_a_turn(talk: Talk) -> None:
    """The run's last message is a tool's result for now; the answer before it stands at its end."""
    working = asyncio.Event()
    talk.models.turns += [calls("tool"), [hanging(working)]]
    first = await talk.start("one")
    await working.wait()
    second = await talk.start("instead", if_busy="interrupt", branch=BranchPoint(run_id=first.run.id))
    await asyncio.gather(first.over(), second.over())
    assert [sent(talk)[0], sent(talk)[-1]] == ["one", "instead"]
    assert texts(await viewed(talk))[-2:] == ["instead", "ok"]


def hanging(working: asyncio.Event, until: asyncio.Event | None = None) -> Callable[[], Awaitable[None]]:
    """A model that says nothing for a while, or any more."""

    async def hang() -> None:
        working.set()
        await (until or asyncio.Event()).wait()

    return hang


async def test_task_keeps_its_messages_when_another_branch_is_chosen(talk: Talk) -> None:
    session = await talk.start("one")
    await session.over()
    await ask(talk, "uno", "1b", branch=BranchPoint())
    found = await task_history(talk.stores, session.run)
    assert [text_of(one) for one in found.messages] == ["one", "ok"]


async def test_branch_that_stayed_empty_leaves_no_trace(talk: Talk) -> None:
    """A run whose answer cannot be stored when it is given up has begun a branch without a message."""
    await ask(talk, "one", "1")
    last = await ask(talk, "two", "2")
    working, gone = asyncio.Event(), asyncio.Event()
    talk.models.turns.append([hanging(working, gone)])
    session = await talk.start("", branch=BranchPoint(again=True))
    await working.wait()
    lease = await talk.stores.leases.peek(talk.slot)
    ended = replace(session.run, state="failed", ended_at=session.run.started_at)
    assert await talk.stores.run_ends.give_up(ended, lease, [events.error("Lost.", "run_lost", True)], [])
    gone.set()
    await session.over()
    await select_branch(talk.stores, talk.slot, last)
    await ask(talk, "three", "3")
    assert sent(talk) == ["one", "1", "two", "2", "three"]
    assert texts(await viewed(talk)) == ["one", "1", "two", "2", "three", "3"]
