"""JSON as model servers write it, which is not always JSON.

Some write `NaN` or `-Infinity` (in `logprobs`), and some cut a character in two: an emoji is two `\\u`
escapes in JSON, and a server that cuts its text by tokens may put one of them at the end of a chunk and the
other at the beginning of the next. Neither half can be encoded by itself, so a half that reached the history
or an event would fail far away from here.
"""

import json
import math
from typing import Any

import orjson

from millrace.domain.json_reader import DEEPEST


def parse(data: bytes | str) -> Any:
    """Parse `data`. Numbers that JSON does not have become null, invalid UTF-8 becomes U+FFFD, and halves of
    characters are kept, for `whole` or `Joiner`. Raises `ValueError`."""
    try:
        return orjson.loads(data)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        text = data.decode(errors="replace") if isinstance(data, bytes) else data
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def whole(text: str) -> str:
    """Return the text with its halves of characters joined, and U+FFFD for each half that stands alone."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_value(text: str) -> Any:
    """Parse a value that a model wrote, so that it can be stored. Raises `ValueError`."""
    return storable(parse(text))


def storable(value: Any, depth: int = 0) -> Any:
    """Return a value that orjson can write: without halves of characters, and with null or a float for
    numbers that it does not have. Raises `ValueError` if the value is nested too deeply."""
    if depth > DEEPEST:
        raise ValueError("JSON that is nested too deeply")
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {whole(name): storable(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [storable(each, depth + 1) for each in value]
    return _number(value) if isinstance(value, int | float) else value


def _number(value: float) -> float | None:
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


class Joiner:
    """Joins characters that were split between two pieces of a text. `holds` is a first half, or empty."""

    __slots__ = ("holds",)

    def __init__(self) -> None:
        self.holds = ""

    def join(self, piece: str) -> str:
        """Return the text up to the end of this piece, without a half that the next piece may complete."""
        text, self.holds = self.holds + piece, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self.holds = text[:-1], text[-1]
        return whole(text)

    def finish(self) -> str:
        """Return the rest: U+FFFD if the second half never arrived."""
        rest, self.holds = self.holds, ""
        return whole(rest)
