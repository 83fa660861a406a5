"""Whatever write is refused, of answers to approvals, hand-overs, memories, deletions and flows: nothing is
lost or done twice, and whoever sends again what was refused gets where it would have led."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pytest

from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import tool
from millrace.domain.access import Principal
from millrace.domain.agents import Agent, AgentSettings
from millrace.domain.approvals import GivenAnswer
from millrace.domain.clock import now_ms
from millrace.domain.flows import NewFlow
from millrace.domain.runs import ContinueRun, Run
from millrace.errors import MillraceError, NotFound
from millrace.services.agents import Agents
from millrace.services.flows.manage import FlowRun, Flows
from millrace.services.forget_agents import sweep_forgotten
from millrace.services.runs import lease_writer
from millrace.services.runs.answers import answer_call
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.delete import OVERDUE_MS, delete_conversation, sweep_deletions
from millrace.services.runs.launch import launch
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import send
from millrace.services.runs.sweep_waiting import sweep_waiting
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of
from tests.aws import Aws
from tests.effort import effort, soak
from tests.fakes.lost_answers import LosingAnswers
from tests.services.asking import AGENT, ASKING, Till, boss, call, hire, waiting_calls
from tests.services.live import inject
from tests.services.refusing import FAULTS, PASSING, Refusing
from tests.services.scripted import Talk, calls, results_of, says, text_of

REPEATED = "repeated"
"""The answer is lost, and botocore sends the write again by itself."""
NAMES = [*FAULTS, REPEATED]
ROUNDS = 30
Result = TypeVar("Result")


@dataclass
class Story(ABC):
    """Something that people do, with one write of it refused."""

    settings: Settings
    name: str
    now: int = field(default_factory=now_ms)
    queue: list[ContinueRun] = field(default_factory=list)
    till: Till = field(default_factory=Till)

    def __post_init__(self) -> None:
        region = self.settings.region
        self.aws = LosingAnswers(region, -1) if self.name == REPEATED else Refusing(region, -1, self.fault)
        self.talk = Talk(self.settings, Stores.connect(self.settings, self.aws, clock=lambda: self.now))
        self.stores, self.slot = self.talk.stores, self.talk.slot
        self.user = Principal(self.slot.organization, "user")
        self.stores.run_queue.enqueue = self._enqueue  # type: ignore[method-assign]

    @property
    def fault(self) -> Exception:
        return FAULTS[self.name]

    @property
    def passes(self) -> bool:
        """A later attempt meets the fault no more."""
        return self.name in PASSING or self.name == REPEATED

    async def _enqueue(self, organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        self.queue.append(ContinueRun(organization, run_id, reason))

    async def prepare(self) -> None:
        """Make all that was there before."""
        self.talk.models.turns = []

    @abstractmethod
    async def play(self) -> None:
        """Do all that people do."""

    @abstractmethod
    async def check(self) -> None:
        """Check all that must hold in the end."""

    async def persist(self, work: Callable[[], Awaitable[Result]]) -> Result | None:
        """Do something as a sender does who sends again what was refused; None where it was refused again."""
        try:
            return await work()
        except MillraceError:
            with contextlib.suppress(MillraceError):
                return await work()
        return None

    async def ask(self, content: str, agent_id: str) -> RunSession | None:
        """Send a message with an idempotency key; None where its run began with the first attempt."""
        message = NewMessage(content, agent_id, idempotency_key="key-1")
        started = await self.persist(lambda: send(self.stores, self.talk.models, self.user, "c1", message))
        return launch(self.talk.platform, started, None) if isinstance(started, StartedRun) else None

    async def until_over(self, answer: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Let time pass until no run is there: people answer, runs are swept and continued."""
        for _ in range(ROUNDS):
            lease = await self.stores.leases.peek(self.slot)
            if lease.run_id is None:
                return
            if answer and await waiting_calls(self.talk):
                await self.persist(answer)
            await sweep_waiting(self.stores)
            if lease.lost(self.now) and lease.parked != "waiting":
                self.queue.append(ContinueRun(self.slot.organization, lease.run_id, "lost"))
            queue, self.queue = self.queue, []
            for message in queue:
                await self._continue(message)
            self.now += 60_000
        raise AssertionError("the run does not end")

    async def _continue(self, message: ContinueRun) -> None:
        session = await self.persist(lambda: continue_run(self.talk.platform, message))
        if session is not None:
            await session.over()

    async def run(self) -> Run:
        lease = await self.stores.leases.peek(self.slot)
        return await self.stores.runs.get(self.slot.organization, lease.newest() or "")

    async def said(self) -> str:
        return "".join(text_of(one) for one in await self.talk.messages() if one.role == "assistant")


