"""Parses frames of `application/vnd.amazon.eventstream` as bytes arrive.

Format: https://smithy.io/2.0/aws/amazon-eventstream.html: total length, headers' length, CRC of both,
headers, payload, CRC of all. botocore's `EventStreamBuffer` reads the same at several times the cost, most of
it for headers that repeat byte by byte. Here botocore's parser reads each kind of header once per answer.
"""

import struct
from binascii import crc32
from collections.abc import Iterator
from typing import Any

# Bedrock's frames contain a token or a piece of a tool's arguments.
FRAME_LIMIT = 1024 * 1024
# Bedrock repeats a few kinds; the limit keeps an unusual server from filling the memory.
HEADER_KINDS = 64

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")

Frame = tuple[dict[str, Any], bytes]


class EventStreamParser:
    """Cuts a byte stream into frames, (headers, payload), regardless of how the network split it.

    Raises `ValueError` for a frame that is damaged or longer than `FRAME_LIMIT` bytes.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._headers: dict[bytes, dict[str, Any]] = {}

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Return the frames that `chunk` completes."""
        data = self._rest + chunk if self._rest else chunk
        start, end = 0, len(data)
        while end - start >= _PRELUDE.size:
            total, size, check = _PRELUDE.unpack_from(data, start)
            if crc32(data[start : start + 8]) != check or not size + 16 <= total <= FRAME_LIMIT:
                raise ValueError("a damaged or too long event-stream frame")
            if end - start < total:
                break
            yield self._frame(data[start : start + total], size)
            start += total
        self._rest = data[start:]

    def _frame(self, frame: bytes, size: int) -> Frame:
        if crc32(frame[:-4]) != _CRC.unpack_from(frame, len(frame) - 4)[0]:
            raise ValueError("a damaged event-stream frame")
        packed = frame[12 : 12 + size]
        headers = self._headers.get(packed)
        if headers is None:
            headers = self._parsed(packed)
        return headers, frame[12 + size : -4]

    def _parsed(self, packed: bytes) -> dict[str, Any]:
        from botocore.eventstream import EventStreamHeaderParser, ParserError

        try:
            headers: dict[str, Any] = EventStreamHeaderParser().parse(packed)
        except (ParserError, struct.error, KeyError, ValueError) as error:
            raise ValueError(f"unreadable event-stream headers: {error!r:.100}") from error
        if len(self._headers) < HEADER_KINDS:
            self._headers[packed] = headers
        return headers
