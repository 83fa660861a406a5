"""A protocol: a projection of a run's events to chunks, and how its streams are framed.

A projection is pure. It is given every event of one run, in order and from the first on, and the chunks that
it makes depend on nothing else: a replay by any process, at any time, gives the same bytes. So every stream
can go on behind any chunk of it that a client has seen.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from millrace.domain.events import Detail, LogEntry
from millrace.domain.runs import Run

COMMENT = b": hb\n\n"
"""A heartbeat that clients do not see: most of them fail on an event that they do not know."""
RETRY = b"retry: 1000\n\n"
"""Clients that lose the connection come back after a second. Also the end of a stream that is not the end of
what it follows."""


class Projection(Protocol):
    """The chunks of one run, in the form of one protocol, as one viewer may see them."""

    def chunks(self, entry: LogEntry) -> Sequence[bytes]:
        """Return the chunks of the run's next event, none for one that is hidden. A chunk is what SSE calls
        an event, without its id: the field `data` with one line of JSON, the field `event` before it where
        the protocol has one, no line feed at its end."""

    def end(self, last: LogEntry | None) -> bytes:
        """Return the bytes behind the last chunk of a stream that ends for good: with the run (`last` is its
        end), or since the run waits for people (`last` is `waiting`). They are not counted as a chunk, and
        a stream that breaks off does not have them."""


class Encoder(Protocol):
    """The bytes of one stream."""

    def frames(self, batch: Sequence[LogEntry]) -> bytes:
        """Return the bytes of the next events; empty when the client may see nothing of them."""

    def end(self, last: LogEntry | None) -> bytes:
        """Return the bytes with which the stream ends behind an event."""


class View(Struct, frozen=True):
    """A viewer's part of a run: which run, in what detail (capped by the agent's visibility)."""

    run: Run
    detail: Detail


ProjectionFactory = Callable[[View, Mapping[str, str]], Projection]
"""Makes the projection of a run for a viewer, and imports the protocol's code when it is called. The options
are the request's; which there are is the protocol's own matter."""


class StreamProtocol(Struct, frozen=True):
    """A row of the table of protocols: how a run is projected (None: it is not, events are sent as they are),
    what keeps a silent stream alive, the headers of its streams, and in what detail they are where the client
    asks for none."""

    name: str
    project: ProjectionFactory | None = None
    heartbeat: bytes = COMMENT
    headers: Mapping[str, str] = field(default_factory=dict)
    detail: Detail = "steps"

    def projection(self, view: View, options: Mapping[str, str] | None = None) -> Projection:
        """Return the projection of a run for a viewer. Raises `TypeError` for a protocol without one."""
        if self.project is None:
            raise TypeError(f"{self.name} projects nothing")
        return self.project(view, options or {})
