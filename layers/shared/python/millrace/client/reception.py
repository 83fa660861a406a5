"""The part of a stream that its two kinds, blocking and asynchronous, have in common."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from millrace.client.follow import Cursor, Follower
from millrace.client.sse import Message
from millrace.client.state import RunState

E = TypeVar("E")


class Reception(Generic[E]):
    """The events that have come and have not been taken yet."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._pending: deque[Message] = deque()

    @property
    def _cursor(self) -> Cursor:
        return self._follower.cursor

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that was returned. A stream can continue after it, also in another
        process."""
        return self._cursor.last_id

    def _add(self, messages: Iterable[Message]) -> None:
        self._pending.extend(messages)

    def _next(self) -> E | None:
        """Return the next event, None where nothing is there. Heartbeats, and what another connection has
        brought already, are passed over."""
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
        """An event is about to be given to the caller."""


class RunReception(Reception[E]):
    """A stream of a run. `state` is what the events so far add up to."""

    def __init__(self, follower: Follower) -> None:
        super().__init__(follower)
        self.state = RunState()

    @property
    def run_id(self) -> str | None:
        """The run, once it is known."""
        return self._cursor.run_id

    @property
    def accepted(self) -> Mapping[str, Any] | None:
        """The live message that the message became, where it went to a run at work (`if_busy="inject"`)."""
        return self._follower.accepted

    def _on_event(self, message: Message) -> None:
        self.state.apply(cast(Any, message.event), message.id)
