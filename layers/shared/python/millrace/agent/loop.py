"""The executor: asks the model, runs the tools that it calls, puts live messages before it, until it is done.

The loop knows models, tools and limits. Where messages are kept and who else may end the run it asks of its
`RunControl`: the run's session for a conversation, `SubAgentControl` for a sub-agent.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from millrace.agent.budget import Budget
from millrace.agent.emitter import Emitter, emitting
from millrace.agent.history import open_calls, result_block, to_turns
from millrace.agent.model import Block, ModelRequest, Provider, ToolCall, Usage
from millrace.agent.tools.tool import ToolContext, ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.agent.turn import Turn
from millrace.domain import events
from millrace.domain.agents import Agent
from millrace.domain.conversations import StoredMessage
from millrace.errors import ProviderError

TOOL_SECONDS = 120.0
TRIES = 3
LONGEST_WAIT = 30.0
INTERRUPTED = "The run was stopped before this tool had answered."

Report = Callable[[str, dict[str, Any]], None]


class RunControl(Protocol):
    """What the loop asks of its surroundings."""

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        """Keeps a message that the loop has made."""
        ...

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """The live messages for this iteration, in order; they have been announced and kept."""
        ...

    async def may_end(self, reason: str) -> bool:
        """Ends the run, or says that live messages have come meanwhile and another iteration is due."""
        ...


class AgentLoop:
    """One run of an agent. `model` is what the provider calls it; prices go by `agent.model`."""

    def __init__(
        self,
        agent: Agent,
        provider: Provider,
        model: str,
        open_tools: Callable[[], AbstractAsyncContextManager[Toolbox]],
        context: ToolContext,
        emitter: Emitter,
        control: RunControl,
        budget: Budget,
        report: Report,
    ) -> None:
        self.agent = agent
        self.budget = budget
        self._provider = provider
        self._model = model
        self._open_tools = open_tools
        self._toolbox = Toolbox([])
        self._context = context
        self._emitter = emitter
        self._control = control
        self._report = report
        self._history: list[StoredMessage] = []
        self._turn: Turn | None = None
        self._injected = False
        self._results: dict[str, Block] = {}

    async def run(self, history: Sequence[StoredMessage]) -> str:
        """Runs to the end; returns the finish reason: `stop`, `max_tokens`, `max_iterations`, `max_cost` or
        `refusal`. Raises `ProviderError`. Cancelled, it keeps what was said so far and raises on."""
        self._history = list(history)
        try:
            with emitting(self._emitter):
                async with self._open_tools() as self._toolbox:
                    return await self._iterate()
        except BaseException:
            self._keep_partial()
            raise

    async def _iterate(self) -> str:
        while True:
            live = await self._control.drain(self.budget.iterations + 1)
            self._history += live
            self._injected = bool(live)
            if reason := self.budget.exhausted():
                return reason
            self.budget.iterations += 1
            turn = await self._ask()
            self._keep(turn)
            if turn.calls:
                await self._run_tools(turn)
                continue
            reason = turn.finish.reason if turn.finish else "stop"
            if await self._control.may_end(reason):
                return reason

    async def _ask(self) -> Turn:
        turn = await self._call_model()
        if self._injected and turn.said_nothing():
            # Some models answer a live message with nothing at all; asked again, they speak.
            turn = await self._call_model()
        return turn

    async def _call_model(self) -> Turn:
        thinking = self.agent.thinking_tokens or 0
        request = ModelRequest(
            model=self._model,
            system=self.agent.instructions,
            messages=to_turns(self._history),
            tools=self._toolbox.specs(),
            max_tokens=self.budget.call_tokens(thinking),
            thinking_tokens=thinking,
        )
        for attempt in range(1, TRIES + 1):
            self._turn = turn = Turn(self._emitter, self.agent.react)
            try:
                await turn.stream(self._provider, request)
            except ProviderError as error:
                self._called(turn, request, error)
                if turn.started or not error.retryable or attempt == TRIES:
                    raise
                await self._back_off(error, attempt)
            except BaseException:  # the run is stopped, or its time is over: what was used counts
                self._called(turn, request, None, "stopped")
                raise
            else:
                self._called(turn, request, None)
                return turn
        raise AssertionError("unreachable")

    async def _back_off(self, error: ProviderError, attempt: int) -> None:
        wait = wait_before_retry(error, attempt)
        self._emitter.emit(events.status(f"{error.message} {retry_notice(error, wait)}", "⏳"))
        await asyncio.sleep(wait)

    def _called(
        self, turn: Turn, request: ModelRequest, error: ProviderError | None, reason: str | None = None
    ) -> None:
        usage = turn.usage(request) if turn.begun(error) else Usage()
        price = self.budget.spend(self.agent.model, usage) if turn.begun(error) else 0.0
        self._report(
            "run:llm_call",
            {
                "model": self.agent.model,
                "tokens": {"input": usage.input, "output": usage.output},
                "estimated": usage.estimated,
                "cost": price,
                "latencyMs": turn.elapsed_ms(),
                "firstTokenMs": turn.first_token_ms,
                "error": error.code if error else reason,
            },
        )

    def _keep(self, turn: Turn) -> None:
        self._turn = None
        if content := turn.content():
            self._history.append(self._control.add("assistant", content))

    async def _run_tools(self, turn: Turn) -> None:
        self._results = {}
        await self._toolbox.run_all(turn.calls, self._context, TOOL_SECONDS, self._answered)
        content = [self._results[call.id] for call in turn.calls]
        self._history.append(self._control.add("user", content))

    def _answered(self, call: ToolCall, result: ToolResult) -> None:
        self._results[call.id] = result_block(call.id, result.ok, result.text)
        self._emitter.emit(
            events.tool_result(call.id, call.name, result.ok, result.summary, result.full, result.duration_ms)
        )

    def _keep_partial(self) -> None:
        """Leaves a history that a model can go on from: the cut answer, and a result for each open call."""
        content: list[Block] = []
        if self._turn is not None:
            content = self._turn.content()
            if content:
                self._control.add("assistant", content, interrupted=True)
            self._turn, self._results = None, {}
        elif self._history and self._history[-1].role == "assistant":
            content = self._history[-1].content
        if calls := open_calls(content):
            cut = {call: result_block(call, False, INTERRUPTED) for call in calls}
            self._control.add("user", [self._results.get(call, cut[call]) for call in calls])


def wait_before_retry(error: ProviderError, attempt: int) -> float:
    """Seconds: what the server asks for, at least an exponential backoff, at most `LONGEST_WAIT`, since a
    person is waiting."""
    backoff: float = random.uniform(0.25, 0.5) * 2**attempt
    return min(max(error.retry_after or 0.0, backoff), LONGEST_WAIT)


def retry_notice(error: ProviderError, wait: float) -> str:
    """The words for people."""
    asked = error.retry_after or 0.0
    longer = f"The server asks for {asked:,.0f} s; " if asked > wait else ""
    return f"{longer}{'trying' if longer else 'Trying'} again in {wait:.0f} s."
