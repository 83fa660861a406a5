"""Field paths as closures: `tokenUsage.total`, `$meta.type`, `items[0].price`, `["name.with.dots"]`."""

import re

from millrace.pipelines.chunk import Column
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.compiler import Scalar, one_by_one, path, path_column
from millrace.pipelines.expressions.values import Value, item

Names = tuple[str, ...]
Keys = tuple[str | int, ...]
_PART = re.compile(
    r"""(?P<dot>\.)?(?P<name>[^.\[\]"']+)|\[(?P<at>[0-9]{1,9})\]|\[(?P<quote>["'])(?P<key>.+?)(?P=quote)\]"""
)


def parse_field(field: str) -> Keys | None:
    """Return the keys of a path, names and list positions, or None for an invalid path."""
    keys: list[str | int] = []
    end = 0
    for found in _PART.finditer(field):
        name = found["name"]
        if found.start() != end or (name is not None and bool(found["dot"]) == (end == 0)):
            return None
        keys.append(int(found["at"]) if found["at"] else name or found["key"])
        end = found.end()
    return tuple(keys) if keys and end == len(field) else None


def keys_of(field: str) -> Keys:
    """Return the keys of a path.

    Invalid ones, stored before brackets had a meaning, are split at their dots.
    """
    return parse_field(field) or tuple(field.split("."))


def _split(field: str) -> tuple[str, Keys]:
    keys = keys_of(field)
    return (str(keys[0]), keys[1:]) if keys[0] in ("$meta", "$event") else ("$event", keys)


def field_of(field: str) -> Scalar:
    """Return a closure for the field's value in one event, null if it is missing."""
    return _scalar(*_split(field))


def field_column(field: str) -> Column:
    """Return a closure for the field's value in each event of a chunk."""
    return _column(*_split(field))


def parent_and_name(field: str) -> tuple[Column, str | int]:
    """Return a column of the field's parent, and the field's last name or position."""
    root, keys = _split(field)
    return (_column(root, keys[:-1]), keys[-1]) if keys else (path_column("$event", ()), root)


def _names(keys: Keys) -> Names | None:
    """Return the keys if all are names, the common case with faster closures."""
    names = tuple(key for key in keys if isinstance(key, str))
    return names if len(names) == len(keys) else None


def _scalar(root: str, keys: Keys) -> Scalar:
    names = _names(keys)
    if names is not None:
        return path(root, names)
    start = path(root, ())

    def reach(payload: Payload, event: Event) -> Value:
        found: Value = start(payload, event)
        for key in keys:
            found = item(found, key)
        return found

    return reach


def _column(root: str, keys: Keys) -> Column:
    names = _names(keys)
    return path_column(root, names) if names is not None else one_by_one(_scalar(root, keys))
