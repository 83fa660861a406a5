"""Splits items into portions of the size that one call accepts."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def portions(
    items: Iterable[T], size_of: Callable[[T], int], max_bytes: int, max_items: int | None = None
) -> Iterator[list[T]]:
    """Yield the items in order, in lists of at most `max_items` items and `max_bytes` bytes. An item that is
    larger than that is a list by itself."""
    portion: list[T] = []
    size = 0
    for item in items:
        more = size_of(item)
        if portion and (len(portion) == max_items or size + more > max_bytes):
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += more
    if portion:
        yield portion
