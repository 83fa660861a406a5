"""Answers while processes are killed: a process may die before or after any write, from the waiting call to
the end of the run. The history stays consistent: a call runs once or not at all, as its answer says."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from millrace.agent.code.agent import CODE_AGENTS, agent_of
from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import tool
from millrace.app import AgentContext, ToolError, agent
from millrace.domain.agents import OWN_AGENTS
from millrace.domain.approvals import GivenAnswer
from millrace.domain.clock import now_ms
from millrace.domain.runs import LEASE_MS, ContinueRun
from millrace.errors import MillraceError
from millrace.services.runs.answers import answer_call
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.sweep_waiting import sweep_waiting
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.effort import effort, soak
from tests.services.asking import AGENT, ASKING, Till, boss, call, hire, waiting_calls
from tests.services.scripted import Talk, results_of, says

WRITES = frozenset({"transact_write_items", "put_item", "update_item", "delete_item", "send_message"})
ROUNDS = 30
EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", effort(8, 200)))


Written = TypeVar("Written")


class Killed(BaseException):
    """The process is gone: nothing that it does afterwards has an effect."""


class Mortal(AwsClients):
    """The AWS of one process at a time. `kills` holds for each process to die after how many writes, and
    whether the last of them took effect."""

    def __init__(self, region: str, kills: list[tuple[int, bool]]) -> None:
        super().__init__(region)
        self.kills = kills
        self.left, self.takes_effect = 0, False
        self.dead = False
        self.live_on()

    def live_on(self) -> None:
        """Begins the next process."""
        self.left, self.takes_effect = self.kills.pop(0) if self.kills else (10**9, False)
        self.dead = False

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        call = super().call
        if self.dead:
            raise Killed
        if operation not in WRITES:
            return await call(service, operation, **parameters)
        return await self.write(lambda: call(service, operation, **parameters))

    async def write(self, effect: Callable[[], Awaitable[Written]]) -> Written:
        """Writes, unless the process dies of it."""
        if self.dead:
            raise Killed
        self.left -= 1
        if self.left > 0:
            return await effect()
        if self.takes_effect:
            await effect()
        self.dead = True
        raise Killed


@dataclass
class Desk:
    """One run whose call waits, and everybody who helps it on."""

    environment: Settings
    aws: Mortal
    decision: Any
    till: Till
    now: int = field(default_factory=now_ms)
    queue: list[ContinueRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        stores = Stores.connect(self.environment, self.aws, clock=lambda: self.now)
        self.talk = Talk(self.environment, stores)
        self.talk.stores.run_queue.enqueue = self._enqueue  # type: ignore[method-assign]
        self.refund = call("refund", order="7", amount=80)

    async def _enqueue(self, organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:

        async def append() -> None:
            self.queue.append(ContinueRun(organization, run_id, reason))

        await self.aws.write(append)

    async def process(self, work: Awaitable[Any]) -> Any:
        """Does something in a process that may die of it."""
        try:
            return await work
        except Killed:
            return None
        except MillraceError as error:
            return error
        finally:
            if self.aws.dead:
                self.now += LEASE_MS + 1000  # nobody renews the lease
                self.aws.live_on()

    async def ask(self) -> None:
        session = await self.talk.start("Refund 7.", agent_id=AGENT)
        assert session.task is not None
        await asyncio.wait({session.task})
        if session.task.exception():
            raise Killed

    async def answer(self) -> Any:
        lease = await self.talk.stores.leases.peek(self.talk.slot)
        [waiting] = await waiting_calls(self.talk)
        given = GivenAnswer(waiting.call_id, self.decision)
        return await answer_call(self.talk.stores, boss(self.talk), lease.newest() or "", given)

    async def go_on(self, message: ContinueRun) -> None:
        session = await continue_run(self.talk.platform, message)
        if session is not None and session.task is not None:
            await asyncio.wait({session.task})
            if session.task.exception():
                raise Killed

    async def one_round(self) -> bool:
        """Do what happens within a minute; True when the run is over."""
        lease = await self.talk.stores.leases.peek(self.talk.slot)
        if lease.run_id is None:
            return True
        if await waiting_calls(self.talk):
            await self.process(self.answer())
        await self.process(sweep_waiting(self.talk.stores))
        if lease.lost(self.now) and lease.parked != "waiting":
            self.queue.append(ContinueRun(self.talk.slot.organization, lease.run_id, "lost"))
        for message in self.queue:
            await self.process(self.go_on(message))
        self.queue.clear()
        self.now += 60_000
        return False


@agent("refunder", tools=["refund"])
async def refunder(ctx: AgentContext) -> AsyncIterator[str]:
    """Refunds at once."""
    try:
        yield await ctx.call_tool("refund", order="7", amount=80)
    except ToolError:
        yield "Nothing is paid."


MODELS = ["echo:", "code:refunder"]
"""Of an agent whose model calls, and of one in code."""


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    made = agent_of(refunder)
    assert made is not None
    monkeypatch.setitem(CODE_AGENTS, "refunder", made)
    monkeypatch.setitem(OWN_AGENTS, "refunder", made.record())


@pytest.fixture
def environment(aws_environment: Aws) -> Settings:
    return Settings.from_environment(aws_environment.environment("ConversationFunction"))


@soak
@pytest.mark.parametrize("model", MODELS)
def test_call_runs_once_or_not_at_all_however_processes_die(
    environment: Settings, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    kills = st.lists(
        st.tuples(st.integers(1, 9), st.booleans()), max_size=2
    )  # a step that ends three processes fails

    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kills=kills, decision=st.sampled_from(["approve", "reject"]))
    def run(kills: list[tuple[int, bool]], decision: str) -> None:
        till = Till()
        monkeypatch.setitem(BUILT_IN, "refund", tool(till.refund))
        asyncio.run(play(environment, kills, decision, till, model=model))

    run()


@pytest.mark.parametrize("decision", ["approve", "reject"])
@pytest.mark.parametrize("takes_effect", [False, True])
@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize("model", MODELS)
def test_answer_survives_the_death_of_the_process_that_took_it(
    environment: Settings,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    write: int,
    takes_effect: bool,
    decision: str,
) -> None:
    """Between the answer's write and the message to the queue, and on either side of both."""
    till = Till()
    monkeypatch.setitem(BUILT_IN, "refund", tool(till.refund))
    kills = [(10**9, False), (write, takes_effect)]
    asyncio.run(play(environment, kills, decision, till, model=model, new_process=True))


