"""Cursors of lists: opaque to clients, made from the key after which to continue."""

import base64
import binascii
from typing import Any

import orjson

from millrace.errors import InvalidRequest

_DIGITS = 12


def to_cursor(key: dict[str, Any]) -> str:
    """Return a key as an opaque text."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def from_cursor(text: str | None, *names: str) -> dict[str, str] | None:
    """Return the key of a cursor, which must have exactly these names. Raises `InvalidRequest`."""
    if not text:
        return None
    try:
        key = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _bad() from error
    if not isinstance(key, dict) or set(key) != set(names):
        raise _bad()
    if not all(isinstance(value, str) for value in key.values()):
        raise _bad()
    return key


def text_from_cursor(text: str | None, name: str, max_length: int) -> str | None:
    """Return the text under `name` in a cursor, of at most `max_length` ASCII characters. Raises
    `InvalidRequest`."""
    key = from_cursor(text, name)
    if key is None:
        return None
    if not (key[name].isascii() and 0 < len(key[name]) <= max_length):
        raise _bad()
    return key[name]


def number_from_cursor(text: str | None, name: str) -> int | None:
    """Return the number under `name` in a cursor. Raises `InvalidRequest`."""
    key = from_cursor(text, name)
    if key is None:
        return None
    if not (key[name].isascii() and key[name].isdigit() and len(key[name]) <= _DIGITS):
        raise _bad()
    return int(key[name])


def _bad() -> InvalidRequest:
    return InvalidRequest("The cursor is invalid; start without one.", code="invalid_cursor")
