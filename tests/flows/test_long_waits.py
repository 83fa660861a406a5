"""Flows that wait as long as a deployment allows: none of their data expires before."""

import time
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.approvals import GivenAnswer
from millrace.domain.clock import now_ms
from millrace.domain.flows import NewFlow
from millrace.domain.runs import ANSWERED, ContinueRun
from millrace.services.flows.manage import FlowRun, Flows
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.sweep_waiting import sweep_waiting
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.services.asking import Queue
from tests.services.scripted import Talk

DAY = 24 * 3600
STEPS = [{"name": "approval", "type": "wait_for_input", "prompt": "Pay?"}]


class Waiting:
    """A flow that waits, and a time that a test puts forward."""

    def __init__(self, settings: Settings) -> None:
        self.ahead = 0
        stores = Stores.connect(settings, clock=lambda: now_ms() + 1000 * self.ahead)
        self.talk = Talk(settings, stores)
        self.caller = Principal(self.talk.slot.organization, "user")
        self.flows = Flows.connect(self.talk.platform)
        Queue(self.talk)

    async def begin(self) -> FlowRun:
        await self.flows.definitions.create(
            self.caller, NewFlow.model_validate({"name": "flow", "steps": STEPS})
        )
        begun = await self.flows.start(self.caller, "flow", "go", None, None)
        assert isinstance(begun, FlowRun)
        await begun.session.over()
        return begun

    async def go_on(self, begun: FlowRun, reason: str) -> tuple[str, str | None]:
        organization, run_id = self.caller.organization, begun.session.run.id
        session = await continue_run(self.talk.platform, ContinueRun(organization, run_id, reason))
        if session is not None:
            await session.over()
        run = await self.talk.stores.runs.get(organization, run_id)
        return run.state, run.finish_reason


@pytest.fixture
async def waiting(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Waiting]:
    settings = Settings.from_environment(aws_environment.environment("FlowsFunction"))
    made = Waiting(replace(settings, approval_days="90"))
    real = time.time
    monkeypatch.setattr("millrace.stores.flows.time.time", lambda: real() + made.ahead)
    yield made
    await made.talk.platform.close()


async def test_flow_is_answered_on_the_last_day(waiting: Waiting) -> None:
    begun = await waiting.begin()
    waiting.ahead = 89 * DAY
    given = GivenAnswer("", "answer", content="yes")
    await waiting.flows.executions.answer(waiting.caller, "flow", begun.execution_id, None, given)
    assert await waiting.go_on(begun, ANSWERED) == ("completed", "stop")


async def test_flow_that_nobody_answers_ends_as_expired(waiting: Waiting) -> None:
    begun = await waiting.begin()
    waiting.ahead = 90 * DAY + 60
    await sweep_waiting(waiting.talk.stores)
    assert await waiting.go_on(begun, "lost") == ("stopped", "expired")
