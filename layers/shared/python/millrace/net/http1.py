"""HTTP/1.1 (RFC 9112) as a client writes and reads it, without any I/O.

It is strict where leniency would let one answer pass for two: everything that violates the grammar is
refused. The result is the same as h11's, at a tenth of the CPU per chunk; `tests/net/test_http1.py` compares
them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

Headers = Sequence[tuple[bytes, bytes]]
Framing = Literal["none", "length", "chunked", "close"]

HEAD_BYTES = 100 * 1024
"""The maximum size of an answer's head including all interim ones before it, or of its trailers."""
LINE_BYTES = 4 * 1024
"""The maximum size of the line before a chunk."""
_TOKEN = rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+"
_VALUE = rb"(?:[^\x00\s]+(?:[ \t]+[^\x00\s]+)*)?"
_name = re.compile(_TOKEN).fullmatch
_value = re.compile(_VALUE).fullmatch
_target = re.compile(rb"[\x21-\x7e]+").fullmatch
_digits = re.compile(rb"[0-9]{1,18}").fullmatch
# There is only one way to match each text: with two, a long line of spaces from a server would be tried in
# all of them.
_field = re.compile(rb"(%b):[ \t]*+(%b)[ \t]*" % (_TOKEN, _VALUE)).fullmatch
_status = re.compile(rb"HTTP/([0-9]\.[0-9]) ([1-9][0-9]{2})(?: ((?:[ \t]|[^\x00\s])*))?").fullmatch
_head_end = re.compile(rb"\n\r?\n")
_SIZE = rb"([0-9a-fA-F]{1,16})(?:;[^\r\n]*|[ \t]*)\r\n"
_first_size, _next_size = re.compile(_SIZE).match, re.compile(rb"\r\n" + _SIZE).match
_BEGUN = rb"[0-9a-fA-F]{0,16}(?:(?<=.);[^\r\n]*|[ \t]*)\r?"
_first_begun = re.compile(_BEGUN).fullmatch
_next_begun = re.compile(rb"\r?|\r\n" + _BEGUN).fullmatch


class Malformed(Exception):
    """Bytes that are not valid HTTP/1.1, either read or to be written."""


class Head(Struct, frozen=True):
    """The beginning of an answer."""

    version: bytes
    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of a header in lower case, split at commas."""
        found = [value for key, value in self.headers if key.lower() == name]
        return [part.strip().lower() for value in found for part in value.split(b",")]


def write_head(method: bytes, target: bytes, headers: Headers) -> bytes:
    """Return the head of a request. Raises `Malformed` if it would not arrive unchanged."""
    if not _name(method) or not _target(target):
        raise Malformed(f"not a request line: {method!r:.40} {target!r:.80}")
    for name, value in headers:
        if not _name(name) or not _value(value):
            raise Malformed(f"not a header: {name!r:.80}")
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, b"".join(lines))


def framing_of(headers: Headers) -> tuple[Framing, int]:
    """Return the framing of a request's body by its headers, and its length. Raises `Malformed`."""
    lengths = [value for name, value in headers if name.lower() == b"content-length"]
    codings = [value.lower() for name, value in headers if name.lower() == b"transfer-encoding"]
    if codings:
        if codings != [b"chunked"] or lengths:
            raise Malformed("a body is either chunked or has a length")
        return "chunked", 0
    if not lengths:
        return "none", 0
    if len(lengths) > 1 or not _digits(lengths[0]):
        raise Malformed("a body has one length")
    return "length", int(lengths[0])


