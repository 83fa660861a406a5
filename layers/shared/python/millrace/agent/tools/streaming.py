"""Calls a tool's function, async or in a thread, and shows its output as it is produced."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any

from pydantic_core import to_json

from millrace.agent.emitter import emit
from millrace.agent.said import OF_TOOLS
from millrace.agent.tools.tool import ToolContext, ToolResult
from millrace.agent.tools.workers import Abandoned, in_thread
from millrace.domain import events

OUTPUT_CHARACTERS = 1024 * 1024
"""The maximum that a tool may yield: as much as the log keeps of a result."""


async def called(function: Callable[..., Any], given: dict[str, Any], context: ToolContext) -> Any:
    """Call a function with these arguments. If it yields, the value is all of its pieces, or the `ToolResult`
    that it yields last."""
    if inspect.isasyncgenfunction(function):
        output = _Output(context)
        async with aclosing(function(**given)) as pieces:
            await _collect(pieces, output)
        return output.value()
    if inspect.isgeneratorfunction(function):
        return await in_thread(_drain, function, given, _Output(context))
    if inspect.iscoroutinefunction(function):
        return await function(**given)
    return await in_thread(function, **given)


async def _collect(pieces: AsyncIterator[Any], output: "_Output") -> None:
    async for piece in pieces:
        output.add(piece)


def _drain(function: Callable[..., Iterator[Any]], given: dict[str, Any], output: "_Output") -> Any:
    """Run the generator in a thread. It ends at the next piece if nobody waits for it any more."""
    abandoned = Abandoned.current()
    with closing(function(**given)) as pieces:  # type: ignore[type-var]
        for piece in pieces:
            if abandoned.is_set():
                return ""
            output.add(piece)
    return output.value()


class _Output:
    """The pieces of one call. Each is shown as it arrives; the model reads all of them together."""

    def __init__(self, context: ToolContext) -> None:
        self._context = context
        self._texts: list[str] = []
        self._characters = 0
        self._result: ToolResult | None = None

    def add(self, piece: Any) -> None:
        if isinstance(piece, ToolResult):
            self._result = piece
        elif isinstance(piece, dict) and piece.get("type") in OF_TOOLS:
            emit(piece)
        else:
            self._show(as_text(piece))

    def _show(self, text: str) -> None:
        text = text[: OUTPUT_CHARACTERS - self._characters]
        self._characters += len(text)
        self._texts.append(text)
        if text:
            emit(events.tool_output(self._context.call_id, self._context.tool, text))

    def value(self) -> str | ToolResult:
        return self._result or "".join(self._texts)


def as_text(value: Any) -> str:
    """Return a value as the model reads it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else to_json(value, fallback=str).decode()
