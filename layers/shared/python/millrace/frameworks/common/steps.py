"""Steps that are tools of a framework: their names, and what of their results JSON does not have."""

import re
from base64 import b64decode, b64encode
from typing import Any

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]|_(?=_)")
BYTES = "millrace:bytes"
"""The key of bytes, such as an image's, where they are stored as JSON."""


def step_name(tool: str) -> str:
    """The name of the step that a call of a tool is."""
    return _NOT_IN_NAMES.sub("-", tool)[:56]


def to_plain(value: Any) -> Any:
    """The value with its bytes as JSON has them."""
    if isinstance(value, bytes):
        return {BYTES: b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: to_plain(one) for name, one in value.items()}
    return [to_plain(one) for one in value] if isinstance(value, list | tuple) else value


def from_plain(value: Any) -> Any:
    """The value that `to_plain` was given."""
    if isinstance(value, dict):
        if value.keys() == {BYTES}:
            return b64decode(value[BYTES])
        return {name: from_plain(one) for name, one in value.items()}
    return [from_plain(one) for one in value] if isinstance(value, list) else value
