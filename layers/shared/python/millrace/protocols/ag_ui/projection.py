"""A run as AG-UI 1.0 shows it: a pure projection of its log, with one number for each chunk."""

from collections.abc import Sequence

from millrace.domain.events import Detail, Event, LogEntry
from millrace.domain.projection import project, rewound_to
from millrace.protocols.ag_ui.run_state import RunState
from millrace.protocols.ag_ui.transcript import Chunk, Message, whole
from millrace.protocols.numbers import number_of


class Projection:
    """Turns the events of one run, from the first on, into chunks. Those up to the event `after` belong to
    AG-UI's earlier runs: they ended where ours waited, and only shape what follows.

    AG-UI cannot take back what it said, but it can replace all messages: a `rewind` becomes a snapshot of
    the messages `before` the run and of what is left of its own."""

    def __init__(
        self,
        thread_id: str,
        run_id: str,
        detail: Detail,
        *,
        after: int = 0,
        before: Sequence[Message] = (),
    ) -> None:
        self._ids = (thread_id, run_id)
        self._detail = detail
        self._after = after
        self._before = before
        self._state = RunState(thread_id, run_id)
        self._seen: list[tuple[int, int, Event]] = []
        self._rewinds = 0
        self.over = False

    def feed(self, entry: LogEntry) -> list[tuple[int, Chunk]]:
        """The chunks of the next event, each with its number; 0 for those that no client may resume after."""
        if entry.type == "rewind":
            chunks = self._rewind(rewound_to(entry))
        else:
            event = project(entry.event, self._detail)
            chunks = self._apply(entry.seq, event) if event else []
        if entry.seq and entry.seq <= self._after:
            return []
        self.over = self._state.over
        return [(entry.seq and number_of(entry.seq, at), chunk) for at, chunk in enumerate(chunks)]

    def _apply(self, seq: int, event: Event) -> list[Chunk]:
        self._seen.append((seq, self._state.attempt, event))
        return self._state.apply(event)

    def _rewind(self, to: int) -> list[Chunk]:
        self._seen = [one for one in self._seen if one[0] <= to]
        old, new = self._state, RunState(*self._ids)
        for _, new.attempt, event in self._seen:
            new.apply(event)
        new.attempt = old.attempt + 1
        if (new.messages, new.subagents, new.steps) == (old.messages, old.subagents, old.steps):
            return []  # nothing of it was shown
        self._state, closed = new, new.continue_from(old)
        if not old.running:
            return []
        messages = [*self._before, *(whole(message) for message in new.messages)]
        return [*closed, {"type": "MESSAGES_SNAPSHOT", "messages": messages}]