class Answered(Story):
    """A call waits, and is approved."""

    async def prepare(self) -> None:
        BUILT_IN["refund"] = tool(self.till.refund)
        self.refund = call("refund", order="7", amount=80)
        await hire(self.talk, ASKING)
        self.talk.models.turns = [[*says("I ask. "), self.refund], says("Done.")]

    async def play(self) -> None:
        session = await self.ask("Refund 7.", AGENT)
        if session:
            await session.over()
        await self.until_over(self._answer)

    async def _answer(self) -> None:
        run, given = await self.run(), GivenAnswer(self.refund.id, "approve")
        first = await answer_call(self.stores, boss(self.talk), run.id, given)
        again = await answer_call(self.stores, boss(self.talk), run.id, given)
        assert first.answer == again.answer

    async def check(self) -> None:
        run = await self.run()
        results = [text for message in await self.talk.messages() for text in results_of(message)]
        assert len(self.till.paid) == len(results) == 1 or (run.state == "failed" and not self.passes)
        assert len(self.till.paid) <= 1
        assert run.state == "completed" or not self.passes
        assert await waiting_calls(self.talk) == []


class HandedOver(Story):
    """A run leaves its process at the end of a step, and goes on in another."""

    async def play(self) -> None:
        self.talk.models.turns = [[*says("one "), *calls("a result")], says("two")]
        if session := await self.ask("Go.", "echo"):
            session.hand_over_at = 0.0
            await session.over()
        await self.until_over()

    async def check(self) -> None:
        run, said = await self.run(), await self.said()
        results = [text for message in await self.talk.messages() for text in results_of(message)]
        assert len(results) <= 1
        if self.passes:
            assert (run.state, results) == ("completed", ["a result"])
            assert said.count("one ") == 1
            assert said.count("two") + said.count("ok") == 1
        else:
            assert run.state in ("completed", "failed")


class Remembered(Story):
    """A memory is stored, replaced and forgotten, beside one that stays."""

    async def play(self) -> None:
        memories, organization = self.stores.memories, self.slot.organization
        for id, text in (("m1", "tea"), ("m2", "milk"), ("m1", "coffee")):
            await self.persist(partial(memories.put, organization, "ann", "a", id, text))
        with contextlib.suppress(NotFound):
            await self.persist(lambda: memories.delete(organization, "ann", "a", "m1"))

    async def check(self) -> None:
        found = await self.stores.memories.of_agent(self.slot.organization, "ann", "a")
        assert [(one.id, one.text) for one in found] == [("m2", "milk")]


class Dismissed(Story):
    """An agent is deleted with its memories, and made again."""

    async def prepare(self) -> None:
        self.agents = Agents(self.talk.platform)
        await self._create()
        for user in ("ann", "bob"):
            await self.stores.memories.put(self.slot.organization, user, "a", "m1", "tea")

    async def _create(self) -> None:
        await self.agents.create(self.user, AgentSettings.model_validate({"name": "A"}), "a")

    async def play(self) -> None:
        await self.persist(lambda: self.agents.delete(self.user, "a"))
        await sweep_forgotten(self.stores)
        for user in ("ann", "bob"):
            assert await self.stores.memories.of_agent(self.slot.organization, user, "a") == []
        await self.persist(self._create)

    async def check(self) -> None:
        assert (await self.agents.get(self.user, "a")).name == "A"
        await self.stores.memories.put(self.slot.organization, "ann", "a", "m2", "milk")
        await sweep_forgotten(self.stores)
        assert len(await self.stores.memories.of_agent(self.slot.organization, "ann", "a")) == 1


