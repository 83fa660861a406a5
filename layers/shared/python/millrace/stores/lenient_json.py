"""JSON for values that were never validated, so that a failed event can be stored as well as possible."""

from typing import Any

import orjson

_DEEPEST = 200
_LONGEST_NUMBER = 100


def to_json(value: Any) -> bytes:
    """Return any value as JSON, replacing what JSON or the parser cannot hold.

    Unpaired surrogates become `?`, integers over 64 bits become floats, and values that are nested too deeply
    become null.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_storable(value, 0), default=str)


def _storable(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 2**1000 else hex(value)[:_LONGEST_NUMBER]
    if isinstance(value, dict):
        return {_storable(str(name), depth): _storable(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each, depth + 1) for each in value]
    return value
