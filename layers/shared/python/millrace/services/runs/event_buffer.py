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
"""The most characters of one token or thought: each may take six bytes in JSON, and an event has 1.5 MB."""
_TEXTS = {"token": "token", "thinking": "text", "tool_output": "output"}
"""The fields of events that a model or a tool may make as long as it likes."""


class EventBuffer:
    """Numbers events and keeps them until they are logged.

    Clients see an event before the log is written, so a number is given only while the lease reserves it: no
    process that takes the run over gives it again. An event that comes when all reserved numbers are given
    waits for the write that reserves more."""

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
        """True when a write has something to store, or to reserve."""
        return bool(self.unlogged or self.unnumbered)

    @property
    def last_number(self) -> int:
        """The number that the last event has, or will have."""
        return self.seq + len(self.unnumbered)

    def add(self, event: Event) -> None:
        """Number an event and hand it out, at once if a number is there: several in its place when its
        text is longer than one may be."""
        # While one event waits for a number, all that follow wait behind it: clients rely on the order.
        if self._closed or self.unnumbered or self.seq >= self._lease.reserved:
            self.unnumbered += _pieces(event)
        else:
            self._number(event)

    def _number(self, event: Event) -> None:
        seq = self.seq + 1
        logged = encode(seq, event)
        size = len(logged.data)
        # A text has no more characters than its JSON has bytes: few events are looked at for theirs.
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
        """Number nothing inside the block, in which the last event is written: what comes meanwhile waits,
        and is numbered after all when the run has to go on."""
        self._closed = True
        try:
            yield
        # After any other error the last event may have been stored, and its number must not be given twice.
        except (LiveMessagesPending, Stopping):
            self._closed = False
            self._number_waiting()
            raise

    def next_batch(self) -> list[LogEntry]:
        """Return what the next write can hold."""
        if self._size <= FLUSH_BYTES:
            return list(self.unlogged)
        size = 0
        batch: list[LogEntry] = []
        for event in self.unlogged:
            size += len(event.data)
            # One event may be larger than a whole flush (`EVENT_BYTES`); it still has to be written.
            if size > FLUSH_BYTES and batch:
                break
            batch.append(event)
        return batch

    def fits_one_write(self) -> bool:
        """Return whether the run may end with one more write."""
        return self.ends_with_one_write() and len(self.unlogged) <= FLUSH_EVENTS

    def ends_with_one_write(self) -> bool:
        """Return whether one more write logs all that has come."""
        return not self.unnumbered and self._size <= FLUSH_BYTES

    def written(self, batch: list[LogEntry]) -> None:
        """Forget what has been logged, and number what waited for the numbers reserved with it."""
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
