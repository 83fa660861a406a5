"""A store that refuses any one write, with each of DynamoDB's errors: nothing is lost, duplicated or
silent."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

import pytest

from millrace.domain.events import LogEntry
from millrace.domain.runs import LEASE_MS, ContinueRun
from millrace.errors import MillraceError, TooLarge, Unavailable
from millrace.services.runs import lease_writer
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.follow import follow
from millrace.services.runs.run_session import RunSession
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.aws import unavailable_when_down
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last
from tests.aws import Aws
from tests.services.live import inject
from tests.services.refusing import FAULTS, PASSING, WRITES, Refusing, refusal
from tests.services.scripted import Talk, calls, says, text_of


class Down(AwsClients):
    """AWS that takes no writes while it is `down`."""

    down = False

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if self.down and operation in WRITES:
            with unavailable_when_down(service):
                raise refusal("InternalServerError", 500)
        return await super().call(service, operation, **parameters)


@dataclass
class Story:
    """A message, a tool, a live message and an answer in two pieces, as its client sees it."""

    talk: Talk
    session: asyncio.Future[RunSession] = field(default_factory=asyncio.Future)
    injecting: asyncio.Task[str | None] | None = None

    async def publish(self) -> list[LogEntry]:
        self.talk.models.turns = [
            [*says("one "), self._flush, self._inject, *calls("tool " + "x" * 5_000)],
            [*says("two "), self._flush, *says("three")],
        ]
        session = await self.talk.start("hello " + "é" * 40_000)
        self.session.set_result(session)
        seen = [event async for batch in session.event_feed for event in batch]
        await session.over()
        return seen

    async def _flush(self) -> None:
        # The run is at work before its message is stored.
        session = await asyncio.shield(self.session)
        await session._ask_to_stop(session._flush)

    async def _inject(self) -> None:
        """Somebody else's request: it goes on when the run is over."""
        self.injecting = asyncio.create_task(self._accepted())
        await asyncio.shield(self.injecting)

    async def _accepted(self) -> str | None:
        try:
            return (await inject(self.talk.stores, self.talk.slot, "by the way")).id
        except MillraceError:
            return None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FAULTS)
async def test_any_one_refused_write_loses_doubles_and_hides_nothing(
    name: str, aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_writer, "RETRY_SECONDS", 0)
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    writes = await _seen_with_a_fault(settings, name, -1)
    assert writes >= 5
    for at in range(writes):
        await _seen_with_a_fault(settings, name, at)


async def _seen_with_a_fault(settings: Settings, name: str, at: int) -> int:
    """Tell the story with this write refused, and what must hold then; the number of its writes."""
    now = [1_800_000_000_000]
    aws = Refusing(settings.region, at, FAULTS[name])
    story = Story(Talk(settings, Stores.connect(settings, aws, clock=lambda: now[0])))
    seen: list[LogEntry] = []
    with contextlib.suppress(TooLarge, Unavailable):  # told to the sender before anything was stored
        seen = await story.publish()
    writes = aws.writes
    if seen:
        assert [is_last(event) for event in seen].count(True) == 1, (name, at, seen)
        assert is_last(seen[-1]), (name, at)
    if name in PASSING and (at or name == "lost-answer"):
        assert seen, (name, at)
        assert seen[-1].type == "done", (name, at, seen)
    now[0] += LEASE_MS + 1
    if story.injecting:
        await story.injecting
    aws.recover()  # a story has a write less when its pump was slower than the one that was counted
    story.talk.models.turns = []
    after = await story.talk.say("and now?")
    assert after[-1].type == "done", (name, at)
    await _check_history(story, seen, f"{name} at {at}")
    await asyncio.to_thread(aws.close)
    return writes


async def _check_history(story: Story, seen: list[LogEntry], where: str) -> None:
    history = await story.talk.messages()
    questions = [one for one in history if text_of(one).startswith("hello")]
    assert len(questions) <= 1, where
    if seen:
        assert text_of(questions[0]) == "hello " + "é" * 40_000, where
    accepted = await story.injecting if story.injecting else None
    injected = [one.id for one in history if one.injected]
    assert injected == ([accepted] if accepted else []), where
    said = "".join(text_of(one) for one in history if one.role == "assistant")
    reported = "".join(event.event["token"] for event in seen if event.type == "token")
    if seen and seen[-1].type == "done":
        assert said == reported + "ok", where
    for word in ("one ", "two ", "three", "ok"):
        assert said.count(word) <= 1, where


async def test_run_whose_end_cannot_be_stored_is_continued_by_another_process(
    aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_writer, "RETRY_SECONDS", 0)
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    now = [1_800_000_000_000]
    aws = Down(settings.region)
    talk = Talk(settings, Stores.connect(settings, aws, clock=lambda: now[0]))
    starting: asyncio.Future[RunSession] = asyncio.Future()

    async def fall() -> None:
        session = await asyncio.shield(starting)
        await session._ask_to_stop(session._flush)
        aws.down = True

    talk.models.turns = [[*says("one "), fall, *says("two")]]
    session = await talk.start("hello")
    starting.set_result(session)
    seen = [event async for batch in session.event_feed for event in batch]
    await session.over()
    assert [event.type for event in seen] == ["start", "token", "token"]  # its client comes back
    aws.down = False
    now[0] += LEASE_MS + 1
    run = session.run
    continued = await continue_run(talk.platform, ContinueRun(run.slot.organization, run.id, "lost"))
    assert continued is not None
    await continued.over()
    rest = [event async for batch in follow(talk.stores, run, seen[-1].seq) for event in batch]
    assert [event.type for event in rest] == ["rewind", "token", "done"]
    history = [(one.role, text_of(one)) for one in await talk.messages()]
    assert history == [("user", "hello"), ("assistant", "ok")]
    await asyncio.to_thread(aws.close)
