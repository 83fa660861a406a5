"""A conversation with one agent, in memory and without a server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import EllipsisType
from typing import Any

from msgspec.structs import replace

from millrace.agent.budget import Budget
from millrace.agent.code.agent import CODE_AGENTS, CodeAgent, agent_of
from millrace.agent.code.attachments import MessageText
from millrace.agent.code.context import AgentContext
from millrace.agent.code.loop import CodeLoop, with_steps
from millrace.agent.code.model import AgentModel
from millrace.agent.code.record import Said
from millrace.agent.code.run import CodeRun
from millrace.agent.emitter import Emitter
from millrace.agent.loop import AgentLoop
from millrace.agent.model import Block
from millrace.agent.model_calls import ModelCalls
from millrace.agent.suspension import Suspended
from millrace.agent.tools.builtin import OWN_TOOLS, known_tools
from millrace.agent.tools.own import tool_of
from millrace.agent.tools.tool import Tool, ToolContext
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.approvals import Answer, Decision, WaitingCall
from millrace.domain.conversations import StoredMessage
from millrace.domain.ids import new_id
from millrace.services.runs.asking import asks_people
from millrace.services.runs.output_format import output_format
from millrace.settings import Settings
from millrace.testing.clock import FrozenClock
from millrace.testing.control import MemoryControl, ProcessLost
from millrace.testing.desk import MemoryDesk, gate_of
from millrace.testing.events import Events, check_events
from millrace.testing.files import MemoryFiles
from millrace.testing.memory import MemorySecrets, MemoryValues, UserMemories
from millrace.testing.script import Script, Turn

ORGANIZATION, CONVERSATION = "test", "conversation"
MOST_PROCESSES = 200


class Stage:
    """Asks the agent with `ask`; check `text`, `events`, `waiting` and `finish_reason` of the last question.

    `agent` is a function with `@agent`, the settings of an agent as in JSON, or the id of one in the loaded
    app. `tools` are functions with `@tool`; those of the loaded app, and the built-in ones, are available by
    their names. `user` is the id of the user for whom the agent works, or a `Principal`; `claims` are the
    token's claims about the user.
    """

    def __init__(
        self,
        agent: Any,
        *,
        tools: Iterable[Any] = (),
        user: str | Principal = "user",
        claims: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        clock: FrozenClock | None = None,
    ) -> None:
        self.clock = clock or FrozenClock()
        self.script = Script()
        self.events: Events = []
        self.history: list[StoredMessage] = []
        self.finish_reason = ""
        self.output: Any = None
        given = [one for one in map(_tool, tools)]
        self._tools = {one.name: one for one in given}
        self._code = _code_of(agent)
        self._agent = self._code.record() if self._code else _agent_of(agent, self._tools)
        self._live: list[str] = []
        self._desk = MemoryDesk.of(self._agent, self.clock)
        self._not_begun: set[str] = set()
        self._control: MemoryControl | None = None
        self._budget = Budget(self._agent.limits)
        self._run_id = ""
        settings = Settings(region="us-east-1", allow_loopback_http=True)
        principal = Principal(ORGANIZATION, user, claims=claims or {}) if isinstance(user, str) else user
        self.memories = UserMemories(self.clock)
        self.values = MemoryValues()
        self._files = MemoryFiles()
        self._context = ToolContext(
            principal.organization, CONVERSATION, "", self._agent.id, settings, principal,
            memories=self.memories, secrets=MemorySecrets(secrets or {}),
            values=self.values,
        )  # fmt: skip

    def model(self, *turns: Turn) -> None:
        """Add turns of the language model."""
        self.script.add(*turns)

    # --- actions ------------------------------------------------------------------------------------

    def ask(
        self, message: str, *, files: Mapping[str, bytes] | None = None, lost_at: int | None = None
    ) -> str:
        """Send a message, with images and files by their names, and run until the end or until the run waits
        for people. Return the text of the answer. If the process is lost at the write `lost_at`, raises
        `ProcessLost`; `go_on` continues in the next process."""
        self._begin(self._files.blocks(message, files or {}))
        return self.go_on(lost_at=lost_at)

    def go_on(self, *, lost_at: int | None = None) -> str:
        """Continue in another process, from what is stored."""
        self._control = MemoryControl(
            self._run_id, self.history, self._live, self.events.append, self.clock, lost_at
        )
        self._control.not_begun = self._not_begun
        try:
            self.finish_reason = asyncio.run(self._loop(self._control).run(list(self.history)))
        except Suspended as suspended:
            self.finish_reason = suspended.reason
        finally:
            self._not_begun = self._control.not_begun
        self.output = self._control.output.value if self._control.output else None
        return self.text

    def send_live(self, message: str) -> None:
        """Send a live message, which the run reads before its next step."""
        self._live.append(message)

    def answer(
        self,
        tool: str = "",
        *,
        decision: Decision = "approve",
        arguments: dict[str, Any] | None = None,
        content: Any = None,
        reason: str | None = None,
        by: str = "approver",
    ) -> str:
        """Answer the waiting call (of this tool, if several are waiting), and continue when none is
        waiting."""
        call = next((one for one in self.waiting if tool in ("", one.name)), None)
        if call is None:
            raise AssertionError(f"No call of {tool or 'any tool'} waits.")
        answer = Answer(decision, by, "", arguments, content, reason)
        self._desk.calls[call.call_id] = replace(call, answer=answer)
        return self.text if self.waiting else self.go_on()

    def ask_through_losses(self, message: str) -> str:
        """Ask repeatedly, each time with the process lost at a different write, and continue after it.
        Raises `AssertionError` if the answer differs from the one without a loss."""
        before, live = [*self.history], [*self._live]
        expected = self.ask(message)
        assert self._control is not None
        whole, script = self._control.writes, self.script
        for lost_at in range(1, min(whole, MOST_PROCESSES) + 1):
            self.history, self._live = [*before], [*live]
            self._desk.calls.clear()
            try:
                self.ask(message, lost_at=lost_at)
            except ProcessLost:
                self.go_on()
            if self.text != expected:
                raise AssertionError(
                    f"With the process lost at write {lost_at} of {whole} the answer is {self.text!r}, not "
                    f"{expected!r}. The model was asked {len(script.requests)} times."
                )
        return expected

    # --- results ------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The answer to the last question, as it is stored in the history."""
        own = [one for one in self.history if one.run_id == self._run_id and one.role == "assistant"]
        return "".join(block.get("text", "") for one in own for block in one.content)

    @property
    def waiting(self) -> list[WaitingCall]:
        """The calls that wait for people."""
        return [call for call in self._desk.calls.values() if call.answer is None]

    def assert_events(self, *expected: str | EllipsisType) -> None:
        """Check the events of the last question: types such as `token`, or `tool_call:refund` and
        `status:Reading` with the beginning of their content. Consecutive pieces count as one, and `...`
        stands for any number of events."""
        check_events(self.events, expected)

    # --- implementation -----------------------------------------------------------------------------

    def _begin(self, content: list[Block]) -> None:
        self._run_id = new_id("run")
        self.events = []
        self._budget = Budget(self._agent.limits)
        self._not_begun = set()
        question = StoredMessage(new_id("msg"), "user", content, "", self._run_id)
        self.history.append(question)

    def _loop(self, control: MemoryControl) -> AgentLoop:
        emitter = Emitter(self.events.append)
        context = replace(self._context, run_id=self._run_id)
        kind: type[AgentLoop] = AgentLoop
        provider: Any = self.script
        tools: Callable[[], Any] = self._open
        if self._code:
            provider = CodeRun(
                self._code, self._run_id, partial(self._code_context, context, control), emitter,
                load=self._files.load,
            )  # fmt: skip
            kind, tools = CodeLoop, partial(with_steps, provider, self._open)
        gate = gate_of(self._desk, self._agent, context.user, emitter) if asks_people(self._agent) else None
        return kind(
            self._agent, provider, "scripted", tools, context, emitter, control, self._budget, _unreported,
            gate, self._not_begun, output_format(self._agent.response_schema),
            attachments=self._files.attachments(self._agent, self.script, "scripted"),
        )  # fmt: skip

    def _code_context(
        self,
        context: ToolContext,
        control: MemoryControl,
        run: CodeRun,
        message: MessageText,
        history: Sequence[Said],
    ) -> AgentContext:
        calls = ModelCalls(self._budget, _unreported)
        asked = self._agent.model_copy(update={"model": "demo:"})
        model = AgentModel(
            run, asked, lambda agent: (self.script, "scripted"), calls, self._budget, control,
            self._files.attachments,
        )  # fmt: skip
        return AgentContext(run, self._agent, context, model, message, history, {})

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Toolbox]:
        names = self._agent.tool_names
        yield Toolbox(
            [self._tools[name] if name in self._tools else known_tools([name])[0] for name in names]
        )


def _unreported(*_: Any) -> None:
    """Ignore a report of usage."""


def _tool(given: Any) -> Tool:
    found = given if isinstance(given, Tool) else tool_of(given)
    if found is None:
        raise AssertionError(f"{given!r} is not a tool; write @tool above the function.")
    # Approval rules are looked up by the tool's name, as in a deployment.
    OWN_TOOLS.setdefault(found.name, found)
    return found


def _code_of(agent: Any) -> CodeAgent | None:
    return CODE_AGENTS.get(agent) if isinstance(agent, str) else agent_of(agent)


def _agent_of(given: Any, tools: Mapping[str, Tool]) -> Agent:
    if isinstance(given, Agent):
        return given
    if not isinstance(given, Mapping):
        raise AssertionError(f"{given!r} is not an agent: pass its settings, or a function with @agent.")
    return Agent.model_validate(
        {"id": "agent", "name": "Agent", "model": "demo:", "tools": [*tools], **given}
    )
