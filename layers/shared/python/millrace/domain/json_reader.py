"""The reader of all JSON that comes from outside, so that a document means the same wherever it arrives.

UTF-8, with or without a byte order mark. Refused, because readers disagree on them and something would be
lost: NaN and infinity, numbers beyond a double, integers beyond 64 bits, duplicate keys in one object, halves
of surrogate pairs, invalid UTF-8, and more than 1,000 levels of nesting (100 for an event or the body of a
request).
"""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from millrace.errors import InvalidRequest, TooLarge, UnsupportedMedia

DEEPEST = 100
"""The maximum levels of a value that is stored inside others."""
_WRITTEN = 254
"""The maximum levels that can be written."""
LOWEST, HIGHEST = -(2**63), 2**64 - 1
_BOM = b"\xef\xbb\xbf"
_UNUSUAL = re.compile(rb"[0-9]{19}|\\u00[0-3]")
"""Long numbers, and escapes of characters that need none, which would hide the end of a key."""
_KEY = re.compile(rb'"[ \t\r\n]*:')
_CHUNK = 64 * 1024
_MOST_MEMBERS = 100
"""The maximum members of gzip data: the rest after a member is copied for the next one, so many small ones
would take minutes."""
_NO_ENCODING = frozenset({"", "identity"})
LINES = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
"""Content types of JSON lines."""


class InvalidJson(InvalidRequest):
    """A text that is not JSON, or that readers would interpret differently."""

    code = "invalid_json"


def read_json(data: bytes, what: str = "The body") -> Any:
    """Return the value of a document. Raises `InvalidJson` that says what is wrong with `what`."""
    data = data.removeprefix(_BOM)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidJson(f"{what} is not JSON: {error.msg} ({where}).") from error
    if _is_suspicious(data, value):
        _check_closely(data, what)
    return value


def read_shallow(data: bytes, what: str = "The body") -> Any:
    """Return the value of a document that is stored and written again inside others. Raises `InvalidJson`,
    also for more than `DEEPEST` levels."""
    value = read_json(data, what)
    check_levels(value, DEEPEST, what)
    return value


def check_levels(value: Any, limit: int, what: str = "The body") -> None:
    """Raise `InvalidJson` if a value has more than `limit` levels."""
    wrapped = value
    for _ in range(_WRITTEN - limit):
        wrapped = [wrapped]
    try:
        orjson.dumps(wrapped)  # much faster than visiting each value
    except TypeError:
        raise InvalidJson(f"{what} is nested more than {limit} levels deep.") from None


def read_lines(data: bytes) -> list[Any]:
    """Return the values of JSON lines, ignoring empty lines. Raises `InvalidJson` that names the line."""
    lines = enumerate(data.removeprefix(_BOM).split(b"\n"), start=1)
    return [read_json(line, f"Line {number}") for number, line in lines if line.strip()]


def read_documents(data: bytes, content_type: str) -> Any:
    """Return the content of a body by its content type: a document, or a list for JSON lines.

    Raises `InvalidJson`, and `UnsupportedMedia` for other types.
    """
    kind = media_type(content_type)
    if kind in LINES:
        return read_lines(data)
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMedia("Send JSON, with Content-Type: application/json.")
    return read_json(data)


def media_type(content_type: str) -> str:
    """Return the type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def inflate(data: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its `Content-Encoding`, which may be gzip, of at most `limit` bytes.

    Raises `TooLarge`, `UnsupportedMedia`, or `InvalidRequest` if the body is cut off or damaged.
    """
    encoding = encoding.strip().lower()
    if encoding in _NO_ENCODING:
        body = data
    elif encoding in ("gzip", "x-gzip"):
        body = _gunzip(data, limit)
    else:
        raise UnsupportedMedia("Content-Encoding must be gzip or omitted.", code="unsupported_encoding")
    if len(body) > limit:
        raise TooLarge(f"The body must not exceed {limit // 1024:,} KB.")
    return body


def _gunzip(data: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        for part in _members(data):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise TooLarge(f"The body must not exceed {limit // 1024:,} KB when it is decompressed.")
    except (zlib.error, EOFError) as error:
        raise InvalidRequest("The body is not complete gzip data.", code="invalid_encoding") from error
    return b"".join(parts)


def _members(data: bytes) -> Iterator[bytes]:
    """Yield the content of each gzip member, in pieces. Raises `EOFError` if the last one is cut off, and
    `InvalidRequest` if there are too many."""
    for _ in range(_MOST_MEMBERS):
        if not data:
            return
        member = zlib.decompressobj(wbits=31)
        yield member.decompress(data, _CHUNK)
        while not member.eof:
            piece = member.decompress(member.unconsumed_tail, _CHUNK)
            if not piece and not member.eof and not member.unconsumed_tail:
                raise EOFError
            yield piece
        # Zeros after a member are padding, which gzip itself ignores.
        data = member.unused_data.lstrip(b"\0")
    if data:
        raise InvalidRequest(
            f"Gzip data must not have more than {_MOST_MEMBERS} members.", code="invalid_encoding"
        )


def _is_suspicious(data: bytes, value: Any) -> bool:
    """Return whether a document needs a slower check. A parsed document, written again, has as many keys as
    before unless one was duplicated."""
    if _UNUSUAL.search(data):
        return True
    if b":" not in data:
        return False
    try:
        written = orjson.dumps(value)
    except TypeError:  # nested too deeply to be written
        return True
    return len(_KEY.findall(data)) != len(_KEY.findall(written))


def _check_closely(data: bytes, what: str) -> None:
    def integer(digits: str) -> int:
        # Check the length first: int() raises an error of its own for texts of more than 4,300 digits.
        if len(digits) > 20 or not LOWEST <= int(digits) <= HIGHEST:
            raise InvalidJson(
                f"{what} has an integer of more than 64 bits; write it as a string: {digits:.40}"
            )
        return int(digits)

    def pairs(members: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in members:
            if key in seen:
                raise InvalidJson(f"{what} has the key {key!r:.80} twice in one object.")
            seen.add(key)

    try:
        json.loads(data, parse_int=integer, object_pairs_hook=pairs)
    except RecursionError:
        raise InvalidJson(f"{what} is nested too deeply.") from None
