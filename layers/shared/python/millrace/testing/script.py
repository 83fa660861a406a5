"""A model that says what a test scripts."""

import re
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from itertools import count
from typing import Any

import orjson

from millrace.agent.model import Delta, Finish, ModelRequest, Text, Thinking, ToolCall, Usage
from millrace.errors import ProviderError

Turn = list[Delta | Exception]
_PIECE = re.compile(r"\s*\S+|\s+$")
_number = count(1)


def says(text: str) -> Turn:
    """Return a turn that answers with a text, word by word."""
    return [Text(piece) for piece in _PIECE.findall(text)]


def thinks(text: str) -> Turn:
    """Return reasoning; add it before what the turn says or calls: `thinks("hm") + says("yes")`."""
    return [Thinking(text)]


def calls(tool: str, /, **arguments: Any) -> Turn:
    """Return a turn that calls a tool; add two turns for concurrent calls."""
    return [ToolCall(f"call_{next(_number)}", tool, arguments)]


def fails(message: str = "The model is overloaded.", *, retryable: bool = False) -> Turn:
    """Return a model call that fails."""
    return [ProviderError(message, code="incomplete_response", retryable=retryable)]


class Script:
    """A model provider with these turns, one for each request. A repeated request, as after a lost process,
    gets the same turn. `requests` has all requests."""

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self.requests: list[ModelRequest] = []
        self._turns = deque(turns)
        self._given: dict[bytes, Turn] = {}

    def add(self, *turns: Turn) -> None:
        """Add turns at the end."""
        self._turns.extend(turns)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `agent.model.Provider`. Raises `AssertionError` if the script has no more turns."""
        self.requests.append(request)
        turn = self._turn_for(request)
        for delta in turn:
            if isinstance(delta, Exception):
                raise delta
            yield delta
        called = any(isinstance(delta, ToolCall) for delta in turn)
        yield Finish("tool_use" if called else "stop", Usage(10, len(turn)))

    def _turn_for(self, request: ModelRequest) -> Turn:
        key = orjson.dumps([request.model, request.system, request.messages])
        if key not in self._given:
            if not self._turns:
                last = orjson.dumps(request.messages[-1:]).decode()
                raise AssertionError(
                    f"The model was asked for turn {len(self._given) + 1}, but the script has no more "
                    "turns. The "
                    f"last message is {last:.500}"
                )
            self._given[key] = self._turns.popleft()
        return self._given[key]