class Deleted(Story):
    """A conversation is deleted while a run is at work, and a live message waits."""

    async def prepare(self) -> None:
        self.talk.models.turns = [says("ok"), [*says("one "), self._delete, *says("two")]]
        await self.talk.say("hello")
        self.first = await self.run()
        self.session = await self.talk.start("again")

    async def _delete(self) -> None:
        await inject(self.stores, self.slot, "by the way")
        self.aws.arm(self.at)
        await self.persist(lambda: delete_conversation(self.stores, self.slot))

    async def play(self) -> None:
        self.at = self.aws._at if isinstance(self.aws, Refusing) else self.aws._only or 0
        self.aws.recover()
        await self.session.over()
        self.aws.recover()  # the deletion within the run has armed it; what follows is the repair
        self.now += OVERDUE_MS + 60_000
        await sweep_deletions(self.stores)
        # The sweep takes some of all unfinished deletions; whoever was refused twice asks again.
        with contextlib.suppress(NotFound):
            await delete_conversation(self.stores, self.slot)

    async def check(self) -> None:
        assert await self.stores.conversations.find(self.slot, deleting=True) is None
        assert await self.talk.messages() == []
        assert await self.stores.injections.waiting(self.slot) == ([], [])
        for run_id in (self.first.id, self.session.run.id):
            with pytest.raises(NotFound):
                await self.stores.runs.get(self.slot.organization, run_id)
            assert await self.stores.log.read(stream_of(self.slot.organization, run_id)) == []


class Flowing(Story):
    """A flow asks an agent, waits for a person, and asks the agent again."""

    async def prepare(self) -> None:
        self.flows = Flows.connect(self.talk.platform)
        teller = Agent.model_validate({"id": "teller", "name": "Teller", "model": "echo:"})
        await self.stores.agents.create(self.slot.organization, teller)
        steps: list[dict[str, Any]] = [
            {"name": "draft", "type": "agent", "agentId": "teller", "message": "'write'"},
            {"name": "approval", "type": "wait_for_input", "prompt": "Send it?"},
            {"name": "sent", "type": "agent", "agentId": "teller", "message": "steps.approval"},
        ]
        await self.flows.definitions.create(
            self.user, NewFlow.model_validate({"name": "flow", "steps": steps})
        )
        self.talk.models.turns = [says("A draft."), says("It is sent.")]

    async def play(self) -> None:
        begun = await self.persist(lambda: self.flows.start(self.user, "flow", "go", "key-1", None))
        if isinstance(begun, FlowRun):
            await begun.session.over()
        found, _ = await self.flows.executions.page(self.user, "flow", "", 10)
        self.executions = [one["executionId"] for one in found]
        self.slot = self.talk.slot = type(self.slot)(self.slot.organization, self.executions[0])
        await self.until_over(self._answer)

    async def _answer(self) -> None:
        given = GivenAnswer("", "answer", content="yes")
        await self.flows.executions.answer(self.user, "flow", self.executions[0], None, given)

    async def check(self) -> None:
        assert len(self.executions) == 1
        shown = await self.flows.executions.read(self.user, "flow", self.executions[0])
        if self.passes:
            assert shown["state"] == "completed", shown
            assert [one["decision"] for one in shown["answers"]] == ["answer"]
        else:
            assert shown["state"] in ("completed", "failed"), shown
        prompts = [str(request.messages) for request in self.talk.models.requests]
        assert sum("'yes'" in prompt or "yes" in prompt for prompt in prompts) <= 2


STORIES = [Answered, HandedOver, Remembered, Dismissed, Deleted, Flowing]


@soak
@pytest.mark.timeout(effort(120, 1800))
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_any_one_refused_write_loses_doubles_and_hides_nothing(
    story: type[Story], aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the usual form each write meets one of the faults in turn, in the long form all of them."""
    monkeypatch.setattr(lease_writer, "RETRY_SECONDS", 0)
    monkeypatch.setitem(BUILT_IN, "refund", None)
    settings = Settings.from_environment(aws_environment.environment("FlowsFunction"))
    writes = await _played(story, settings, "conflict", 10**6)
    assert writes >= 3
    for at in range(writes):
        for turn in range(effort(1, len(NAMES))):
            name = NAMES[(at + turn + STORIES.index(story)) % len(NAMES)]
            await _played(story, settings, name, at)


async def _played(story: type[Story], settings: Settings, name: str, at: int) -> int:
    """Play a story with this write refused; the number of its writes."""
    played = story(settings, name)
    await played.prepare()
    played.aws.arm(at)
    try:
        await played.play()
        writes = played.aws.writes
        played.aws.recover()
        await played.check()
    except (AssertionError, Exception) as error:
        raise AssertionError(f"{name} at write {at}: {error!r}") from error
    await played.talk.platform.close()
    await asyncio.to_thread(played.aws.close)
    return writes
