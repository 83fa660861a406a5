"""Parses Server-Sent Events as bytes arrive: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Only `data` and errors matter here: both protocols that use it repeat the event's name inside. Some servers
report an error only by the event's name, or in a nonstandard field called `error`. Payloads stay bytes, which
the JSON parser reads directly.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from millrace.agent.model import Delta
from millrace.domain.line_ends import LineEnds

EVENT_LIMIT = 16 * 1024 * 1024
EXCERPT = 200
SHORT = 16
"""A shorter payload cannot be a piece of an answer."""
BOM = b"\xef\xbb\xbf"
_ODD = (b"error:", b"event: error", b"event:error", BOM)
_NO_DATA = (b"", b"null")
SHAPE_ERRORS = (ValueError, TypeError, KeyError, AttributeError, IndexError)
"""The exceptions that reading JSON of an unexpected shape raises."""


class ErrorData(bytes):
    """The payload of an event that its server marked as an error."""


class SseParser:
    """Cuts a byte stream into the payloads of its events, regardless of how the network split it.

    Raises `ValueError` if one event exceeds `EVENT_LIMIT` bytes.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._gathered = 0
        self._ends = LineEnds()
        self._is_error = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the payloads that `chunk` completes."""
        chunk = self._ends.plain(chunk)
        if b"\n" not in chunk:
            self._hold(chunk)
            return []
        if self._parts:
            chunk = b"".join((*self._parts, chunk))
            self._parts, self._size = [], 0
        lines = chunk.split(b"\n")
        rest = lines.pop()
        events = self._events(lines)
        self._hold(rest)
        return events

    def end(self) -> list[bytes]:
        """Return the events at the end of the stream that have no blank line after them."""
        return self.feed(b"\n\n")

    def _hold(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._size += len(part)
        if self._size + self._gathered > EVENT_LIMIT:
            raise ValueError(f"an event of more than {EVENT_LIMIT} bytes")

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._gathered += len(line)
            elif not line:
                if data:
                    event = data[0] if len(data) == 1 else b"\n".join(data)
                    events.append(ErrorData(event) if self._is_error else event)
                    data.clear()
                    self._gathered = 0
                self._is_error = False
            elif line.startswith(_ODD):
                self._odd(line)
        return events

    def _odd(self, line: bytes) -> None:
        """Handle a line that reports an error or begins with a byte order mark."""
        if line.startswith(BOM):
            self._events([line[3:]])
            return
        self._is_error = True
        if line.startswith(b"error:"):
            self._data.append(line[6:])
            self._gathered += len(line)


class SseReader(ABC):
    """A `Reader` of a protocol over Server-Sent Events. Subclasses read payloads and close the message."""

    done = False
    reads_json = False

    def __init__(self) -> None:
        self._parser = SseParser()

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """See `Reader`. Nothing is read after the end of the message."""
        for data in self._parser.feed(chunk):
            # Not isinstance, since an `ErrorData` is bytes as well.
            usual = type(data) is bytes and len(data) >= SHORT
            try:
                found = self.read(data) if usual else self._odd(data)
            except SHAPE_ERRORS as error:
                raise _unreadable(data, error) from error
            # A tuple is complete, so a token needs no guard; a generator may fail while it is read.
            yield from found if type(found) is tuple else _guarded(found, data)
            if self.done:
                return

    def end(self) -> Iterator[Delta]:
        """See `Reader`."""
        if not self.done:
            yield from self.feed(b"\n\n")
        yield from self.close()

    def _odd(self, data: bytes) -> Iterator[Delta]:
        """Yield the deltas of an event that is short or an error. An empty one, which some servers send to
        keep a connection open, has none."""
        if data.strip() not in _NO_DATA:
            yield from self.read(data) if type(data) is bytes else self.read_error(data)

    @abstractmethod
    def read(self, data: bytes) -> Iterable[Delta]:
        """Return the deltas of one event."""

    @abstractmethod
    def read_error(self, data: bytes) -> Iterable[Delta]:
        """Raise the `ProviderError` for an event that its server marked as an error."""

    @abstractmethod
    def close(self) -> Iterable[Delta]:
        """Return the tool calls and the `Finish`. Raises `ProviderError` if the message has not ended."""


def _guarded(deltas: Iterable[Delta], data: bytes) -> Iterator[Delta]:
    try:
        yield from deltas
    except SHAPE_ERRORS as error:
        raise _unreadable(data, error) from error


def _unreadable(data: bytes, error: Exception) -> ValueError:
    """Return the error with the beginning of the event, which may be all that the server says about a
    failure."""
    excerpt = data[:EXCERPT].decode(errors="replace")
    return ValueError(f"{excerpt} ({type(error).__name__}: {error!s:.80})")
