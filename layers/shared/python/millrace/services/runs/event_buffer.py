"""A run's events between the agent and the log."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from millrace.domain.events import Event, LogEntry
from millrace.stores.event_log import encode
from millrace.stores.lease_record import Lease, Stopping
from millrace.stores.run_ends import LiveMessagesPending

FLUSH_BYTES = 1_000_000
FLUSH_EVENTS = 200
PIECE = 240_000
"""The maximum number of characters of one token or thought.

Each may take six bytes in JSON; an event has 1.5 MB.
"""
_TEXTS = {"token": "token", "thinking": "text", "tool_output": "output"}
"""The fields of events that a model or a tool may make arbitrarily long."""


class EventBuffer:
    """Numbers events and keeps them until they are logged.

    Clients see an event before the log is written, so it only gets a number that the lease reserves, which a
    process that takes over the run never uses again. If all reserved numbers are used, an event waits for the
    write that reserves more.
    """

    def __init__(self, lease: Lease, hand_out: Callable[[LogEntry], None]) -> None:
        self.seq = lease.seq
        self.unlogged: list[LogEntry] = []
        self.unnumbered: list[Event] = []
        self._size = 0
        self._lease = lease
        self._closed = False
        self._hand_out = hand_out

    @property
    def pending(self) -> bool:
        """True if a write has something to store or to reserve."""
        return bool(self.unlogged or self.unnumbered)

    @property
    def last_number(self) -> int:
        """The number that the last event has, or will have."""
        return self.seq + len(self.unnumbered)

    def add(self, event: Event) -> None:
        """Number an event and pass it on immediately if a number is available.

        An event with an overlong text becomes several.
        """
        # While an event waits for a number, all later ones wait too, because clients rely on the order.
        if self._closed or self.unnumbered or self.seq >= self._lease.reserved:
            self.unnumbered += _pieces(event)
        else:
            self._number(event)

    def _number(self, event: Event) -> None:
        seq = self.seq + 1
        logged = encode(seq, event)
        size = len(logged.data)
        # A text has at most as many characters as its JSON has bytes, so few events need a closer look.
        if size > PIECE and len(pieces := _pieces(event)) > 1:
            for piece in pieces:
                self.add(piece)
            return
        self.seq = seq
        self.unlogged.append(logged)
        self._size += size
        self._hand_out(logged)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Number nothing inside the block, which writes the last event.

        Events that arrive meanwhile wait, and are numbered if the run has to continue.
        """
        self._closed = True
        try:
            yield
        # After any other error, the last event may have been stored, and its number must not be used again.
        except (LiveMessagesPending, Stopping):
            self._closed = False
            self._number_waiting()
            raise

    def next_batch(self) -> list[LogEntry]:
        """Return the events for the next write."""
        if self._size <= FLUSH_BYTES:
            return list(self.unlogged)
        size = 0
        batch: list[LogEntry] = []
        for event in self.unlogged:
            size += len(event.data)
            # A single event may exceed a whole flush (`EVENT_BYTES`), but it still has to be written.
            if size > FLUSH_BYTES and batch:
                break
            batch.append(event)
        return batch

    def fits_one_write(self) -> bool:
        """Return whether the run may end with one more write."""
        return self.ends_with_one_write() and len(self.unlogged) <= FLUSH_EVENTS

    def ends_with_one_write(self) -> bool:
        """Return whether one more write logs everything."""
        return not self.unnumbered and self._size <= FLUSH_BYTES

    def written(self, batch: list[LogEntry]) -> None:
        """Drop the logged events, and number those that waited for the numbers reserved with them."""
        del self.unlogged[: len(batch)]
        self._size -= sum([len(event.data) for event in batch])
        self._number_waiting()

    def _number_waiting(self) -> None:
        room = self._lease.reserved - self.seq
        waiting, self.unnumbered = self.unnumbered[:room], self.unnumbered[room:]
        for event in waiting:
            self._number(event)


def _pieces(event: Event) -> Sequence[Event]:
    name = _TEXTS.get(event["type"])
    if name is None or len(event[name]) <= PIECE:
        return (event,)
    text = event[name]
    return [event | {name: text[at : at + PIECE]} for at in range(0, len(text), PIECE)]
