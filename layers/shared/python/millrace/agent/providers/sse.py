"""Server-Sent Events as bytes come: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Only `data` matters here: both protocols that use it repeat the event's name inside. Payloads stay bytes, for
the JSON parser to read as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from millrace.agent.model import Delta

EVENT_LIMIT = 16 * 1024 * 1024


class SseParser:
    """Cuts a byte stream into the payloads of its events, however the network cut the stream itself.

    Raises `ValueError` when one event passes `EVENT_LIMIT` bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._data: list[bytes] = []
        self._gathered = 0
        self._return = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads that `chunk` completes."""
        if self._return or b"\r" in chunk:
            chunk = self._plain(chunk)
        if b"\n" not in chunk:
            self._hold(chunk)
            return []
        if self._parts:
            chunk = b"".join((*self._parts, chunk))
            self._parts, self._held = [], 0
        lines = chunk.split(b"\n")
        rest = lines.pop()
        events = self._events(lines)
        self._hold(rest)
        return events

    def end(self) -> list[bytes]:
        """What a server left without its blank line at the end of the stream."""
        return self.feed(b"\n\n")

    def _plain(self, chunk: bytes) -> bytes:
        """`chunk` with one kind of line end; a carriage return at its end waits for its line feed."""
        if self._return:
            chunk = b"\r" + chunk
        self._return = chunk.endswith(b"\r")
        if self._return:
            chunk = chunk[:-1]
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._held += len(part)
        if self._held + self._gathered > EVENT_LIMIT:
            raise ValueError(f"an event of more than {EVENT_LIMIT} bytes")

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._gathered += len(line)
            elif not line and data:
                events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
                self._gathered = 0
        return events


class SseReader(ABC):
    """A `Reader` of a protocol over Server-Sent Events: subclasses read one payload and close the message."""

    done = False

    def __init__(self) -> None:
        self._parser = SseParser()

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """See `Reader`. Nothing is read behind the end of message."""
        for data in self._parser.feed(chunk):
            yield from self.read(data)
            if self.done:
                return

    def end(self) -> Iterator[Delta]:
        """See `Reader`."""
        if not self.done:
            for data in self._parser.end():
                yield from self.read(data)
        yield from self.close()

    @abstractmethod
    def read(self, data: bytes) -> Iterable[Delta]:
        """The deltas of one event."""

    @abstractmethod
    def close(self) -> Iterable[Delta]:
        """The tool calls and the `Finish`, or `ProviderError` without an end of message."""