async def play(
    environment: Settings,
    kills: list[tuple[int, bool]],
    decision: str,
    till: Till,
    *,
    model: str = "echo:",
    new_process: bool = False,
) -> None:
    aws = Mortal(environment.region, [(10**9, False), *kills])
    desk = Desk(environment, aws, decision, till)
    talk = desk.talk
    talk.models.turns = [[desk.refund], says("Done.")]
    await hire(talk, ASKING, model=model)
    aws.live_on()
    await begin(desk)
    if new_process:
        aws.live_on()
    for _ in range(ROUNDS):
        # Whatever the model has said may be lost with its process: it says the same again.
        talk.models.turns = await next_turns(talk, desk)
        if await desk.one_round():
            break
    else:
        raise AssertionError("the run does not end")
    await check_story(desk)
    await talk.platform.close()
    aws.close()


async def begin(desk: Desk) -> None:
    """Ask until a run has begun, however many processes die before."""
    answer: object = None
    for _ in range(ROUNDS):
        if (await desk.talk.stores.leases.peek(desk.talk.slot)).newest() is not None:
            return
        desk.talk.models.turns = [[desk.refund], says("Done.")]
        answer = await desk.process(desk.ask())
    raise AssertionError(f"no run begins: {answer!r}")


async def next_turns(talk: Talk, desk: Desk) -> list[Any]:
    calls = [block for message in await talk.messages() for block in message.content if "toolUse" in block]
    return [says("Done.")] if calls else [[desk.refund], says("Done.")]


async def check_story(desk: Desk) -> None:
    talk, till = desk.talk, desk.till
    desk.aws.kills.clear()
    desk.aws.live_on()
    lease = await talk.stores.leases.peek(talk.slot)
    run = await talk.stores.runs.get(talk.slot.organization, lease.last_run_id or "")
    assert run.state == "completed"
    [stored] = await talk.stores.approvals.of_slot(talk.slot)
    assert stored.answer is not None
    assert stored.answer.decision == desk.decision
    [result] = [text for message in await talk.messages() for text in results_of(message)]
    if desk.decision == "reject":
        assert till.paid == []
        assert "rejected and not run" in result
    elif "outcome" in result or "nobody knows" in result:
        assert len(till.paid) <= 1
    else:
        assert till.paid == [("7", 80)]
    for _ in range(3):
        desk.now += 120_000
        await sweep_waiting(talk.stores)
    page, _ = await talk.stores.approvals.page(talk.slot.organization, 10)
    assert page == []
