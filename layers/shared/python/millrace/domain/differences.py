"""The differences between two JSON values, by path."""

from collections.abc import Iterator
from typing import Any

Difference = dict[str, Any]


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Yield `{path, change, before?, after?}` for each part that was added, removed or changed. The elements
    of lists are compared by position."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_members(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_members(dict(enumerate(before)), dict(enumerate(after)), path)
    elif before != after or type(before) is not type(after):
        yield {"path": path, "change": "changed", "before": before, "after": after}


def _of_members(before: dict[Any, Any], after: dict[Any, Any], path: str) -> Iterator[Difference]:
    for name in [*before, *(name for name in after if name not in before)]:
        inner = f"{path}.{name}" if path else str(name)
        if name not in after:
            yield {"path": inner, "change": "removed", "before": before[name]}
        elif name not in before:
            yield {"path": inner, "change": "added", "after": after[name]}
        else:
            yield from differences(before[name], after[name], inner)
