"""Steps that a process abandons at the end of its time: every viewer sees what was stored of them, and their
cost counts."""

import asyncio
import time
from collections import Counter

import pytest

from millrace.agent.model import Text
from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import repeatable, tool
from millrace.domain.access import Principal
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.services.runs.launch import launch
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.send import send
from millrace.stores.runs import stream_of
from tests.services.asking import AGENT, call, clock, go_on, hire, queue, run_of, talk
from tests.services.live import inject
from tests.services.scripted import Talk, says

__all__ = ["clock", "queue", "talk"]

SECONDS = 1.5
"""The time of the first process; it leaves a fifth of it before the end."""


async def begin(talk: Talk) -> None:
    """The first process's part, to the end of its time."""
    caller = Principal(talk.slot.organization, "user")
    started = await send(talk.stores, talk.models, caller, "c1", NewMessage("Go.", AGENT))
    assert isinstance(started, StartedRun)
    session = launch(talk.platform, started, time.monotonic() + SECONDS)
    await session.over()
    assert session.abandoned


async def story(talk: Talk) -> list[LogEntry]:
    """The events of the run as a viewer who comes late is left with them."""
    run = await run_of(talk)
    return settled(await talk.stores.log.read(stream_of(talk.slot.organization, run.id)))


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_live_message_of_an_abandoned_turn_stays_in_the_story(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pay() -> str:
        """Pays, while the user has something to add."""
        await inject(talk.stores, talk.slot, "And hurry.", author="user")
        return "paid"

    monkeypatch.setitem(BUILT_IN, "pay", tool(pay))
    talk.models.turns = [[call("pay")], [Text("Half "), for_ever], says("Done.")]
    await hire(talk, "pay")
    await begin(talk)
    await go_on(talk, "handed_over")
    shown = await story(talk)
    assert "".join(one.event["token"] for one in shown if one.type == "token") == "Done."
    counted = Counter(one.type for one in shown)
    assert (counted["injected"], counted["tool_call"], counted["tool_result"]) == (1, 1, 1)
    assert [one.id for one in await talk.messages() if one.injected] == [
        one.event["messageId"] for one in shown if one.type == "injected"
    ]


async def test_result_of_an_abandoned_step_stays_in_the_story(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = [True]

    @repeatable
    async def check_once() -> str:
        """Checks."""
        if hangs.pop() if hangs else False:
            await for_ever()
        return "seen"

    async def pay() -> str:
        """Pays."""
        return "paid"

    monkeypatch.setitem(BUILT_IN, "pay", tool(pay))
    monkeypatch.setitem(BUILT_IN, "check_once", tool(check_once))
    talk.models.turns = [[call("pay"), call("check_once")], says("Done.")]
    await hire(talk, "pay", "check_once")
    await begin(talk)
    await go_on(talk, "handed_over")
    shown = await story(talk)
    results = [(one.event["name"], one.event["result"]) for one in shown if one.type == "tool_result"]
    assert sorted(results) == [("check_once", "seen"), ("pay", "paid")]


async def test_text_of_an_abandoned_turn_counts(talk: Talk) -> None:
    said = "word " * 400
    talk.models.turns = [[Text(said), for_ever], says("Done.")]
    await hire(talk)
    await begin(talk)
    await go_on(talk, "handed_over")
    usage = (await run_of(talk)).usage
    assert usage is not None
    assert usage["output"] > 100
    assert usage["estimated"] is True
