"""The agent loop: models, tools, live messages, limits, and a history that can be continued however a run
ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.agent import loop as loops
from millrace.agent.budget import Budget
from millrace.agent.emitter import Emitter
from millrace.agent.gate import Decision, Gate, OpenGate, Waiting
from millrace.agent.history import open_calls, result_block
from millrace.agent.loop import INTERRUPTED, AgentLoop
from millrace.agent.model import Block, Delta, Finish, ModelRequest, Text, Thinking, ToolCall, Usage
from millrace.agent.output import Output
from millrace.agent.retries import TRIES
from millrace.agent.suspension import Suspended
from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.agents import Agent, AgentLimits
from millrace.domain.conversations import StoredMessage
from millrace.domain.summaries import Summary
from millrace.errors import ProviderError
from tests.agent.tools.contexts import context

Answer = Sequence[Delta] | ProviderError
BUSY = ProviderError("Busy.", code="overloaded", retryable=True)


def message(role: Literal["user", "assistant"], content: list[Block], **more: Any) -> StoredMessage:
    return StoredMessage("m", role, content, "2026-11-26T00:00:00Z", **more)


QUESTION = message("user", [{"text": "hello"}])


def says(text: str) -> list[Delta]:
    return [Text(text), Finish("stop", Usage(10, 5))]


def calls(*names: str) -> list[Delta]:
    made = [ToolCall(f"{name}-{at}", name, {}) for at, name in enumerate(names)]
    return [*made, Finish("tool_use", Usage(10, 5))]


class Model:
    """A provider that answers as scripted; the last answer stands for all that follow."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, ProviderError):
            raise answer
        for delta in answer:
            await asyncio.sleep(0)
            yield delta


class Control:
    """The surroundings of a loop: it keeps messages, and a log of what happened in which order. `live` has
    the live messages of each iteration, `late` how often the end is put off, `leave_at` after how many
    looks at the clock the run has to leave the process."""

    most_messages: int | None = None

    def __init__(self, leave_at: int = 0) -> None:
        self.log: list[str] = []
        self.kept: list[StoredMessage] = []
        self.live: dict[int, list[str]] = {}
        self.late = 0
        self._leave_at = leave_at
        self._looks = 0

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        self.log.append(f"keep {role}" + " interrupted" * interrupted)
        self.kept.append(message(role, content, interrupted=interrupted))
        return self.kept[-1]

    def add_result(self, block: Block) -> StoredMessage:
        self.log.append(f"result {block['toolResult']['toolUseId']}")
        self.kept.append(message("user", [block]))
        return self.kept[-1]

    async def store(self, begin: Collection[str] = (), wait: Collection[str] = ()) -> None:
        self.log.append(" ".join(["store", *wait]))

    def check_time(self) -> None:
        self._looks += 1
        if self._looks == self._leave_at:
            raise Suspended("handed_over")

    def postpone(self, error: ProviderError) -> None:
        self.log.append(f"postpone {error.code}")

    async def keep_summary(self, summary: Summary) -> None:
        self.log.append("summary")

    async def drain(self, iteration: int) -> list[StoredMessage]:
        taken = [message("user", [{"text": text}], injected=True) for text in self.live.get(iteration, [])]
        self.kept += taken
        return taken

    async def limit_reached(self, agent_id: str) -> str | None:
        return None

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        self.log.append(f"end {reason}")
        self.late -= 1
        return self.late < 0


