"""Generated logs of runs, for the property tests of every protocol.

A run is made of a seed and its most turns: hypothesis chooses them for `runs`; `some_runs` makes the
same batch each time, for validators that are slow to start. In a log there are thinking and tokens,
statuses, several tools at once with their results in any order, sub-agents and what they call, live
messages, approvals, questions and tools of the client with their answers, takeovers (`rewind`) in a turn
and among results, with the gap in the numbers that they leave, and every kind of end; or none, where the
run is still at work or waits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from millrace.domain import events
from millrace.domain.agents import ECHO
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.event_ids import EventId
from millrace.domain.events import Event, LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import Run
from millrace.stores.event_log import encode

WORDS = (
    "Hello",
    " world",
    "\n\n",
    "Grüße 👋",
    ' "quoted" ',
    "\\",
    "\r",
    "\u2028",
    "data: x",
    "</b>",
    "",
    " and so on",
)
NAMES = ("search", "refund", "orders__find", "agent_writer")
MOST_TURNS = 3
BEGAN_MS = 1_767_323_045_678
EXPIRES = "2030-01-01T00:00:00.000Z"
REASONS = ("stop", "max_tokens", "max_iterations", "max_cost", "refusal", "other", "stopped", "interrupted")


@dataclass(frozen=True)
class GeneratedRun:
    """A run with its log; `over` once it has ended, `waits` where it waits for people."""

    run: Run
    entries: list[LogEntry]

    @property
    def last(self) -> LogEntry:
        return self.entries[-1]

    @property
    def over(self) -> bool:
        return self.last.type in ("done", "error")

    @property
    def waits(self) -> bool:
        return self.last.type == "waiting"

    @property
    def answer(self) -> str:
        """The text that a reader has in the end."""
        own = [one.event for one in settled(self.entries) if "parent" not in one.event]
        return "".join(event["token"] for event in own if event["type"] == "token")


def runs() -> st.SearchStrategy[GeneratedRun]:
    """Logs of any kind."""
    return _runs(ends=False)


def ended_runs() -> st.SearchStrategy[GeneratedRun]:
    """Logs with an end."""
    return _runs(ends=True)


def _runs(*, ends: bool) -> st.SearchStrategy[GeneratedRun]:
    seeds, turns = st.integers(0, 2**32), st.integers(0, MOST_TURNS)
    return st.builds(lambda seed, turns: _Writer(Random(seed), turns, ends).write(), seeds, turns)


def run_of(seed: int, turns: int) -> GeneratedRun:
    """The run of a seed, such as one that a property has failed on."""
    return _Writer(Random(seed), turns, ends=False).write()


def some_runs(count: int, *, ends: bool = False) -> list[GeneratedRun]:
    """The same logs at every call."""
    return [_Writer(Random(seed), MOST_TURNS, ends).write() for seed in range(count)]


@dataclass
class _Call:
    """A call of a tool. `kind` is that of a call which waits for somebody, empty for one that runs."""

    id: str
    name: str
    kind: str
    arguments: dict[str, Any]


@dataclass
class _Writer:
    """Writes one log. `saved` is the last event that a process which takes over would keep."""

    random: Random
    turns: int
    ends: bool
    seq: int = 0
    saved: int = 1
    ids: int = 0
    iteration: int = 0
    entries: list[LogEntry] = field(default_factory=list)
    stopped: bool = False
    _asked: int = 0

    def write(self) -> GeneratedRun:
        run = self._run()
        self._add(events.start(run.id, run.slot.conversation_id, run.message_id, run.agent_id))
        for _ in range(self.random.randint(0, self.turns)):
            if not self.stopped:
                self._turn(calls=True)
        if not self.stopped:
            self._turn(calls=False)
        if not self.stopped and (self.ends or self._often()):
            self._end(run)
        return GeneratedRun(run, self.entries)

    def _run(self) -> Run:
        name = f"{self.random.randint(0, 10**6):06d}"
        return Run(
            id=f"run_{name}",
            slot=Slot("org", "c1"),
            agent_id=ECHO.id,
            agent_name=ECHO.name,
            model="echo:",
            visibility="full",
            state="running",
            started_at=iso(BEGAN_MS),
            message_id=f"msg_{name}",
        )

    # --- choices -----------------------------------------------------------------------------------

    def _often(self) -> bool:
        return self.random.random() < 0.8

    def _seldom(self) -> bool:
        return self.random.random() < 0.15

    def _words(self, most: int = 4) -> Iterator[str]:
        for _ in range(self.random.randint(0, most)):
            yield self.random.choice(WORDS)

    def _id(self, kind: str) -> str:
        self.ids += 1
        return f"{kind}_{self.ids}"

    # --- the log -----------------------------------------------------------------------------------

    def _add(self, event: Event) -> None:
        self.seq += 1
        self.entries.append(encode(self.seq, event)._replace(at=BEGAN_MS + self.seq))

    def _save(self) -> None:
        """A step is stored: nothing before it is told again."""
        self.saved = self.seq

    def _turn(self, *, calls: bool) -> None:
        self.iteration += 1
        while self._seldom():
            self._add(events.injected(self._id("msg"), self.random.choice(WORDS), self.iteration))
            self._save()
        while self._seldom():
            self._speak(calls=calls)
            self._taken_over()
        made = self._speak(calls=calls)
        if made:
            self._save()
            self._results(made)

    def _speak(self, *, calls: bool) -> list[_Call]:
        """A turn of the model: what it thinks and says, and the calls that it makes."""
        if self._seldom():
            self._add(events.status("Trying again.", "⏳", self.random.choice([None, "steps"])))
        for word in self._words():
            self._add(events.thinking(word))
        for word in self._words():
            self._add(events.token(word))
        if self._seldom():  # a ReAct line: the same id each time
            self._add(events.tool_call("react", "look", {"input": "x"}))
            self._add(events.tool_result("react", "look", True, "seen", "seen", None))
        return [self._call() for _ in range(self.random.randint(1, 3))] if calls else []

    def _call(self) -> _Call:
        kind = self.random.choice(["", "", "", "approval", "question", "client"])
        name = {"question": "ask_user", "client": "pick_color"}.get(kind) or self.random.choice(NAMES)
        made = _Call(self._id("call"), name, kind, {"q": self.random.choice(WORDS), "n": 1})
        # A model may write arguments that are no JSON; such a call fails.
        arguments = '{"q": ' if not kind and self._seldom() else made.arguments
        self._add(events.tool_call(made.id, name, arguments, client=kind == "client"))
        return made

    def _results(self, calls: list[_Call]) -> None:
        waiting = [call for call in calls if call.kind]
        self._request(waiting)
        self._run_tools([call for call in calls if not call.kind], waiting)
        if not waiting:
            return
        named = [{"callId": call.id, "kind": call.kind, "name": call.name} for call in waiting]
        self._add(events.waiting(named, EXPIRES))
        self._save()
        if self._seldom() and not self.ends:
            self.stopped = True  # nobody has answered yet
            return
        for call in waiting:
            self._answered(call)
        self._save()

    def _run_tools(self, ready: list[_Call], waiting: list[_Call]) -> None:
        """Results in any order, some of which were told and not stored, so that they are told again."""
        left = self.random.sample(ready, len(ready))
        while left:
            if self._seldom():
                for call in left[: self.random.randint(0, len(left))]:
                    self._nested_and_result(call)
                void = self._asked > self.saved
                self._taken_over()
                self._request(waiting if void else [])
            self._nested_and_result(left.pop(0))
            if self._often():
                self._save()
        self._save()

    def _request(self, waiting: list[_Call]) -> None:
        for call in waiting:
            self._add(self._requested(call))
        self._asked = self.seq

    def _nested_and_result(self, call: _Call) -> None:
        if call.name == "agent_writer":
            self._sub_agent(call.id)
        ok = self._often()
        text = "".join(self._words())
        self._add(events.tool_result(call.id, call.name, ok, text[:20], text, self.random.choice([None, 12])))

    def _sub_agent(self, parent: str) -> None:
        tags = {"parent": parent, "agentId": "writer"}
        if self._seldom():
            tags["visibility"] = "answer"
        for word in self._words(2):
            self._add(events.thinking(word) | tags)
        if self._seldom():
            nested = self._id("call")
            self._add(events.tool_call(nested, "search", {"q": 1}) | tags)
            self._add(events.tool_result(nested, "search", True, "ok", "ok", 1) | tags)
        for word in self._words(2):
            self._add(events.token(word) | tags)

    def _requested(self, call: _Call) -> Event:
        asked = call.kind == "question"
        return events.approval_requested(
            call.id,
            call.kind,
            call.name,
            call.arguments,
            EXPIRES,
            "Which one?" if asked else None,
            ["a", "b"] if asked and self._often() else None,
            {"type": "string"} if asked and self._seldom() else None,
        )

    def _answered(self, call: _Call) -> None:
        agreed = self.random.choice([True, True, False])
        decision = ("approve" if call.kind == "approval" else "answer") if agreed else "reject"
        by = "boss" if agreed or self._often() else None
        reason = None if agreed else self.random.choice([None, "No."])
        self._add(
            events.approval_answered(
                call.id, call.kind, call.name, decision, by, reason or (None if by else "expired")
            )
        )
        text = "a" if agreed else "It was rejected."
        ok = agreed and (call.kind != "approval" or self._often())
        self._add(events.tool_result(call.id, call.name, ok, text, text, None))

    def _taken_over(self) -> None:
        """Another process goes on from what is saved: the log of the one before may lack what it told last,
        and the numbers begin behind all that it may have given."""
        after = self.saved
        while self.entries[-1].seq > after and self._seldom():
            self.entries.pop()
        self.seq += self.random.choice([0, 3, 10_000])
        self._add(events.rewind(str(EventId(self._run_id, after))))
        # What follows may be taken back to this place, never to one before it.
        self._save()

    @property
    def _run_id(self) -> str:
        run_id: str = self.entries[0].event["runId"]
        return run_id

    def _end(self, run: Run) -> None:
        usage = {"input": 12, "output": 3, "total": 15}
        ends: list[Callable[[], Event]] = [
            lambda: events.done(run.message_id, usage, 0.25, self.random.choice(REASONS), 1234),
            lambda: events.done(run.message_id, usage, None, "stop", 1) | {"output": {"answer": [1, None]}},
            lambda: events.done(run.message_id, None, None, "stopped", None),
            lambda: events.error("The model is down.", "provider_unavailable", True),
            events.deleted,
        ]
        self._add(self.random.choice(ends)())
