"""A pure projection of a run's log to AG-UI 1.0."""

from collections.abc import Sequence

import orjson

from millrace.domain.events import Detail, Event, LogEntry
from millrace.domain.projection import project, rewound_to
from millrace.protocols.ag_ui.run_state import RunState
from millrace.protocols.ag_ui.transcript import Chunk, Message, whole


class AgUiProjection:
    """The events of one run under the ids of the client's thread and run.

    AG-UI cannot take back events, but it can replace all messages: a `rewind` becomes a snapshot of the
    messages `before` the run, as the client has them, and of those of the run that remain. For a client
    without messages the run begins with a snapshot (`opening`).
    """

    def __init__(
        self,
        thread_id: str,
        run_id: str,
        detail: Detail,
        *,
        before: Sequence[Message] = (),
        opening: bool = False,
    ) -> None:
        self._ids = (thread_id, run_id)
        self._detail = detail
        self._before = before
        self._opening = opening
        self._state = RunState(thread_id, run_id)
        self._seen: list[tuple[int, int, Event]] = []

    def chunks(self, entry: LogEntry) -> Sequence[bytes]:
        """See `protocols.protocol.Projection`."""
        return [b"data: " + orjson.dumps(chunk) for chunk in self.events(entry)]

    def end(self, last: LogEntry | None) -> bytes:
        """See `protocols.protocol.Projection`. The last event ends the stream."""
        return b""

    def events(self, entry: LogEntry) -> list[Chunk]:
        """Return AG-UI's events for the next entry of the log."""
        if entry.type == "rewind":
            return self._rewind(rewound_to(entry))
        event = project(entry.event, self._detail)
        if event is None:
            return []
        self._seen.append((entry.seq, self._state.attempt, event))
        chunks = self._state.apply(event)
        if self._opening and chunks:
            self._opening = False
            chunks.insert(1, {"type": "MESSAGES_SNAPSHOT", "messages": list(self._before)})
        return chunks

    def _rewind(self, to: int) -> list[Chunk]:
        self._seen = [one for one in self._seen if one[0] <= to]
        old, new = self._state, RunState(*self._ids)
        for _, new.attempt, event in self._seen:
            new.apply(event)
        new.attempt = old.attempt + 1
        if (new.messages, new.subagents, new.steps) == (old.messages, old.subagents, old.steps):
            return []  # none of it was sent
        self._state, closed = new, new.continue_from(old)
        return [*closed, self._snapshot()] if old.running else []

    def _snapshot(self) -> Chunk:
        known = {message["id"] for message in self._before}
        own = [whole(message) for message in self._state.messages if message["id"] not in known]
        return {"type": "MESSAGES_SNAPSHOT", "messages": [*self._before, *own]}
