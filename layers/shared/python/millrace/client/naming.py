"""Python's names and JSON's."""

from collections.abc import Mapping
from typing import Any


def to_camel(name: str) -> str:
    """`agent_id` in JSON: `agentId`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def body(given: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a definition: a mapping with JSON's names or one of our models, and fields by
    keyword, with Python's names. Fields that are None stay: they take something away."""
    dump = getattr(given, "model_dump", None)
    base = dump(mode="json", by_alias=True, exclude_unset=True) if dump else dict(given or {})
    return base | {to_camel(name): value for name, value in fields.items()}
