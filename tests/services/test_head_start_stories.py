"""Runs with a head start, whatever happens to the write of their beginning, and whether it or the model is
faster: a sender who repeats a message until it is accepted has it answered once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from millrace.agent.model import Delta, Finish, ModelRequest, Provider, Text, ToolCall, Usage
from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import tool
from millrace.domain.agents import Agent
from millrace.domain.approvals import GivenAnswer
from millrace.domain.branches import BranchPoint
from millrace.domain.clock import now_ms
from millrace.domain.runs import ANSWERED, LEASE_MS, ContinueRun, Run
from millrace.errors import MillraceError, ProviderError, Unavailable
from millrace.services.runs.answers import answer_call
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.launch import send_and_launch
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage, ReplayedRun
from millrace.services.runs.run_session import RunSession
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from millrace.stores.runs import RunFilter, stream_of
from tests.effort import effort, soak
from tests.services.durable import LONG, environment
from tests.services.mortal import Killed
from tests.services.scripted import Talk, says, text_of

__all__ = ["environment"]

WITHIN = 60.0
"""Seconds for what comes at once on a machine that is not busy."""
AGENT, KEY, MESSAGE, RIVAL, EARLIER = "clerk", "k", "Hi", "I was first", "Long ago"
ROUNDS = 20
Outcome = Literal[
    "stored",
    "refused",
    "fault before",
    "fault after",
    "deaf after",
    "kill before",
    "kill after",
    "cancel before",
    "cancel after",
]
"""What becomes of the write: another message is quicker, an outage before it took effect or after (`deaf`:
reads fail too), a process that dies, a client that is gone."""
TURNS = ("answers", "calls", "asks", "fails")
"""The model answers, calls a tool first, which may ask people first, or fails."""
KINDS = {"new": None, "edit": BranchPoint(), "again": BranchPoint(again=True)}
"""A message to a new conversation, or one instead of an earlier message there, or another answer to that."""


class Failing(AwsClients):
    """The AWS of a process whose next transaction has an outcome that the test chooses."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.outcome: Outcome | None = None
        self.before: Callable[[], Awaitable[None]] | None = None
        self.met = asyncio.Event()
        self.leave: Callable[[], object] = lambda: None
        self.dead = self.deaf = False

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if self.dead:
            raise Killed
        if self.deaf and operation in ("get_item", "query"):
            raise Unavailable("no answer")
        call = super().call
        if operation == "transact_write_items" and self.outcome:
            outcome, self.outcome = self.outcome, None
            return await self._meet(outcome, lambda: call(service, operation, **parameters))
        return await call(service, operation, **parameters)

    async def _meet(self, outcome: Outcome, write: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        try:
            if self.before:
                await self.before()
            answer = {} if outcome.endswith("before") else await write()
        finally:
            self.met.set()
        self.dead, self.deaf = outcome.startswith("kill"), outcome == "deaf after"
        if self.dead:
            raise Killed
        if outcome.startswith(("fault", "deaf")):
            raise Unavailable("an outage, as the test wants it")
        if outcome.startswith("cancel"):
            self.leave()
            await asyncio.Event().wait()
        return answer


class Clerk(Models):
    """A model of which the history alone decides what it says."""

    def __init__(self, settings: Settings, turn: str, begin: Callable[[], Awaitable[object]]) -> None:
        super().__init__(settings, lambda: None)  # type: ignore[arg-type,return-value]
        self._turn, self._begin = turn, begin
        self.said = asyncio.Event()

    def provider_for(self, agent: Agent) -> tuple[Provider, str]:
        return self, "clerk"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        await self._begin()
        if self._turn == "fails":
            self.said.set()
            raise ProviderError("The model refuses.", code="refused_by_test")
        calls = self._turn in ("calls", "asks") and "text" in request.messages[-1]["content"][0]
        yield ToolCall("call-1", "note", {}) if calls else Text("Hello")
        self.said.set()
        yield Finish("tool_use" if calls else "stop", Usage(1, 1))


@dataclass
class Story:
    """One message and the outcome of its write; `twin`: one process sends it twice at once."""

    settings: Settings
    outcome: Outcome
    turn: str
    model_first: bool
    twin: bool
    kind: str
    now: int = field(default_factory=now_ms)
    noted: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.aws = Failing(self.settings.region)
        self.sender = self._talk(self.aws)
        self.rival = self._talk(None)
        self.rival.slot = self.sender.slot

    def _talk(self, aws: Failing | None) -> Talk:
        return Talk(self.settings, Stores.connect(self.settings, aws, clock=lambda: self.now))

    async def note(self) -> str:
        """Note whether the run is stored."""
        if self.aws.dead:
            raise Killed
        self.noted.append((await self.rival.stores.leases.peek(self.sender.slot)).run_id is not None)
        return "noted"

    async def play(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(BUILT_IN, "note", tool(self.note))
        policy = "ask" if self.turn == "asks" else "auto"
        tools = [{"name": "note", "policy": policy}]
        agent = {"id": AGENT, "name": "Clerk", "model": "echo:", "tools": tools}
        await self.sender.stores.agents.create(self.sender.slot.organization, Agent.model_validate(agent))

        if self.kind != "new":
            await self.rival.say(EARLIER)

        async def at_once() -> None:
            pass

        model = Clerk(self.settings, self.turn, at_once if self.model_first else self.aws.met.wait)
        self.sender.platform.models = model
        self.aws.outcome = self.outcome

        async def before() -> None:
            if self.model_first:
                await model.said.wait()
            if self.outcome == "refused":
                self.rival.models.turns = [says("So it was")]
                await self.rival.say(RIVAL)

        self.aws.before = before
        async with asyncio.timeout(WITHIN):
            await self._first_try()
            await self._finish(await self._deliver())
            await self._check()
        for aws in (self.aws, self.rival.stores.aws):
            await asyncio.to_thread(aws.close)

    async def _send(self) -> str:
        content = "" if self.kind == "again" else MESSAGE
        message = NewMessage(content, AGENT, idempotency_key=KEY, branch=KINDS[self.kind])
        sent = await send_and_launch(self.sender.platform, self.sender.caller, "c1", message, None)
        if isinstance(sent, RunSession):
            await sent.over()
        assert isinstance(sent, RunSession | ReplayedRun)
        return sent.run.id

    async def _first_try(self) -> None:
        trying = [asyncio.create_task(self._send()) for _ in range(1 + self.twin)]
        self.aws.leave = lambda: [one.cancel() for one in trying]
        for result in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(result, BaseException):
                assert isinstance(result, Killed | MillraceError | asyncio.CancelledError), repr(result)
        self.aws.dead = self.aws.deaf = False  # the next process, a network that works

    async def _deliver(self) -> str:
        """The run of the message, which is sent until it is accepted."""
        for _ in range(ROUNDS):
            try:
                return await self._send()
            except MillraceError:
                continue
        raise AssertionError("the message is never accepted")

    async def _finish(self, run_id: str) -> None:
        """Have others continue the run until it has ended."""
        for _ in range(ROUNDS):
            run = await self._run(run_id)
            if run.ended_at:
                return
            if run.state == "waiting":
                await answer_call(
                    self.rival.stores, self.sender.caller, run_id, GivenAnswer("call-1", "approve")
                )
            else:
                self.now += LEASE_MS + 1000  # nobody renews the lease
            asked = ContinueRun(run.slot.organization, run_id, ANSWERED if run.state == "waiting" else "lost")
            session = await continue_run(self.sender.platform, asked)
            if session:
                await session.over()
        raise AssertionError("the run does not end")

    async def _run(self, run_id: str) -> Run:
        return await self.rival.stores.runs.get(self.sender.slot.organization, run_id)

    async def _check(self) -> None:
        slot, stores = self.sender.slot, self.rival.stores
        history = await self.rival.messages()
        asked = [text_of(one) for one in history if one.role == "user" and text_of(one)]
        new, refused = self.kind == "new", self.outcome == "refused"
        assert asked == [EARLIER] * (not new) + [RIVAL] * refused + [MESSAGE] * (self.kind != "again")
        runs, _ = await stores.runs.page(slot.organization, RunFilter(), 10)
        assert len(runs) == (not new) + refused + 1
        assert all(one.ended_at for one in runs)
        assert (await stores.leases.peek(slot)).run_id is None
        ours = await self._run((await stores.leases.peek(slot)).newest() or "")
        answers = [text_of(one) for one in history if one.run_id == ours.id and one.role == "assistant"]
        if self.turn == "fails":
            assert (ours.state, (ours.error or {}).get("code")) == ("failed", "refused_by_test")
        else:
            assert ours.state == "completed"
            assert answers[-1] == "Hello"
        assert self.noted == ([True] if self.turn in ("calls", "asks") else [])
        log = await stores.log.read(stream_of(slot.organization, ours.id))
        numbers = [one.seq for one in log]
        assert numbers == sorted(set(numbers))
        assert log[-1].type == ("error" if self.turn == "fails" else "done")


@soak
@pytest.mark.timeout(LONG)
def test_message_with_a_head_start_is_answered_once_whatever_becomes_of_its_write(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    @hypothesis_settings(
        max_examples=effort(12, 500),
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        outcome=st.sampled_from(Outcome.__args__),  # type: ignore[attr-defined]
        turn=st.sampled_from(TURNS),
        model_first=st.booleans(),
        twin=st.booleans(),
        kind=st.sampled_from(list(KINDS)),
    )
    def run(outcome: Outcome, turn: str, model_first: bool, twin: bool, kind: str) -> None:
        async def play() -> None:
            await Story(environment, outcome, turn, model_first, twin, kind).play(monkeypatch)

        asyncio.run(play())

    run()
