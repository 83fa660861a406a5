"""Storms of messages to one conversation: each begins a run in some order, or is refused for an existing run;
nothing is left stopped without a successor."""

import asyncio
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from millrace.domain.access import Principal
from millrace.domain.conversations import Slot
from millrace.errors import Conflict, InvalidRequest
from millrace.services.runs import send as sending
from millrace.services.runs.launch import launch
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, StartedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.send import send
from millrace.settings import Settings
from tests.aws import Aws
from tests.effort import effort, soak

LASTING = "/echo tools=0 tokens=40 delayMs=25\nword"


@dataclass
class Storm:
    """One conversation and everything that was answered to its senders."""

    platform: Platform

    def __post_init__(self) -> None:
        self.caller = Principal(f"org-{uuid.uuid4().hex[:12]}", "user")
        self.slot = Slot(self.caller.organization, "c1")

    async def say(self, content: str, if_busy: Any = "interrupt", begun: asyncio.Event | None = None) -> str:
        """Send one message and reads the answer: how its run ended, or why there was none."""
        message = NewMessage(content, "echo", if_busy=if_busy)
        platform = self.platform
        try:
            outcome = await send(platform.stores, platform.models, self.caller, "c1", message)
        except Conflict as error:
            return error.code if error.details["runId"] else "nameless"
        if isinstance(outcome, AcceptedMessage):
            return "accepted"
        assert isinstance(outcome, StartedRun)
        session = launch(platform, outcome, None)
        if begun:
            begun.set()
        seen = [event async for batch in session.event_feed for event in batch]
        await session.over()
        return str(seen[-1].event["finishReason"])

    async def all(self, *senders: Any) -> Counter[str]:
        return Counter(await asyncio.gather(*senders))

    async def questions(self) -> list[str]:
        """Return the users' messages of the history, in order."""
        found, _ = await self.platform.stores.messages.page(self.slot, 0, 200)
        texts = [message.content[0].get("text", "") for _, message in found if message.role == "user"]
        return [text for text in texts if text]


@pytest.fixture
def platform(aws_environment: Aws) -> Platform:
    return Platform.make(Settings.from_environment(aws_environment.environment("ConversationFunction")))


async def test_eight_that_interrupt_each_other_all_begin_and_the_last_ends_by_itself(
    platform: Platform,
) -> None:
    storm = Storm(platform)
    contents = [f"{LASTING} {number}" for number in range(8)]
    ends = await storm.all(*(storm.say(content) for content in contents))
    assert ends == {"interrupted": 7, "stop": 1}
    assert sorted(await storm.questions()) == contents
    lease = await platform.stores.leases.peek(storm.slot)
    assert lease.run_id is None


async def test_message_that_is_late_too_often_leaves_the_active_run_alone(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "RACE_SECONDS", 0)
    storm = Storm(platform)
    ends = await storm.all(*(storm.say(f"{LASTING} {number}") for number in range(4)))
    assert ends["stop"] == 1
    assert ends["run_active"] + ends["interrupted"] == 3
    assert len(await storm.questions()) == 1 + ends["interrupted"]


async def test_message_that_could_not_begin_stops_nothing(platform: Platform) -> None:
    storm = Storm(platform)
    begun = asyncio.Event()
    running = asyncio.create_task(storm.say(LASTING, begun=begun))
    await begun.wait()

    class Without(type(platform.models)):  # type: ignore[misc]
        def provider_for(self, agent: Any) -> Any:
            raise InvalidRequest("no key", code="model_unavailable")

    models = Without(platform.settings, lambda: None)
    with pytest.raises(InvalidRequest):
        await send(platform.stores, models, storm.caller, "c1", NewMessage("x", "echo", if_busy="interrupt"))
    assert await running == "stop"


async def _pass_over(storm: Storm, manners: list[str]) -> None:
    """All that was accepted is in the history once, and the last run ends by itself."""
    first = asyncio.create_task(storm.say(f"{LASTING} first"))
    ends = await storm.all(first, *(storm.say(f"{LASTING} {n}", manner) for n, manner in enumerate(manners)))
    assert set(ends) <= {"stop", "interrupted", "accepted", "run_active"}
    assert ends["stop"] >= 1
    questions = await storm.questions()
    assert len(questions) == len(set(questions))
    assert len(questions) >= ends["stop"] + ends["interrupted"]
    waiting, _ = await storm.platform.stores.injections.waiting(storm.slot)
    left = {one.content for one in waiting}
    assert len(set(questions) | left) == ends.total() - ends["run_active"]
    assert not left & set(questions)
    assert (await storm.platform.stores.leases.peek(storm.slot)).run_id is None
    await storm.platform.close()


@soak
@pytest.mark.timeout(effort(120, 900))
def test_storms_of_every_manner_lose_and_double_nothing(aws_environment: Aws) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))

    @given(st.lists(st.sampled_from(["interrupt", "interrupt", "reject", "inject"]), min_size=2, max_size=6))
    @hypothesis_settings(
        max_examples=effort(4, 100),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.reuse, Phase.generate],
    )
    def storms(manners: list[str]) -> None:
        asyncio.run(_pass_over(Storm(Platform.make(settings)), manners))

    storms()
