"""Assembles the tool calls of a chat completion from pieces, whose index, id and name servers use
inconsistently.

By the protocol, each piece names its call by `index`, and only the first has an id and a name. Servers also
send: no index; no id; neither; an id or a name with every piece; a different id with every piece of one call
(poolsideai/pool#9); one index, or one id, for two calls (nanobot#3943); one call under two indexes
(LocalAI#9722); and `function_call`, the predecessor of `tool_calls`.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from millrace.agent.call_ids import new_id, portable_id
from millrace.agent.model import ToolCall
from millrace.agent.providers.tool_calls import OpenCall, OpenCalls, arguments_text

EXTRAS = ("extra_content", "thought_signature", "provider_specific_fields")
"""Fields of a call that Gemini's servers and gateways want back unchanged, as they contain a signature."""


class _Piece(Struct, frozen=True):
    index: int | str | None
    id: str
    name: str
    arguments: str

    @classmethod
    def of(cls, given: dict[str, Any]) -> "_Piece":
        function = given.get("function") or {}
        index = given.get("index")
        return cls(
            index if isinstance(index, int | str) else None,
            str(given.get("id") or ""),
            str(function.get("name") or ""),
            arguments_text(function.get("arguments")),
        )


class ChatCalls:
    """The calls of one message. Each has an id: the server's, or one that is created here."""

    def __init__(self) -> None:
        self._calls = OpenCalls()
        self._made: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add_delta(self, delta: dict[str, Any]) -> None:
        """Add the pieces of a delta. Raises `ValueError` if there are too many calls or arguments."""
        pieces = delta.get("tool_calls")
        for given in [pieces] if isinstance(pieces, dict) else pieces or ():
            if given:
                self._add(given)
        if not pieces and (legacy := delta.get("function_call")):
            self._add({"index": "function_call", "function": legacy})

    def _add(self, given: dict[str, Any]) -> None:
        piece = _Piece.of(given)
        call = self._named(piece)
        if call is None or _is_another(call, piece):
            call = self._start(piece)
        elif piece.name:
            call.name = _longer_name(call, piece)
        call.add(piece.arguments)
        call.provider_data |= {name: given[name] for name in EXTRAS if given.get(name)}

    def _named(self, piece: _Piece) -> OpenCall | None:
        """Return the call that the piece names by its index or else its id; if it has neither, the last
        call."""
        if piece.index is not None:
            return self._calls.get(piece.index)
        return (self._calls.with_id(piece.id) if piece.id else None) or self._calls.last()

    def _start(self, piece: _Piece) -> OpenCall:
        id = piece.id or new_id()
        if not piece.id:
            self._made.add(id)
        call = self._calls.start(OpenCall(id, piece.name), piece.index)
        if portable_id(id) != id:
            call.provider_data["id"] = id
        return call

    def close(self, *, cut: bool) -> Iterator[ToolCall]:
        """Yield every call once. `cut` says that the model was stopped in the middle of the last one."""
        calls = self._calls.close(cut=cut)
        for number, call in enumerate(calls):
            if call.id in self._made or not _is_repeated(call, number, calls):
                yield call


def _is_another(call: OpenCall, piece: _Piece) -> bool:
    """Return whether a piece starts a new call, although its index or id is that of this one."""
    if not piece.name:
        return False
    if piece.index is None and not piece.id:
        return piece.name != call.name or not piece.arguments or call.is_whole()
    if piece.id in ("", call.id):
        return bool(piece.arguments.strip()) and call.is_whole()
    if piece.name != call.name and call.name:
        return True
    return not piece.arguments or call.is_whole()


def _longer_name(call: OpenCall, piece: _Piece) -> str:
    """Return the name extended by this piece: most servers repeat the whole name, a few send it in pieces."""
    if piece.name.startswith(call.name):
        return piece.name
    return call.name + piece.name if call.is_blank() and not piece.arguments else call.name


def _is_repeated(call: ToolCall, number: int, calls: list[ToolCall]) -> bool:
    """Return whether the call was already sent under the same id, or is sent later with the arguments that it
    lacks."""
    alike = [place for place, other in enumerate(calls) if (other.id, other.name) == (call.id, call.name)]
    before = any(calls[place].arguments == call.arguments for place in alike if place < number)
    return before or (not call.raw.strip() and any(calls[place].raw.strip() for place in alike))
