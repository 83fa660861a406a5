"""Ids and names of tool calls that every model server accepts, whichever model has written them.

OpenAI takes ids of 40 characters, Bedrock 64 of `[a-zA-Z0-9_-]`; Kimi writes `functions.weather:0`, some
servers the same id for every call, some models names that no tool has.
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
    """An id that no other call has."""
    return f"call_{uuid4().hex}"


def portable_id(id: str) -> str:
    """The id itself where every server takes it, else one made of it: always the same for the same id."""
    return id if _ID.fullmatch(id) else f"call_{sha256(id.encode(errors='replace')).hexdigest()[:24]}"


def accept_call(call: ToolCall, tools: Collection[str], used: set[str]) -> ToolCall:
    """The call as it enters the history: with an id that is valid and not among those `used` (it is added to
    them), and with the tool's own name where it is plain which tool is meant. Any other name stays as far as
    servers accept it: running the call gives an error that tells the model which tools there are."""
    id = call.id if _ID.fullmatch(call.id) and call.id not in used else new_id()
    used.add(id)
    return replace(call, id=id, name=known_name(call.name, tools))


def known_name(written: str, tools: Collection[str]) -> str:
    """The tool that a model means: it may write `functions.weather`, `weather<|channel|>commentary` or
    `Weather`. A valid name of no tool where none is meant."""
    if written in tools:
        return written
    plain = _CONTROL_TOKEN.sub("", written).strip()
    bare = re.split(r"[.:/]", plain)[-1]
    for name in (plain, bare):
        if name in tools:
            return name
    alike = [name for name in tools if name.lower() == bare.lower()]
    # Two tools may differ in capitals alone, and then nothing says which one is meant.
    if len(alike) == 1:
        return alike[0]
    return _NOT_OF_A_NAME.sub("_", plain).strip("_")[:64] or NO_NAME
