"""Sizes of values as JSON would write them, with what is shared counted as often as it would be written.

Two steps that refer to the whole event twelve times make 144 of it: one in memory, all of them in JSON. So a
size is computed from the parts' sizes, each of which is looked at once, and never by writing the value.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from millrace.pipelines.errors import EvaluationError

NUMBER_BYTES = 24
NULL_BYTES = NUMBER_BYTES + 2
"""A field without a value, with the signs around it."""
_TEXT_AND_PLAIN = frozenset((str, int, float, bool, type(None)))
META_BYTES = 2_500
"""More than what `$meta` can have."""
Keys = tuple[str, ...]


class TooLarge(EvaluationError):
    """An event has become larger than events may."""

    code = "too_large"


def expanded_size(value: Any) -> int:
    """About the bytes of the value as JSON, rather more than less; each shared part costs its look once.
    Raises `TooLarge` for what is nested too deeply to be written."""
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
    # Identities are safe as keys here: the value keeps all of its parts alive meanwhile.
    size = known.get(id(value))
    if size is None:
        items = value if kind is list else value.values()
        size = 2 + sum([_size(item, known) + 1 for item in items])
        if kind is dict:
            size += sum([_size(key, known) + 1 for key in value])
        known[id(value)] = size
    return size


def largest(column: Sequence[Any]) -> int:
    """An upper bound for the sizes of a column's values; fast where they are texts and numbers."""
    if _TEXT_AND_PLAIN.issuperset(map(type, column)):
        return NUMBER_BYTES + 4 * max([len(value) for value in column if type(value) is str], default=0)
    return max(map(expanded_size, column))


class Growth(Struct, frozen=True):
    """The growth of an event in a step: `factor` times what it was, and `extra` bytes."""

    factor: int
    extra: int

    def of(self, size: int) -> int:
        return self.factor * size + self.extra


def growth(paths: Iterable[Keys], extra: int) -> Growth:
    """Of an event that is made of the values at these paths: paths that do not overlap, however many, hold no
    more than the whole."""
    counts = Counter(paths)
    covers = (sum(counts[path[:end]] for end in range(len(path) + 1)) for path in counts)
    return Growth(max(covers, default=0), extra)
