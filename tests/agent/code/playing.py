"""Agents in code in a loop without a store, whose process may be lost at any stored message."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from millrace.agent.budget import Budget
from millrace.agent.code.agent import CodeAgent, agent_of
from millrace.agent.code.attachments import MessageText
from millrace.agent.code.context import AgentContext
from millrace.agent.code.loop import CodeLoop, with_steps
from millrace.agent.code.model import AgentModel
from millrace.agent.code.record import Said
from millrace.agent.code.run import CodeRun
from millrace.agent.emitter import Emitter
from millrace.agent.model import Block, Provider
from millrace.agent.model_calls import ModelCalls
from millrace.agent.output import Output
from millrace.agent.suspension import Suspended
from millrace.agent.tools.tool import Tool
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.conversations import StoredMessage
from millrace.errors import ProviderError
from millrace.testing.files import MemoryFiles
from millrace.testing.memory import MemoryValues
from tests.agent.control import LoopControl
from tests.agent.tools.contexts import context


class Lost(BaseException):
    """The process is gone."""


class Control(LoopControl):
    """Keeps messages, hands out live ones, and loses its process at the `dies`th message that it keeps. A run
    whose model is to be asked again later is `queued`, where that is a list, with the error."""

    def __init__(
        self, run_id: str, live: list[str], dies: int | None, queued: list[ProviderError] | None = None
    ) -> None:
        super().__init__(run_id)
        self.live = live
        self.dies = dies
        self.kept = 0
        self.queued = queued

    def add(self, role: Any, content: list[Block], *, interrupted: bool = False) -> StoredMessage:
        if self.dies == self.kept:
            raise Lost
        self.kept += 1
        return super().add(role, content, interrupted=interrupted)

    async def drain(self, iteration: int) -> list[StoredMessage]:
        drained = []
        while self.live:
            message = super().add("user", [{"text": self.live.pop(0)}])
            message.injected = True
            drained.append(message)
        return drained

    def postpone(self, error: ProviderError) -> None:
        if self.queued is not None:
            self.queued.append(error)
            raise Suspended("queued", error.retry_after or 0)

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        return not self.live


class Stage:
    """One run of an agent, over as many processes as it takes; `events` are those of the last one."""

    def __init__(self, function: Any, *tools: Tool, provider: Provider | None = None) -> None:
        made = agent_of(function)
        assert made is not None
        self.code: CodeAgent = made
        self.messages: list[StoredMessage] = []
        self.events: list[dict[str, Any]] = []
        self.live: list[str] = []
        self.queued: list[ProviderError] | None = None
        self.earlier: list[StoredMessage] = []
        self.values = MemoryValues()
        self.files = MemoryFiles()
        self.budget = Budget(made.record().limits)
        self._tools = tools
        self._provider = provider

    def queue(self) -> list[ProviderError]:
        """Queue the run where its model is to be asked again later; the errors for which it was."""
        self.queued = []
        return self.queued

    async def ask(self, question: str, files: Mapping[str, bytes] | None = None) -> str:
        control = Control("run", self.live, None)
        self.messages = [*self.earlier, control.add("user", self.files.blocks(question, files or {}))]
        return await self.go_on()

    async def go_on(self, dies: int | None = None) -> str:
        """A process with what the one before has kept."""
        self.events = []
        control = Control("run", self.live, dies, self.queued)
        control._messages = list(self.messages)
        try:
            return await self._loop(control).run(list(self.messages))
        finally:
            self.messages = control._messages

    def _loop(self, control: Control) -> CodeLoop:
        agent, emitter = self.code.record(), Emitter(self.events.append)
        calls = ModelCalls(self.budget, lambda *_: None)

        def begin(run: CodeRun, message: MessageText, history: Sequence[Said]) -> AgentContext:
            asked = agent.model_copy(update={"model": "echo:"})
            model = AgentModel(run, asked, self._find, calls, self.budget, control, self.files.attachments)
            made = context(values=self.values)
            return AgentContext(run, agent, made, model, message, history, {})

        run = CodeRun(self.code, "run", begin, emitter, load=self.files.load)
        open_tools: Callable[[], Any] = partial(with_steps, run, self._open)
        return CodeLoop(
            agent, run, self.code.id, open_tools, context(), emitter, control, self.budget, lambda *_: None
        )

    def _find(self, agent: Any) -> tuple[Provider, str]:
        assert self._provider is not None
        return self._provider, "model"

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Toolbox]:
        yield Toolbox(self._tools)

    @property
    def text(self) -> str:
        """All that the agent has said, as it is kept."""
        said = [one for one in self.messages if one.role == "assistant"]
        return "".join(block.get("text", "") for one in said for block in one.content)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]
