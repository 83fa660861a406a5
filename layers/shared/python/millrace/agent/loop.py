"""The agent loop: asks the model, runs the tools that it calls and passes it live messages until it is done.

The loop knows models, tools and limits. It leaves storing messages, and the decision of others to end the
run, to its `RunControl`: the run's session for a conversation, `NestedControl` for a sub-agent.

A turn is stored before its tools start, and each result as it arrives, so another process can continue: it
runs the calls of the last turn that have no result, or answers them from what is known, and then asks the
model.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager

from msgspec.structs import replace

from millrace.agent.attachments import Attachments
from millrace.agent.budget import Budget
from millrace.agent.context.setup import Compactor, context_of
from millrace.agent.control import RunControl
from millrace.agent.dialects import dialect_of
from millrace.agent.emitter import Emitter, emitting
from millrace.agent.gate import Gate, OpenGate, Waiting
from millrace.agent.history import result_block, to_turns, unanswered
from millrace.agent.model import ModelRequest, Provider, ToolCall
from millrace.agent.model_calls import ModelCalls, Report
from millrace.agent.output import Output, OutputFormat, asked_again
from millrace.agent.retries import LONGEST_WAIT, TRIES, retry_notice, wait_before_retry
from millrace.agent.suspension import Suspended, together
from millrace.agent.tools.tool import ToolContext, ToolResult
from millrace.agent.tools.toolbox import Toolbox, outcome_unknown
from millrace.agent.turn import Turn
from millrace.domain import events
from millrace.domain.agents import Agent
from millrace.domain.conversations import StoredMessage
from millrace.errors import InvalidRequest, ProviderError

TOOL_SECONDS = 120.0
INTERRUPTED = "The run was stopped before this tool had answered."


class AgentLoop:
    """One run of an agent. `model` is its name at the provider; prices are looked up by `agent.model`."""

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
        gate: Gate | None = None,
        not_begun: Collection[str] = (),
        output: OutputFormat | None = None,
        compactor: Compactor | None = None,
        attachments: Attachments | None = None,
        call_ids: set[str] | None = None,
    ) -> None:
        """`call_ids` are the ids of all agents' calls in the run: new calls avoid them and are added."""
        self.agent = agent
        self.budget = budget
        self._provider = provider
        self._model = model
        self._dialect = dialect_of(agent)
        self._open_tools = open_tools
        self._toolbox = Toolbox([])
        self._context = context
        self._emitter = emitter
        self._control = control
        self._calls = ModelCalls(budget, report)
        self._fitting = context_of(
            agent, compactor or Compactor(provider, model, agent.model), self._calls, emitter, control
        )
        self._attachments = attachments or Attachments()
        self._gate = gate or OpenGate()
        self._not_begun = set(not_begun)
        self._call_ids = call_ids
        self._format = output
        self._output: Output | None = None
        self._asked_again = False
        self._history: list[StoredMessage] = []
        self._turn: Turn | None = None
        self._injected = False

    async def run(self, history: Sequence[StoredMessage]) -> str:
        """Run to the end and return the finish reason: `stop`, `max_tokens`, `max_iterations`, `max_cost` or
        `refusal`. If canceled, keeps what was said so far. Raises `ProviderError`, and `Suspended` if another
        process is to continue the run."""
        self._history = list(history)
        try:
            with emitting(self._emitter):
                async with self._open_tools() as self._toolbox:
                    self._gate.toolbox = self._toolbox
                    return await self._iterate()
        # Another process continues from what is stored, and runs the calls that are still open.
        except Suspended:
            raise
        except BaseException:
            # Also when canceled, which is how a run is stopped.
            self._keep_partial()
            raise

    async def _iterate(self) -> str:
        # A process may have died, or handed over the run, between storing a turn and the results of its
        # calls.
        if uses := unanswered(self._history):
            await self._finish_turn([ToolCall(use["toolUseId"], use["name"], use["input"]) for use in uses])
        while True:
            self._control.check_time()
            live = await self._control.drain(self.budget.iterations + 1)
            self._history += live
            self._injected = bool(live)
            if reason := self.budget.exhausted() or await self._control.limit_reached(self.agent.id):
                return reason
            self.budget.iterations += 1
            turn = await self._ask()
            if self._must_ask_again(turn):
                continue
            self._keep(turn)
            if turn.calls:
                await self._run_tools(turn.calls)
                continue
            reason = turn.finish.reason if turn.finish else "stop"
            if await self._may_end(reason):
                return reason

    async def _may_end(self, reason: str) -> bool:
        return await self._control.may_end(reason, self._output)

    async def _ask(self) -> Turn:
        turn = await self._call_model()
        if self._injected and turn.said_nothing():
            # Some models answer a live message with nothing at all; when asked again, they answer.
            turn = await self._call_model()
        return turn

    async def _call_model(self) -> Turn:
        while True:
            request = await self._request()
            try:
                return await self._try(request)
            except ProviderError as error:
                # Once a part of the answer has been shown, another try would show its beginning twice.
                shrunk = self._attachments.shrink(error, request) or self._fitting.shrink(error, request)
                if (self._turn and self._turn.started) or not shrunk:
                    raise

    async def _request(self) -> ModelRequest:
        """Return the next request, with as much of the history as fits into the model's window."""
        thinking = self.agent.thinking_tokens or 0
        request = ModelRequest(
            model=self._model,
            system=self.agent.instructions,
            messages=[],
            tools=self._toolbox.specs(),
            max_tokens=self._fitting.output_tokens(self.budget.call_tokens(thinking), thinking),
            thinking_tokens=thinking,
            response_schema=self._format.schema if self._format else None,
        )
        self._history = await self._fitting.fit(self._history, request)
        return replace(request, messages=await self._attachments.resolved(to_turns(self._history)))

    async def _try(self, request: ModelRequest) -> Turn:
        for attempt in range(1, TRIES + 1):
            self._turn = turn = self._new_turn(bool(request.tools))
            try:
                await turn.stream(self._provider, request)
            except ProviderError as error:
                self._calls.ended(self.agent.model, turn, request, error)
                if turn.started or not error.retryable:
                    raise
                # The run queue waits longer without occupying a function, which is paid for. `postpone`
                # returns if the run cannot be continued from there.
                if attempt == TRIES or (error.retry_after or 0.0) > LONGEST_WAIT:
                    self._control.postpone(error)
                if attempt == TRIES:
                    raise
                await self._back_off(error, attempt)
            except BaseException:  # the run is stopped, or its time is over: what was used still counts
                self._calls.ended(self.agent.model, turn, request, None, "stopped")
                raise
            else:
                self._fitting.learn(request, self._calls.ended(self.agent.model, turn, request))
                return turn
        raise AssertionError("unreachable")

    def _new_turn(self, tools: bool) -> Turn:
        held = self._format is not None
        return Turn(self._emitter, self.agent.react, self._dialect, tools, held, self._call_ids)

    def _must_ask_again(self, turn: Turn) -> bool:
        """Return whether the final answer does not fit the requested output and is requested again;
        nobody has seen it yet. Raises `ProviderError` the second time."""
        whole = turn.finish is not None and turn.finish.reason == "stop" and not turn.calls
        if self._format is None or not whole:
            turn.publish()
            return False
        try:
            self._output = Output(self._format.read(turn.text()))
        except InvalidRequest as error:
            if self._asked_again or self.budget.exhausted():
                turn.publish()
                self._keep(turn)
                raise ProviderError(
                    f"The answer does not match the requested format: {error.message}", code="output_invalid"
                ) from error
            self._asked_again = True
            self._turn = None  # a stop before the next answer must not publish this one
            self._history += asked_again(turn.content(), error.message)
            self._emitter.emit(
                events.status("The answer does not match the requested format; asking again.", "🔁")
            )
            return True
        turn.publish()
        self._asked_again = False
        return False

    async def _back_off(self, error: ProviderError, attempt: int) -> None:
        wait = wait_before_retry(error, attempt)
        self._emitter.emit(events.status(f"{error.message} {retry_notice(error, wait)}", "⏳"))
        await asyncio.sleep(wait)

    def _keep(self, turn: Turn) -> None:
        self._turn = None
        if content := turn.content():
            self._history.append(self._control.add("assistant", content))

    async def _run_tools(self, calls: Sequence[ToolCall]) -> None:
        """Run the calls of a new turn, which is stored before the first one starts."""
        for call in calls:
            if call.arguments is None:  # the stored turn does not say that they were cut
                self._answered(call, await self._toolbox.run(call, self._context, TOOL_SECONDS))
        await self._run_calls([call for call in calls if call.arguments is not None])

    async def _finish_turn(self, calls: Sequence[ToolCall]) -> None:
        """Run the calls of a turn that another process began, as far as each may be run again."""
        to_run: list[ToolCall] = []
        for call in calls:
            if call.id in self._not_begun or self._toolbox.may_repeat(call.name):
                to_run.append(call)
            else:
                self._answered(call, outcome_unknown(call))
        await self._run_calls(to_run)

    async def _run_calls(self, calls: Sequence[ToolCall]) -> None:
        ready: list[ToolCall] = []
        waiting: list[tuple[ToolCall, Waiting]] = []
        for call in calls:
            decision = await self._gate.decide(call)
            if isinstance(decision, Waiting):
                waiting.append((call, decision))
            elif isinstance(decision, ToolCall):
                ready.append(decision)
            else:
                self._answered(call, decision)
        # Stored before any tool runs, so that after a crash only calls marked as begun may have taken effect.
        await self._begin(ready, [call.id for call, _ in waiting])
        left = [self._gate.suspended(waiting)] if waiting else []
        try:
            await self._toolbox.run_all(ready, self._context, TOOL_SECONDS, self._ran)
        except Suspended as suspended:
            left.append(suspended)
        if left:
            # Results are stored in the background; a process that continues must find all of them.
            await self._control.store()
            raise together(left)

    async def _begin(self, ready: Sequence[ToolCall], held: Sequence[str]) -> None:
        """Store the turn and which calls start now; none do if the process's time is over."""
        begin = [call.id for call in ready]
        try:
            self._control.check_time()
        except Suspended:
            await self._control.store(wait=[*begin, *held])
            raise
        await self._control.store(begin, held)

    def _ran(self, call: ToolCall, result: ToolResult) -> None:
        self._answered(call, self._gate.noted(call, result))

    def _answered(self, call: ToolCall, result: ToolResult) -> None:
        self._emitter.emit(
            events.tool_result(call.id, call.name, result.ok, result.summary, result.full, result.duration_ms)
        )
        self._history.append(self._control.add_result(result_block(call.id, result.ok, result.text)))

    def _keep_partial(self) -> None:
        """Complete the history with the partial answer, and with a result for each open call."""
        if self._turn is not None and (content := self._turn.content()):
            self._turn.publish()
            self._history.append(self._control.add("assistant", content, interrupted=True))
        self._turn = None
        if uses := unanswered(self._history):
            cut = [result_block(use["toolUseId"], False, INTERRUPTED) for use in uses]
            self._history.append(self._control.add("user", cut))
