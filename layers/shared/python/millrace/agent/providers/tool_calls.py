"""Tool calls as models stream them: a start, pieces of JSON, and an end that may be missing."""

import json
import re
from typing import Any

import orjson

from millrace.agent.model import Block, ToolCall
from millrace.agent.providers.lenient_json import parse_value, storable, whole

CALL_LIMIT = 128
ARGUMENTS_LIMIT = 4 * 1024 * 1024
_NOTHING = ("", "null", "None")
_CONTROL_TOKENS = re.compile(r"(\s*<[|｜][^<>]{0,40}[|｜]>)+\s*$")
_decoder = json.JSONDecoder(parse_constant=lambda _: None)


class OpenCall:
    """One tool call while its arguments arrive. See `ToolCall` for `provider_data`."""

    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name
        self.provider_data: Block = {}
        self._pieces: list[str] = []
        self._size = 0

    def add(self, piece: str) -> None:
        """Add a piece of the arguments. Raises `ValueError` if they exceed `ARGUMENTS_LIMIT` characters."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > ARGUMENTS_LIMIT:
            raise ValueError(f"arguments of more than {ARGUMENTS_LIMIT} characters")

    def is_blank(self) -> bool:
        """True until some arguments have arrived."""
        return not any(piece.strip() for piece in self._pieces)

    def is_whole(self) -> bool:
        """True if the arguments so far are an object."""
        return not self.is_blank() and read_arguments("".join(self._pieces)) is not None

    def close(self, *, cut: bool = False) -> ToolCall:
        """Return the complete call. Without any pieces its arguments are {}, unless `cut` says that the model
        was stopped in this call."""
        raw = whole("".join(self._pieces))
        arguments = None if cut and not raw.strip() else read_arguments(raw)
        return ToolCall(self.id, self.name, arguments, raw, self.provider_data or None)


def read_arguments(raw: str) -> dict[str, Any] | None:
    """Return the arguments that a model wrote; None if they are not an object.

    Accepts common deviations: nothing or null for none, an object whose JSON was written as a string, an
    empty object before the real one (or the same one twice), and a model's control tokens after it.
    """
    plain = raw.strip()
    if plain in _NOTHING:
        return {}
    try:
        found = parse_value(plain)
    except ValueError:
        return _sole_object(plain)
    if isinstance(found, str) and found.strip().startswith("{"):
        return read_arguments(found)
    if found is None:
        return {}
    return found if isinstance(found, dict) else None


def _sole_object(raw: str) -> dict[str, Any] | None:
    """Return the only object that is not empty, as in `{}{"city": "Paris"}`; None if there is not exactly
    one."""
    at = 0
    found: list[Any] = []
    raw = _CONTROL_TOKENS.sub("", raw)
    while at < len(raw) and len(found) < CALL_LIMIT:
        try:
            value, at = _decoder.raw_decode(raw, at)
            found.append(storable(value))
        except (ValueError, RecursionError):
            return None
        at += len(raw[at:]) - len(raw[at:].lstrip())
    objects = [value for value in found if value != {}]
    same = bool(objects) and all(value == objects[0] for value in objects)
    if not objects and found:
        return {}
    return objects[0] if same and isinstance(objects[0], dict) else None


def arguments_text(given: Any) -> str:
    """Return a piece of arguments as text: some servers send an object instead of its JSON."""
    if isinstance(given, str):
        return given
    return "" if given is None else orjson.dumps(storable(given)).decode()


class OpenCalls:
    """The calls of one message in the order of their start. `key` is what the protocol numbers pieces by."""

    def __init__(self) -> None:
        self._calls: list[OpenCall] = []
        self._by_key: dict[int | str | None, OpenCall] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def start(self, call: OpenCall, key: int | str | None) -> OpenCall:
        """Add a call. Raises `ValueError` if there are more than `CALL_LIMIT`."""
        if len(self._calls) >= CALL_LIMIT:
            raise ValueError(f"more than {CALL_LIMIT} tool calls")
        self._calls.append(call)
        self._by_key[key] = call
        return call

    def get(self, key: int | str | None) -> OpenCall | None:
        return self._by_key.get(key)

    def last(self) -> OpenCall | None:
        return self._calls[-1] if self._calls else None

    def with_id(self, id: str) -> OpenCall | None:
        """Return the last call with this id."""
        return next((call for call in reversed(self._calls) if call.id == id), None)

    def close(self, *, cut: bool) -> list[ToolCall]:
        """Return every call. `cut` says that the model was stopped in the last one."""
        return [call.close(cut=cut and call is self._calls[-1]) for call in self._calls]
