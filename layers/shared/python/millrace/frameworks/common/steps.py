"""Steps that are tools of a framework: their names, and parts of their results that JSON does not have."""

import re
from base64 import b64decode, b64encode
from typing import Any

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]|_(?=_)")
BYTES = "millrace:bytes"
"""The key of bytes, such as an image's, that are stored as JSON."""


def step_name(tool: str) -> str:
    """Return the name of the step for a call of a tool."""
    return _NOT_IN_NAMES.sub("-", tool)[:56]


def to_plain(value: Any) -> Any:
    """Return the value with its bytes in a form that JSON has."""
    if isinstance(value, bytes):
        return {BYTES: b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: to_plain(one) for name, one in value.items()}
    return [to_plain(one) for one in value] if isinstance(value, list | tuple) else value


def from_plain(value: Any) -> Any:
    """Return the value that was given to `to_plain`."""
    if isinstance(value, dict):
        if value.keys() == {BYTES}:
            return b64decode(value[BYTES])
        return {name: from_plain(one) for name, one in value.items()}
    return [from_plain(one) for one in value] if isinstance(value, list) else value
