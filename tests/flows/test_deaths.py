"""Flows whose processes die repeatedly: deaths are counted per step, and the step is named."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.clock import now_ms
from millrace.domain.flows import NewFlow
from millrace.domain.runs import LEASE_MS, ContinueRun, Run
from millrace.services.flows.manage import FlowRun, Flows
from millrace.services.runs.continue_run import continue_run
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.services.asking import Queue
from tests.services.mortal import Killed, Mortal
from tests.services.scripted import Talk, Turn, says

STEPS = [{"name": name, "type": "agent", "agentId": "teller", "message": f"'{name}'"} for name in "abcd"]


class Dying:
    """A flow of four steps; whoever works on it dies as the model's turns say."""

    def __init__(self, settings: Settings) -> None:
        self.now = now_ms()
        self.aws = Mortal(settings.region, [])
        self.talk = Talk(settings, Stores.connect(settings, self.aws, clock=lambda: self.now))
        self.caller = Principal(self.talk.slot.organization, "user")
        self.flows = Flows.connect(self.talk.platform)
        self.begun = asyncio.Event()
        Queue(self.talk)

    async def die(self) -> None:
        await self.begun.wait()  # the model is asked while the beginning of the flow is being stored
        self.aws.dead = True
        raise Killed

    async def begin(self) -> Run:
        teller = Agent.model_validate({"id": "teller", "name": "Teller", "model": "echo:"})
        await self.talk.stores.agents.create(self.caller.organization, teller)
        await self.flows.definitions.create(
            self.caller, NewFlow.model_validate({"name": "flow", "steps": STEPS})
        )
        begun = await self.flows.start(self.caller, "flow", "go", None, None)
        assert isinstance(begun, FlowRun)
        self.begun.set()
        with pytest.raises(Killed):
            await begun.session.over()
        return begun.session.run

    async def go_on(self, run: Run) -> Run:
        """The next process's part; the run as it then stands."""
        self.now += LEASE_MS + 1000
        self.aws.next_process()
        session = await continue_run(self.talk.platform, ContinueRun(run.slot.organization, run.id, "lost"))
        if session is not None:
            try:
                await session.over()
            except Killed:
                self.aws.dead = False
        return await self.talk.stores.runs.get(run.slot.organization, run.id)


@pytest.fixture
async def dying(aws_environment: Aws) -> AsyncIterator[Dying]:
    made = Dying(Settings.from_environment(aws_environment.environment("FlowsFunction")))
    yield made
    made.aws.dead = False
    await made.talk.platform.close()


def turn(dying: Dying) -> Turn:
    return [*says("half "), dying.die]


async def test_flow_survives_a_death_in_each_of_its_steps(dying: Dying) -> None:
    dying.talk.models.turns = [one for word in "ABCD" for one in (turn(dying), says(word))]
    run = await dying.begin()
    for _ in range(4):
        run = await dying.go_on(run)
    assert (run.state, run.error) == ("completed", None)


async def test_step_of_a_flow_that_keeps_killing_is_named(dying: Dying) -> None:
    dying.talk.models.turns = [says("A"), *(turn(dying) for _ in range(5))]
    run = await dying.begin()
    for _ in range(3):
        run = await dying.go_on(run)
    assert run.state == "failed"
    assert run.error is not None
    assert run.error["code"] == "step_keeps_failing"
    assert "'b'" in run.error["message"]
