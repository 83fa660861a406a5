"""Parts of A2A messages and artifacts, made from a run's events."""

from typing import Any

import orjson
from a2a.types.a2a_pb2 import Part
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.struct_pb2 import Value

from millrace.domain.events import Event

_DEPTH = 60
"""The maximum depth of data: an object takes up to two of the 100 levels that a whole protobuf message may
have."""


def question_parts(calls: list[Event]) -> list[Part]:
    """Return the questions of waiting calls: for people as text, for programs as data."""
    parts = []
    for call in calls:
        parts.append(Part(text=_question(call)))
        shown = {name: value for name, value in call.items() if name != "type"}
        parts.append(data_part(orjson.loads(orjson.dumps(shown))))
    return parts or [Part(text="The agent waits for an answer.")]


def data_part(value: Any, media_type: str = "") -> Part:
    """Return a value as data or, if it is nested more deeply than the protocol allows, its JSON as text."""
    try:
        return Part(data=ParseDict(value, Value(), max_recursion_depth=_DEPTH), media_type=media_type)
    except ParseError:
        return Part(text=orjson.dumps(value).decode(), media_type="application/json")


def _question(call: Event) -> str:
    if prompt := call.get("prompt"):
        options = f" ({', '.join(call['options'])})" if call.get("options") else ""
        return f"{prompt}{options}"
    name = f" {call['name']}" if call.get("name") else ""
    return f"Approve the call of the tool{name}? Answer approve or reject."
