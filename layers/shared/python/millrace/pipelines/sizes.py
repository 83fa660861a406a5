"""Sizes of values as JSON, counting shared parts as often as they would be written.

Two steps that refer to the whole event twelve times make 144 copies of it: one in memory, but all of them in
JSON. So a size is computed from the parts' sizes, visiting each part once, without encoding the value.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from millrace.pipelines.errors import EvaluationError

NUMBER_BYTES = 24
NULL_BYTES = NUMBER_BYTES + 2
"""A field without a value, including the characters around it."""
_TEXT_AND_PLAIN = frozenset((str, int, float, bool, type(None)))
META_BYTES = 2_500
"""More than the maximum size of `$meta`."""
Keys = tuple[str, ...]


class TooLarge(EvaluationError):
    """An event has become too large."""

    code = "too_large"


def expanded_size(value: Any) -> int:
    """Return the approximate size of the value as JSON, rather too large. Each shared part is visited once.

    Raises `TooLarge` for a value that is nested too deeply to be encoded.
    """
    try:
        return _size(value, {})
    except RecursionError:
        raise TooLarge("The value is nested too deeply.") from None


def _size(value: Any, known: dict[int, int]) -> int:
    kind = type(value)
    if kind is str:
        return 2 + (len(value) if value.isascii() else 4 * len(value))
    if kind is not dict and kind is not list:
        return NUMBER_BYTES
    # Identities are safe as keys here, because the value keeps all of its parts alive.
    size = known.get(id(value))
    if size is None:
        items = value if kind is list else value.values()
        size = 2 + sum([_size(item, known) + 1 for item in items])
        if kind is dict:
            size += sum([_size(key, known) + 1 for key in value])
        known[id(value)] = size
    return size


def largest(column: Sequence[Any]) -> int:
    """Return an upper bound for the sizes of a column's values; fast for texts and numbers."""
    if _TEXT_AND_PLAIN.issuperset(map(type, column)):
        return NUMBER_BYTES + 4 * max([len(value) for value in column if type(value) is str], default=0)
    return max(map(expanded_size, column))


class Growth(Struct, frozen=True):
    """The growth of an event in a step: `factor` times its size, and `extra` bytes."""

    factor: int
    extra: int

    def of(self, size: int) -> int:
        return self.factor * size + self.extra


def growth(paths: Iterable[Keys], extra: int) -> Growth:
    """Return the growth of an event made of the values at these paths.

    Paths that do not overlap, however many, contain no more than the whole.
    """
    counts = Counter(paths)
    covers = (sum(counts[path[:end]] for end in range(len(path) + 1)) for path in counts)
    return Growth(max(covers, default=0), extra)
