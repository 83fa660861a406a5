"""The part of a stream that the blocking and the asynchronous one share."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from millrace.client.follow import Cursor, Follower
from millrace.client.sse import Message
from millrace.client.state import RunState

E = TypeVar("E")


class Reception(Generic[E]):
    """The events that have arrived and have not been read yet."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._pending: deque[Message] = deque()

    @property
    def _cursor(self) -> Cursor:
        return self._follower.cursor

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that was returned. A stream can be continued after it, even in another
        process."""
        return self._cursor.last_id

    def _add(self, messages: Iterable[Message]) -> None:
        self._pending.extend(messages)

    def _next(self) -> E | None:
        """Return the next event, or None if there is none. Heartbeats, and events that another connection
        already delivered, are skipped."""
        cursor = self._cursor
        while self._pending:
            message = self._pending.popleft()
            if message.event["type"] == "heartbeat":
                cursor.last_id = message.id or cursor.last_id
            elif not cursor.is_old(message.id):
                cursor.pass_to(message)
                self._on_event(message)
                return cast(E, message.event)
        return None

    def _on_event(self, message: Message) -> None:
        """Handle an event before it is returned to the caller."""


class RunReception(Reception[E]):
    """A stream of a run. `state` is the result of the events so far."""

    def __init__(self, follower: Follower) -> None:
        super().__init__(follower)
        self.state = RunState()

    @property
    def run_id(self) -> str | None:
        """The id of the run, once it is known."""
        return self._cursor.run_id

    @property
    def accepted(self) -> Mapping[str, Any] | None:
        """The live message that the message became, if it was sent to an active run (`if_busy="inject"`)."""
        return self._follower.accepted

    def _on_event(self, message: Message) -> None:
        self.state.apply(cast(Any, message.event), message.id)
