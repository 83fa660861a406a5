"""Ids and names of tool calls that every model server accepts, whichever model wrote them.

OpenAI accepts ids of up to 40 characters, Bedrock up to 64 of `[a-zA-Z0-9_-]`. Kimi writes
`functions.weather:0`, some servers give every call the same id, and some models invent names of tools.
"""

import re
from collections.abc import Collection
from hashlib import sha256
from uuid import uuid4

from msgspec.structs import replace

from millrace.agent.model import ToolCall

_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_NOT_OF_A_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
_CONTROL_TOKEN = re.compile(r"<[|｜].*", re.DOTALL)
NO_NAME = "unnamed_tool"


def new_id() -> str:
    """Return a new, unique id."""
    return f"call_{uuid4().hex}"


def portable_id(id: str) -> str:
    """Return the id if every server accepts it, otherwise one derived from it: always the same for the same
    id."""
    return id if _ID.fullmatch(id) else f"call_{sha256(id.encode(errors='replace')).hexdigest()[:24]}"


def accept_call(call: ToolCall, tools: Collection[str], used: set[str]) -> ToolCall:
    """Return the call as it enters the history.

    Its id is valid and not among those `used`, to which it is added. Its name is that of the tool if it is
    clear which one is meant; any other name is kept as far as servers accept it, and running the call then
    returns an error that lists the tools to the model.
    """
    id = call.id if _ID.fullmatch(call.id) and call.id not in used else new_id()
    used.add(id)
    return replace(call, id=id, name=known_name(call.name, tools))


def known_name(written: str, tools: Collection[str]) -> str:
    """Return the tool that a model means by `functions.weather`, `weather<|channel|>commentary` or `Weather`.
    If it means none, return what it wrote, made a valid name."""
    if written in tools:
        return written
    plain = _CONTROL_TOKEN.sub("", written).strip()
    bare = re.split(r"[.:/]", plain)[-1]
    for name in (plain, bare):
        if name in tools:
            return name
    alike = [name for name in tools if name.lower() == bare.lower()]
    # Two tools may differ only in capitals, and then it is not clear which one is meant.
    if len(alike) == 1:
        return alike[0]
    return _NOT_OF_A_NAME.sub("_", plain).strip("_")[:64] or NO_NAME
