"""Server-Sent Events as bytes come: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Only `data` and errors matter here: both protocols that use it repeat the event's name inside, and some
servers tell an error by the event's name alone, or in a field called `error`, which is none of the standard.
Payloads stay bytes, for the JSON parser to read as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from millrace.agent.model import Delta
from millrace.domain.line_ends import LineEnds

EVENT_LIMIT = 16 * 1024 * 1024
EXCERPT = 200
SHORT = 16
"""A shorter payload is no piece of an answer."""
BOM = b"\xef\xbb\xbf"
_ODD = (b"error:", b"event: error", b"event:error", BOM)
_NO_DATA = (b"", b"null")
SHAPE_ERRORS = (ValueError, TypeError, KeyError, AttributeError, IndexError)
"""What reading a JSON of an unexpected shape raises."""


class ErrorData(bytes):
    """The payload of an event that its server calls an error."""


class SseParser:
    """Cuts a byte stream into the payloads of its events, however the network cut the stream itself.

    Raises `ValueError` when one event passes `EVENT_LIMIT` bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._gathered = 0
        self._ends = LineEnds()
        self._is_error = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads that `chunk` completes."""
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
        """Return the events that a server left without their blank line at the end of the stream."""
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
        """A line that tells an error, or has a byte order mark before it."""
        if line.startswith(BOM):
            self._events([line[3:]])
            return
        self._is_error = True
        if line.startswith(b"error:"):
            self._data.append(line[6:])
            self._gathered += len(line)


class SseReader(ABC):
    """A `Reader` of a protocol over Server-Sent Events: subclasses read one payload and close the message."""

    done = False
    reads_json = False

    def __init__(self) -> None:
        self._parser = SseParser()

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """See `Reader`. Nothing is read behind the end of message."""
        for data in self._parser.feed(chunk):
            # Not isinstance: an `ErrorData` is bytes as well.
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
        """The deltas of an event that is short or an error; none of one that says nothing, as some servers
        send to keep a connection open."""
        if data.strip() not in _NO_DATA:
            yield from self.read(data) if type(data) is bytes else self.read_error(data)

    @abstractmethod
    def read(self, data: bytes) -> Iterable[Delta]:
        """The deltas of one event."""

    @abstractmethod
    def read_error(self, data: bytes) -> Iterable[Delta]:
        """Raise the `ProviderError` that an event stands for whose server calls it an error."""

    @abstractmethod
    def close(self) -> Iterable[Delta]:
        """The tool calls and the `Finish`, or `ProviderError` without an end of message."""


def _guarded(deltas: Iterable[Delta], data: bytes) -> Iterator[Delta]:
    try:
        yield from deltas
    except SHAPE_ERRORS as error:
        raise _unreadable(data, error) from error


def _unreadable(data: bytes, error: Exception) -> ValueError:
    """The error with the beginning of the event: it may be all that a server says of its failure."""
    excerpt = data[:EXCERPT].decode(errors="replace")
    return ValueError(f"{excerpt} ({type(error).__name__}: {error!s:.80})")
