"""One run of an agent in code, presented to the loop as a model whose turns are what the function says and
calls.

The function is paused while the loop stores a turn and runs its calls. A process that takes over the run
plays the function from its start: what it said before is not said again, and its calls get their stored
results (see `replay`). So everything that the loop does for agents with a model applies to agents in code.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from millrace.agent.attachments import Load, load_nothing
from millrace.agent.call_ids import new_id
from millrace.agent.code.agent import CodeAgent
from millrace.agent.code.attachments import MessageText
from millrace.agent.code.record import RESULT, Answer, Said
from millrace.agent.code.replay import Call, Replay
from millrace.agent.emitter import Emitter
from millrace.agent.model import Delta, Finish, ModelRequest, Text, Thinking, ToolCall, Usage
from millrace.agent.providers.lenient_json import Joiner, storable, whole
from millrace.domain.events import Event
from millrace.errors import InvalidRequest

if TYPE_CHECKING:
    from millrace.agent.code.context import AgentContext

SAID_AT_ONCE = 64
CLOSE_SECONDS = 0.5
INTERRUPTED = '"interrupted"'
"""The result of a step that an earlier process began, for a function that is not replayed."""

Begin = Callable[["CodeRun", MessageText, Sequence[Said]], "AgentContext"]
"""Creates the function's context from a question and the messages before it."""


class CodeRun(Replay):
    """A `Provider` for one loop. `alone` is set for work on behalf of another agent, which receives no live
    messages."""

    def __init__(
        self,
        agent: CodeAgent,
        run_id: str,
        begin: Begin,
        emitter: Emitter,
        *,
        alone: bool = False,
        load: Load = load_nothing,
    ) -> None:
        super().__init__(agent, run_id, load)
        self._begin = begin
        self._emitter = emitter
        self._alone = alone
        self._said: deque[Event] = deque()
        self._noted: list[ToolCall] = []
        self._joiner = Joiner()  # a framework's model may split an emoji in two
        self.closed = False

    # --- the loop's side ---------------------------------------------------------------------------

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """Yield one turn: up to the next calls, a check for live messages, or the end (see `Provider`)."""
        await self.catch_up()
        while True:
            while self._said:
                if delta := self._delta(self._said.popleft()):
                    yield delta
            if self.requested:
                await self.settle()
                if self._said:
                    continue
                for call in self._take_requested():
                    yield call
                yield Finish("tool_use", Usage())
                return
            if self.boundary is not None or self._has_ended():
                yield Finish("stop", Usage())
                return
            await self.woken()

    @property
    def over(self) -> bool:
        """True if the function is done and no live message is left unanswered."""
        return self.body is not None and self.body.done() and not self.unread

    async def perform(self, call_id: str) -> Any:
        """Run a step and return its result.

        If an earlier process began the step, the function is first played up to it. A function that is not
        replayed gets `INTERRUPTED` instead, and decides itself what is left to do.
        """
        if call_id not in self.by_id and not self.agent.replay:
            return INTERRUPTED
        if call_id not in self.by_id:
            await self.catch_up()
        call = self.by_id.get(call_id)
        if call is None or call.work is None:
            raise self.diverged("it did not come to a step that had begun")
        return await call.work()

    async def close(self) -> None:
        """Cancel the function if it is running."""
        self.closed = True
        if self.body is not None and not self.body.done():
            self.body.cancel()
            await asyncio.wait({self.body}, timeout=CLOSE_SECONDS)

    def _delta(self, event: Event) -> Delta | None:
        """Return the event as a part of the turn. An event that is not one is emitted as it is."""
        if event["type"] == "token":
            token = self._joiner.join(event["token"])
            return Text(token) if token else None
        if event["type"] == "thinking":
            return Thinking(whole(event["text"]))
        self._emitter.emit(storable(event))
        return None

    def _take_requested(self) -> list[ToolCall]:
        calls = {new_id(): call for call in self.requested}
        self.by_id |= calls
        taken = [*self._noted, *(ToolCall(id, call.name, call.arguments) for id, call in calls.items())]
        self._noted.clear()
        self.requested.clear()
        return taken

    def _has_ended(self) -> bool:
        """Return whether the function is done. Raises its error, if any."""
        if self.body is None or not self.body.done():
            return False
        self.body.result()
        return True

    # --- the function's side -----------------------------------------------------------------------

    def say(self, event: Event) -> None:
        """Say something, unless it was already said before a takeover."""
        if self.replaying:
            self.spoken = self.spoken or bool(event.get("token"))
        else:
            self._said.append(event)
            self.wake()

    async def call(
        self, name: str, arguments: dict[str, Any], work: Callable[[], Awaitable[Any]] | None = None
    ) -> Answer:
        """Have the loop run a call, and return its result, which is stored by then."""
        call = Call(name, arguments, work)
        self.requested.append(call)
        self.wake()
        return await call.answer

    def note(self, name: str, arguments: dict[str, Any], result: str) -> None:
        """Have a finished step stored with the next calls, without waiting for it. If the process dies before
        that, the step and everything that followed from it are lost."""
        self._noted.append(ToolCall(new_id(), name, arguments | {RESULT: result}))

    async def live_messages(self) -> list[MessageText]:
        """Return the live messages since the last check. The loop receives and stores them."""
        if not self._alone:
            self.boundary = asyncio.get_running_loop().create_future()
            self.wake()
            await self.boundary
        unread, self.unread = self.unread, []
        return unread

    def play(self, question: MessageText) -> None:
        """See `Replay`."""
        context = self._begin(self, question, [*self.transcript])
        self.transcript.append(Said("user", question))
        self.body = asyncio.create_task(self._perform(context))
        self.body.add_done_callback(lambda task: self.wake())

    async def _perform(self, context: "AgentContext") -> None:
        async with aclosing(self.agent.play(context)) as said:  # type: ignore[type-var]
            async for event in said:
                context.say(event)
                # Without a pause, a function that never waits would leave the loop no time to pass on what it
                # says.
                if self.replaying or len(self._said) >= SAID_AT_ONCE:
                    await asyncio.sleep(0)


class NoModel:
    """Stands in for the model of agents in code outside a run."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """Raise `InvalidRequest`: the function can only be played in a run."""
        raise InvalidRequest("An agent in code cannot be used as a model here; write provider:model.")
