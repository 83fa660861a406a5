"""A protocol: a projection of a run's events to chunks, and the framing of its streams.

A projection is pure. It receives every event of one run, in order and from the first on, and its chunks
depend on nothing else: a replay by any process, at any time, gives the same bytes. So every stream can be
resumed after any chunk that a client has seen.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from millrace.domain.events import Detail, LogEntry
from millrace.domain.runs import Run

COMMENT = b": hb\n\n"
"""A heartbeat that is invisible to clients, most of which fail on unknown events."""
RETRY = b"retry: 1000\n\n"
"""Makes clients reconnect a second after they lose the connection. Also sent at the end of a stream that is
not the end of its run."""


class Projection(Protocol):
    """The chunks of one run in the form of one protocol, for one viewer."""

    def chunks(self, entry: LogEntry) -> Sequence[bytes]:
        """Return the chunks of the run's next event, or none if it is hidden. A chunk is an event of SSE
        without its id: the field `data` with one line of JSON, preceded by the field `event` if the protocol
        has one, without a line feed at its end."""

    def end(self, last: LogEntry | None) -> bytes:
        """Return the bytes after the last chunk of a stream that has really ended: with the run (`last` is
        its end), or because the run waits for people (`last` is `waiting`). They do not count as a chunk, and
        a stream that breaks off does not have them."""


class Encoder(Protocol):
    """The bytes of one stream."""

    def frames(self, batch: Sequence[LogEntry]) -> bytes:
        """Return the bytes of the next events; empty if the client may see none of them."""

    def end(self, last: LogEntry | None) -> bytes:
        """Return the bytes that end the stream after an event."""


class View(Struct, frozen=True):
    """A viewer's part of a run: the run, and the detail (limited by the agent's visibility)."""

    run: Run
    detail: Detail


ProjectionFactory = Callable[[View, Mapping[str, str]], Projection]
"""Creates the projection of a run for a viewer, and imports the protocol's code when called. The options come
from the request and depend on the protocol."""


class StreamProtocol(Struct, frozen=True):
    """A row of the table of protocols: the projection of a run (None: events are sent as they are), the
    heartbeat of silent streams, the headers of its streams, and the default detail."""

    name: str
    project: ProjectionFactory | None = None
    heartbeat: bytes = COMMENT
    headers: Mapping[str, str] = field(default_factory=dict)
    detail: Detail = "steps"

    def projection(self, view: View, options: Mapping[str, str] | None = None) -> Projection:
        """Return the projection of a run for a viewer. Raises `TypeError` if the protocol has none."""
        if self.project is None:
            raise TypeError(f"{self.name} projects nothing")
        return self.project(view, options or {})
