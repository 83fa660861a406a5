"""Tool calls as models stream them: a start, pieces of JSON, an end that may never come."""

from typing import Any

import orjson

from millrace.agent.model import ToolCall

CALL_LIMIT = 128
ARGUMENTS_LIMIT = 4 * 1024 * 1024


class OpenCall:
    """One call of a tool while its arguments still arrive."""

    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name
        self._pieces: list[str] = []
        self._size = 0

    def add(self, piece: str) -> None:
        """Raises `ValueError` beyond `ARGUMENTS_LIMIT` characters."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > ARGUMENTS_LIMIT:
            raise ValueError(f"arguments of more than {ARGUMENTS_LIMIT} characters")

    def close(self, *, cut: bool = False) -> ToolCall:
        """The whole call. Without any piece its arguments are {}, unless `cut` says that the model was
        stopped in this call."""
        raw = "".join(self._pieces)
        arguments = {} if not raw.strip() and not cut else _object(raw)
        return ToolCall(self.id, self.name, arguments, raw)


def _object(raw: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


class OpenCalls:
    """The calls of one message in order of their start; `key` is what the protocol numbers its pieces by."""

    def __init__(self) -> None:
        self._calls: list[OpenCall] = []
        self._by_key: dict[int | None, OpenCall] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def start(self, call: OpenCall, key: int | None) -> OpenCall:
        """Raises `ValueError` beyond `CALL_LIMIT` calls."""
        if len(self._calls) >= CALL_LIMIT:
            raise ValueError(f"more than {CALL_LIMIT} tool calls")
        self._calls.append(call)
        self._by_key[key] = call
        return call

    def get(self, key: int) -> OpenCall | None:
        return self._by_key.get(key)

    def last(self) -> OpenCall | None:
        return self._calls[-1] if self._calls else None

    def close(self, *, cut: bool) -> list[ToolCall]:
        """Every call; `cut` concerns the last one, in which the model was stopped."""
        return [call.close(cut=cut and call is self._calls[-1]) for call in self._calls]
