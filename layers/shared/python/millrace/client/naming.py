"""Converts Python's names to JSON's."""

from collections.abc import Mapping
from typing import Any


def to_camel(name: str) -> str:
    """Return the name in JSON: `agentId` for `agent_id`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def body(given: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a definition from a mapping with JSON's names or one of our models, and from
    keyword arguments with Python's names. Fields that are None are kept, as they remove something."""
    dump = getattr(given, "model_dump", None)
    base = dump(mode="json", by_alias=True, exclude_unset=True) if dump else dict(given or {})
    return base | {to_camel(name): value for name, value in fields.items()}