def tool(
    name: str, run: Callable[[], Any] = lambda: None, repeat: Literal["safe", "never"] = "never"
) -> Tool:
    async def called(arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        found = run()
        if asyncio.iscoroutine(found):
            await found
        return ToolResult(True, f"{name} says {arguments}", name)

    return Tool(name, "A tool.", {"type": "object"}, called, repeat=repeat)


class Run:
    """One run of a loop and all that can be seen of it."""

    def __init__(
        self,
        *answers: Answer,
        tools: Sequence[Tool] = (),
        control: Control | None = None,
        gate: Gate | None = None,
        not_begun: Collection[str] = (),
        **limits: Any,
    ) -> None:
        self.model, self.control = Model(*answers), control or Control()
        self.events: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.on_event: Callable[[], object] = lambda: None
        agent = Agent(id="a", name="A", model="echo:", limits=AgentLimits(**limits))

        @asynccontextmanager
        async def toolbox() -> AsyncIterator[Toolbox]:
            yield Toolbox(tools)

        self.loop = AgentLoop(
            agent,
            self.model,
            "m",
            toolbox,
            context(),
            Emitter(self._saw),
            self.control,
            Budget(agent.limits),
            lambda _, detail: self.reports.append(detail),
            gate,
            not_begun,
        )

    def _saw(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.on_event()

    async def end(self, *history: StoredMessage) -> str:
        return await self.loop.run(history or [QUESTION])

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def texts(self) -> list[str]:
        return [block["text"] for one in self.control.kept for block in one.content if "text" in block]

    def results(self) -> dict[str, str]:
        return dict(results_in(self.control.kept))


def results_in(messages: Sequence[StoredMessage]) -> Iterator[tuple[str, str]]:
    for one in messages:
        for block in one.content:
            if result := block.get("toolResult"):
                yield result["toolUseId"], result["content"][0]["text"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "wait_before_retry", lambda error, attempt: 0)


async def test_answer_without_calls_ends_the_run() -> None:
    run = Run(says("Hi."))
    assert await run.end() == "stop"
    assert run.texts() == ["Hi."]
    assert run.control.log == ["keep assistant", "end stop"]
    assert len(run.model.asked) == 1


async def test_turn_is_stored_before_its_tools_begin_and_each_result_as_it_comes() -> None:
    control = Control()
    quick_is_kept = asyncio.Event()

    async def slow() -> None:
        control.log.append("slow begins")
        await quick_is_kept.wait()

    run = Run(
        calls("slow", "quick"), says("Done."), tools=[tool("slow", slow), tool("quick")], control=control
    )
    run.on_event = lambda: quick_is_kept.set() if run.kinds()[-1] == "tool_result" else None
    assert await run.end() == "stop"
    assert control.log == [
        "keep assistant",
        "store",
        "slow begins",
        "result quick-1",
        "result slow-0",
        "keep assistant",
        "end stop",
    ]


async def test_model_is_asked_again_with_the_results() -> None:
    run = Run(calls("look"), says("Done."), tools=[tool("look")])
    await run.end()
    last = run.model.asked[1].messages[-1]
    assert last["role"] == "user"
    assert last["content"][0]["toolResult"]["toolUseId"] == "look-0"
    assert run.kinds() == ["tool_call", "tool_result", "token"]


async def test_live_messages_come_before_the_model_in_their_order() -> None:
    control = Control()
    control.live = {2: ["first", "second"]}
    run = Run(calls("look"), says("Done."), tools=[tool("look")], control=control)
    await run.end()
    asked = str(run.model.asked[1].messages)
    assert asked.index("look says") < asked.index("first") < asked.index("second")
    assert "first" not in str(run.model.asked[0].messages)


async def test_live_message_at_the_end_leads_to_another_iteration() -> None:
    control = Control()
    control.late = 1
    control.live = {2: ["one more thing"]}
    run = Run(says("Done."), says("That too."), control=control)
    assert await run.end() == "stop"
    assert run.texts() == ["Done.", "one more thing", "That too."]


async def test_silence_after_a_live_message_is_asked_about_once_more() -> None:
    control = Control()
    control.live = {1: ["hello?"]}
    run = Run([Finish("stop", Usage(1, 0))], says("Here."), control=control)
    assert await run.end() == "stop"
    assert run.texts() == ["hello?", "Here."]
    silent = Run([Finish("stop", Usage(1, 0))])
    assert await silent.end() == "stop"
    assert len(silent.model.asked) == 1


@pytest.mark.parametrize(
    ("limits", "expected", "asked"),
    [
        ({"max_iterations": 3}, "max_iterations", 3),
        ({"max_tokens": 10}, "max_tokens", 2),
    ],
)
async def test_limit_ends_a_run_that_calls_tools_for_ever(
    limits: dict[str, Any], expected: str, asked: int
) -> None:
    run = Run(calls("look"), tools=[tool("look")], **limits)
    assert await run.end() == expected
    assert len(run.model.asked) == asked
    assert all(not open_calls(one.content) or run.results() for one in run.control.kept)


# --- failures of the model -------------------------------------------------------------------------


async def test_failure_before_the_first_token_is_tried_again_and_said() -> None:
    run = Run(BUSY, BUSY, says("Hi."))
    assert await run.end() == "stop"
    assert run.kinds() == ["status", "status", "token"]
    assert [one["error"] for one in run.reports] == ["overloaded", "overloaded", None]
    assert [one["cost"] for one in run.reports][:2] == [0.0, 0.0]


async def test_last_failure_is_put_off_or_the_end() -> None:
    run = Run(BUSY)
    with pytest.raises(ProviderError):
        await run.end()
    assert len(run.model.asked) == TRIES
    assert run.control.log == ["postpone overloaded"]


async def test_failure_that_cannot_pass_is_the_end_at_once() -> None:
    run = Run(ProviderError("No.", code="model_refused"))
    with pytest.raises(ProviderError):
        await run.end()
    assert len(run.model.asked) == 1
    assert run.control.log == []


async def test_failure_in_mid_answer_keeps_what_was_said_and_is_not_tried_again() -> None:
    run = Run([Text("Half an ")])
    with pytest.raises(ProviderError):
        await run.end()
    assert len(run.model.asked) == 1
    assert run.control.log == ["keep assistant interrupted"]
    assert run.texts() == ["Half an "]


# --- ends from outside -----------------------------------------------------------------------------


async def test_run_that_is_stopped_in_a_tool_answers_its_calls() -> None:
    run = Run(calls("look", "hang"), tools=[tool("look"), tool("hang", lambda: asyncio.Event().wait())])
    working = asyncio.create_task(run.end())
    run.on_event = lambda: working.cancel() if run.kinds()[-1] == "tool_result" else None
    with pytest.raises(asyncio.CancelledError):
        await working
    assert run.results() == {"look-0": "look says {}", "hang-1": INTERRUPTED}


PLANS = st.lists(
    st.one_of(
        st.just(says("Done.")),
        st.lists(st.sampled_from(["look", "slow", "gone"]), min_size=1, max_size=3).map(lambda n: calls(*n)),
        st.just([Thinking("hm"), Text("So: "), *calls("look")]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(plan=PLANS, cut=st.integers(1, 30))
async def test_every_call_of_the_history_has_one_result_wherever_the_run_is_cut(
    plan: list[list[Delta]], cut: int
) -> None:
    run = Run(*plan, says("The end."), tools=[tool("look"), tool("slow", lambda: asyncio.sleep(0))])
    working = asyncio.create_task(run.end())
    run.on_event = lambda: working.cancel() if len(run.events) == cut else None
    await asyncio.wait([working])
    assert working.cancelled() or working.result() == "stop"
    called = [call for one in run.control.kept for call in open_calls(one.content)]
    answered = [call for call, _ in results_in(run.control.kept)]
    assert sorted(answered) == sorted(called)
    assert len(set(called)) == len(called)
    shown = "".join(event["token"] for event in run.events if event["type"] == "token")
    assert "".join(run.texts()) == shown


# --- going on in another process -------------------------------------------------------------------


def begun(*names: str) -> StoredMessage:
    """A stored turn whose calls have no result."""
    return message(
        "assistant", [{"toolUse": {"toolUseId": f"{n}-0", "name": n, "input": {"n": 1}}} for n in names]
    )


async def test_run_that_leaves_before_its_tools_stores_that_none_has_begun() -> None:
    ran: list[str] = []
    control = Control(leave_at=2)
    run = Run(calls("a", "b"), tools=[tool("a", lambda: ran.append("a")), tool("b")], control=control)
    with pytest.raises(Suspended):
        await run.end()
    assert control.log == ["keep assistant", "store a-0 b-1"]
    assert ran == []
    assert run.results() == {}


async def test_calls_of_a_stored_turn_run_again_only_where_they_may() -> None:
    ran: list[str] = []
    tools = [
        tool("reads", lambda: ran.append("reads"), repeat="safe"),
        tool("pays", lambda: ran.append("pays")),
        tool("waited", lambda: ran.append("waited")),
    ]
    run = Run(says("Done."), tools=tools, not_begun=["waited-0"])
    assert await run.end(QUESTION, begun("reads", "pays", "waited")) == "stop"
    assert sorted(ran) == ["reads", "waited"]
    assert "nobody knows" in run.results()["pays-0"]
    assert run.results()["reads-0"] == "reads says {'n': 1}"
    assert len(run.model.asked) == 1


async def test_calls_with_a_result_are_left_alone() -> None:
    ran: list[str] = []
    tools = [tool("reads", lambda: ran.append("reads"), repeat="safe")]
    stored = [QUESTION, begun("reads"), message("user", [result_block("reads-0", True, "known")])]
    run = Run(says("Done."), tools=tools)
    await run.end(*stored)
    assert ran == []
    assert "known" in str(run.model.asked[0].messages)


# --- decisions before calls ------------------------------------------------------------------------


class Deciding(OpenGate):
    """A gate that decides by a tool's name."""

    def __init__(self, **decisions: Decision) -> None:
        self._decisions = decisions

    async def decide(self, call: ToolCall) -> Decision:
        return self._decisions.get(call.name, call)


async def test_call_that_is_denied_is_answered_without_running() -> None:
    ran: list[str] = []
    gate = Deciding(pay=ToolResult(False, "Denied by Ada.", "Denied"))
    run = Run(calls("pay"), says("Well."), tools=[tool("pay", lambda: ran.append("pay"))], gate=gate)
    assert await run.end() == "stop"
    assert run.results() == {"pay-0": "Denied by Ada."}
    assert ran == []


async def test_call_runs_with_the_arguments_that_were_decided() -> None:
    gate = Deciding(pay=ToolCall("pay-0", "pay", {"amount": 5}))
    run = Run(calls("pay"), says("Well."), tools=[tool("pay")], gate=gate)
    await run.end()
    assert run.results() == {"pay-0": "pay says {'amount': 5}"}


async def test_calls_beside_one_that_waits_run_and_the_run_leaves() -> None:
    gate = Deciding(pay=Waiting(600))
    run = Run(calls("pay", "look"), says("Well."), tools=[tool("pay"), tool("look")], gate=gate)
    with pytest.raises(Suspended) as left:
        await run.end()
    assert (left.value.reason, left.value.delay) == ("waiting", 600)
    assert run.results() == {"look-1": "look says {}"}
    assert run.control.log == ["keep assistant", "store pay-0", "result look-1", "store"]
    assert len(run.model.asked) == 1