def chunk(data: bytes) -> bytes:
    """Return a part of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class AnswerReader:
    """Reads one answer as its bytes arrive, regardless of how the network split them. Interim answers (1xx)
    are skipped.

    `head` is set once it has been read. `feed` returns the parts of the body that the bytes complete, until
    `done`. Bytes after an answer must not become part of the next one, so the connection is then not
    `reusable`.
    """

    def __init__(self, method: bytes) -> None:
        self.head: Head | None = None
        self.done = False
        self.wrong: Malformed | None = None
        self._keeps = False
        self._method = method
        self._held = bytearray()  # an incomplete head or line
        self._interim = 0  # bytes of interim heads
        self._left = 0
        self._framing: Framing = "none"
        self._begun = self._last = False

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes. After invalid HTTP the answer is `wrong`, but what came before it still counts."""
        parts: list[bytes] = []
        if self.wrong is None:
            try:
                self._read(data, parts)
            except Malformed as error:
                self.wrong = error
        return parts

    def _read(self, data: bytes, parts: list[bytes]) -> None:
        if self.head is None:
            data = self._read_head(data)
            if self.head is None:
                return
        if self.done:
            self._end_before(data)
        elif self._framing == "chunked":
            self._read_chunks(data, parts)
        elif self._framing == "close":
            parts += [data] if data else []
        else:
            self._read_length(data, parts)

    def _read_length(self, data: bytes, parts: list[bytes]) -> None:
        data, rest = data[: self._left], data[self._left :]
        parts += [data] if data else []
        self._left -= len(data)
        if not self._left:
            self._end_before(rest)

    def end(self) -> None:
        """Handle the end of the connection. Raises `Malformed` if the answer is incomplete."""
        if self.wrong is not None:
            raise self.wrong
        if self.head is None:
            raise Malformed("the server closed the connection without an answer")
        if self._framing != "close" and not self.done:
            raise Malformed("the server closed the connection in the middle of its answer")
        self.done, self._keeps = True, False

    @property
    def reusable(self) -> bool:
        """Return whether the connection may serve another request."""
        return self.done and self._keeps

    def _end_before(self, rest: bytes) -> None:
        self.done = True
        self._keeps = self._keeps and not rest

    def _read_head(self, data: bytes) -> bytes:
        """Return what follows the head, once that is complete."""
        searched = max(0, len(self._held) - 3)
        self._held += data
        while end := _head_end.search(self._held, searched):
            self._check_head(end.end())
            head = _head(bytes(self._held[: end.start()]))
            self._interim += end.end()
            rest, searched = self._held[end.end() :], 0
            self._held = rest
            if head.status == 101:
                raise Malformed("the server changes the protocol")
            if head.status >= 200:
                self._held = bytearray()
                self._begin(head)
                return bytes(rest)
        self._check_head(len(self._held))
        return b""

    def _check_head(self, size: int) -> None:
        if self._interim + size > HEAD_BYTES:
            raise Malformed(f"a head of more than {HEAD_BYTES:,} bytes")

    def _begin(self, head: Head) -> None:
        self._framing, self._left = _framing_of_answer(head, self._method)
        closes = head.version != b"1.1" or b"close" in head.all(b"connection")
        self._keeps = not closes and self._framing != "close"
        self.done = self._framing in ("none", "length") and not self._left
        self.head = head

    def _read_chunks(self, data: bytes, parts: list[bytes]) -> None:
        if self._held:
            data = bytes(self._held) + data
            self._held = bytearray()
        if self._last:
            return self._read_trailers(data)
        at, size = 0, len(data)
        while at < size:
            if self._left:
                part = data[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                continue
            line = (_next_size if self._begun else _first_size)(data, at)
            if line is None:
                return self._hold_line(data[at:])
            self._begun, self._left, at = True, int(line[1], 16), line.end()
            if not self._left:
                self._last = True
                return self._read_trailers(data[at:])

    def _hold_line(self, rest: bytes) -> None:
        begun = _next_begun if self._begun else _first_begun
        if len(rest) > LINE_BYTES or not begun(rest):
            raise Malformed("a chunk without its length")
        self._held += rest

    def _read_trailers(self, data: bytes) -> None:
        """Skip the fields after the last chunk, up to the empty line."""
        if data in (b"", b"\r"):
            self._held += data
            return
        end = re.match(rb"\r?\n", data) or _head_end.search(data)
        if (len(data) if end is None else end.end()) > HEAD_BYTES:
            raise Malformed(f"trailers of more than {HEAD_BYTES:,} bytes")
        if end is None:
            self._held += data
            return
        list(_fields(data[: end.start()].split(b"\n") if end.start() else []))
        self._end_before(data[end.end() :])


def _head(data: bytes) -> Head:
    first, *lines = data.split(b"\n")
    line = _status(first.removesuffix(b"\r"))
    if line is None:
        raise Malformed(f"not a status line: {first!r:.80}")
    return Head(line[1], int(line[2]), line[3] or b"", list(_fields(lines)))


def _fields(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for line in _unfolded(line.removesuffix(b"\r") for line in lines):
        field = _field(line)
        if field is None:
            raise Malformed(f"not a header: {line!r:.80}")
        yield field[1], field[2]


def _unfolded(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without obsolete folding: one that begins with white space continues the line before."""
    folded: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if not folded:
                raise Malformed("a continuation line without a header")
            folded.append(line.lstrip(b" \t"))
            continue
        if folded:
            yield b" ".join(folded)
        folded = [line]
    if folded:
        yield b" ".join(folded)


def _framing_of_answer(head: Head, method: bytes) -> tuple[Framing, int]:
    """Return the framing of an answer's body (RFC 9112, 6.3), and its length. Raises `Malformed`."""
    codings, lengths = head.all(b"transfer-encoding"), set(head.all(b"content-length"))
    if codings not in ([], [b"chunked"]):
        raise Malformed("a transfer coding that was not requested")
    if len(lengths) > 1 or not all(map(_digits, lengths)):
        raise Malformed("an answer of more than one length")
    if method == b"HEAD" or head.status in (204, 304):
        return "none", 0
    if codings:
        return "chunked", 0
    return ("length", int(lengths.pop())) if lengths else ("close", 0)
