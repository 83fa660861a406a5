"""The result of a step of an export."""

from typing import Any

import orjson
from msgspec import Struct, field

from millrace.stores.dynamo import Item


class StoredObject(Struct, frozen=True):
    """An object in a bucket, and its name in the archive."""

    bucket: str
    key: str
    name: str


class Found(Struct):
    """Items by the settings with their tables' names, objects, and the cursor to continue from (None:
    done)."""

    cursor: str | None = None
    items: list[tuple[str, list[Item]]] = field(default_factory=list)
    objects: list[StoredObject] = field(default_factory=list)


def to_cursor(*place: Any) -> str:
    """Return a position as text."""
    return orjson.dumps(place).decode()


def from_cursor(cursor: str, *first: Any) -> list[Any]:
    """Return the position of a cursor, or `first` for an empty one."""
    place: list[Any] = orjson.loads(cursor) if cursor else list(first)
    return place
