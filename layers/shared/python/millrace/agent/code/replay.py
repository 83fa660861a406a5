"""Replays the function of an agent until it has caught up with the history of its run.

In the process that began the run, the function is already there and receives the results of its calls. In a
process that takes over the run, it is played from its start: each call in the history gets the stored result,
and nothing that it says before the last of them is shown again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.agent.attachments import Load, load_nothing
from millrace.agent.code.agent import CodeAgent
from millrace.agent.code.attachments import MessageText
from millrace.agent.code.record import (
    Answer,
    Entry,
    Key,
    Live,
    RecordedTurn,
    Said,
    entries,
    key_of,
    said_in,
    split,
)
from millrace.domain.conversations import StoredMessage
from millrace.errors import MillraceError

SETTLING = 3
"""The passes of the event loop after which calls that were made together are taken as one turn."""


class Diverged(MillraceError):
    """The function behaves differently from the way it did in the earlier process."""

    status = 500
    code = "agent_diverged"


def _future() -> asyncio.Future[Answer]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False, slots=True)
class Call:
    """A call that the function waits for. `work` runs a step here; tools are run by the loop."""

    name: str
    arguments: dict[str, Any]
    work: Callable[[], Awaitable[Any]] | None = None
    answer: asyncio.Future[Answer] = field(default_factory=_future)
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        self.key = key_of(self.name, self.arguments)


class Replay:
    """The function's position in the history.

    `requested` are the calls that are not in a turn yet, `by_id` those that wait for their results.
    `boundary` is set while the function waits for live messages: `unread` have arrived, `live` is the number
    of all that the run has received. A function that is not replayed finds the record of earlier processes in
    `earlier`. `previous_run` is the run before this one in the same branch.
    """

    def __init__(self, agent: CodeAgent, run_id: str, load: Load = load_nothing) -> None:
        self.agent = agent
        self._load = load
        self.history: Callable[[], Sequence[StoredMessage]] = lambda: ()
        self.transcript: list[Said] = []
        self.resumed = False
        self.requested: list[Call] = []
        self.by_id: dict[str, Call] = {}
        self.body: asyncio.Task[None] | None = None
        self.boundary: asyncio.Future[None] | None = None
        self.unread: list[MessageText] = []
        self.live = 0
        self.earlier: list[Entry] = []
        self.previous_run = ""
        self.spoken = False
        self._run_id = run_id
        self._asked = MessageText()
        self._read = 0
        self._entries: deque[Entry] = deque()
        self._woken = asyncio.Event()
        self._lock = asyncio.Lock()

    def play(self, question: MessageText) -> None:
        """Start the function with a question."""
        raise NotImplementedError

    @property
    def replaying(self) -> bool:
        """True until the function has caught up with the history."""
        return bool(self._entries)

    def noted_result(self, key: Key) -> str | None:
        """Return and remove the stored result of a step from the rest of the history; None if it has none."""
        for turn in self._entries:
            if isinstance(turn, RecordedTurn):
                for at, (known, result) in enumerate(turn.noted):
                    if known == key:
                        del turn.noted[at]
                        return result
        return None

    def _is_recorded(self, key: Key) -> bool:
        turns = (one for one in self._entries if isinstance(one, RecordedTurn))
        return any(key == known for one in turns for known in one.calls.values())

    async def catch_up(self) -> None:
        """Play the function until it has caught up with the history, then let it continue. Raises
        `Diverged`."""
        async with self._lock:
            self._read_on()
            while self._entries:
                await self._apply(self._entries[0])
                self._entries.popleft()
            self._release()
            if self.body is None or (self.unread and _has_returned(self.body)):
                self.play(self._next_question())

    def wake(self) -> None:
        """Signal that the function has done something."""
        self._woken.set()

    async def woken(self) -> None:
        """Wait until the function has done something."""
        await self._woken.wait()
        self._woken.clear()

    async def settle(self) -> None:
        """Give the function time to make all the calls that it makes together."""
        for _ in range(SETTLING):
            await asyncio.sleep(0)

    def diverged(self, instead: str) -> Diverged:
        """Return the error for a function that behaves differently from the way it did in an earlier
        process."""
        turns = (one for one in self._entries if isinstance(one, RecordedTurn))
        known = ", ".join(name for name, _ in next(turns, RecordedTurn()).calls.values())
        return Diverged(
            f"The agent {self.agent.id} behaves differently after its process was lost: {instead}; the "
            f"history has {known or 'no call'} there. Put what may differ between runs (the time, "
            "random numbers, answers of other services) into ctx.step."
        )

    # --- reading ------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        history = self.history()
        made_here = bool(self._read)
        if not made_here:
            before, own = split(history, self._run_id)
            self.transcript = list(said_in(before, self._load))
            self.previous_run = next((one.run_id for one in reversed(before) if one.run_id), "")
            self._asked = MessageText.of(own[0].content if own else [], self._load)
            self._read = len(before) + len(own[:1])
            # A live message may have arrived before anything was done.
            self.resumed = any(one.role == "assistant" for one in history[self._read :])
            if self.resumed and not self.agent.replay:
                self._skip(history[self._read :])
        self._entries.extend(entries(history[self._read :], self._load, made_here))
        self._read = len(history)

    def _skip(self, messages: Sequence[StoredMessage]) -> None:
        """Skip what an earlier process has done, for a function that keeps its own state."""
        self.transcript.extend(said_in(messages, self._load))
        self.earlier = list(entries(messages, self._load))
        self.live = sum(isinstance(one, Live) for one in self.earlier)
        self._read += len(messages)

    # --- following ----------------------------------------------------------------------------------

    async def _apply(self, entry: Entry) -> None:
        if isinstance(entry, Live):
            self.unread.append(entry.text)
            self.live += 1
        elif isinstance(entry, Answer):
            call = self.by_id.pop(entry.call_id, None)
            if call and not call.answer.done():
                call.answer.set_result(entry)
        else:
            if entry.calls:
                await self._until_called(entry)
            elif not entry.made_here:
                await self._until_spoken()
            self.spoken = False
            if entry.text:
                self.transcript.append(Said("assistant", MessageText(entry.text)))

    async def _until_called(self, turn: RecordedTurn) -> None:
        missing = {id: key for id, key in turn.calls.items() if id not in self.by_id}
        while True:
            for id, key in list(missing.items()):
                if call := next((one for one in self.requested if one.key == key), None):
                    self.requested.remove(call)
                    self.by_id[id] = call
                    del missing[id]
            if not missing:
                return
            await self._progress()

    async def _until_spoken(self) -> None:
        """Wait for the end of a turn without calls, at which the function has said something and then either
        returns or waits for the live messages that follow in the history."""
        while not (self.spoken and (self.boundary is not None or _is_done(self.body))):
            await self._progress()

    async def _progress(self) -> None:
        """Wait until the function has done something more."""
        self._release()
        if _is_done(self.body):
            if self.body is not None and not self.unread:
                self.body.result()
                raise self.diverged("it came to its end")
            self.play(self._next_question())
        if self.requested:
            await self.settle()
            strange = [call for call in self.requested if not self._is_recorded(call.key)]
            if strange:
                raise self.diverged(f"it called {strange[0].name}")
        await self.woken()

    def _release(self) -> None:
        if self.boundary is not None and not self.boundary.done():
            self.boundary.set_result(None)
        self.boundary = None

    def _next_question(self) -> MessageText:
        if self.body is None:
            return self._asked
        question, self.unread = MessageText.joined(self.unread), []
        return question


def _is_done(body: asyncio.Task[None] | None) -> bool:
    return body is None or body.done()


def _has_returned(body: asyncio.Task[None]) -> bool:
    return body.done() and not body.cancelled() and body.exception() is None
