"""The tools of an agent. The calls of one turn run concurrently and independently."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from millrace.agent.model import ToolCall, ToolSpec
from millrace.agent.providers.lenient_json import whole
from millrace.agent.suspension import Interrupted, Suspended, together
from millrace.agent.tools.tool import Tool, ToolContext, ToolResult, one_line
from millrace.errors import MillraceError

RESULT_LIMIT = 32 * 1024
FULL_LIMIT = 1024 * 1024
PARALLEL_LIMIT = 16
ERROR_LIMIT = 1000

OnResult = Callable[[ToolCall, ToolResult], None]

logger = logging.getLogger(__name__)


class Toolbox:
    """A set of tools by name. Raises `ValueError` if two have the same name.

    `result_limit` is the maximum that the model reads of one result, in bytes of UTF-8.
    """

    def __init__(self, tools: Iterable[Tool], *, result_limit: int = RESULT_LIMIT) -> None:
        self._tools: dict[str, Tool] = {}
        self._result_limit = result_limit
        for tool in tools:
            if tool.name in self._tools:
                raise ValueError(f"Two tools are called {tool.name}.")
            self._tools[tool.name] = tool

    def specs(self) -> list[ToolSpec]:
        return [tool.spec() for tool in self._tools.values()]

    def tools(self) -> list[Tool]:
        """Return all tools."""
        return list(self._tools.values())

    def get(self, name: str) -> Tool | None:
        """Return the tool of this name, or None."""
        return self._tools.get(name)

    def may_repeat(self, name: str) -> bool:
        """Return whether a call of this tool may run again. A call of an unknown tool has no effect, so it
        may."""
        tool = self.get(name)
        return tool is None or tool.repeat == "safe"

    async def run_all(
        self,
        calls: list[ToolCall],
        context: ToolContext,
        timeout: float,  # noqa: ASYNC109 (each call's, not the whole's)
        on_result: OnResult | None = None,
    ) -> list[ToolResult]:
        """Run every call and return their results in the same order.

        A call that fails, takes longer than `timeout` seconds or is invalid has a result that says so to the
        model; it raises nothing. `on_result` is called for each result as it arrives. Canceling this cancels
        every call, but does not wait for tools that block a thread.

        Raises `Suspended`, once all other calls have results, if a sub-agent is to continue in another
        process, and `Interrupted` at once.
        """
        turns = asyncio.Semaphore(PARALLEL_LIMIT)
        left: list[Suspended] = []

        async def run(call: ToolCall) -> ToolResult | None:
            try:
                async with turns:
                    result = await self.run(call, context, timeout)
            except Suspended as suspended:
                left.append(suspended)
                return None
            if on_result:
                on_result(call, result)
            return result

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(run(call)) for call in calls]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if left:
            raise together(left)
        return [result for task in tasks if (result := task.result())]

    async def run(
        self,
        call: ToolCall,
        context: ToolContext,
        timeout: float,  # noqa: ASYNC109 (a call that takes longer has a result)
    ) -> ToolResult:
        """Run one call, as `run_all` does. Raises `Suspended` or `Interrupted`."""
        started = time.monotonic()
        result = await self._attempt(call, context, timeout)
        text = whole(result.text)  # names of files, for example, may have halves of characters
        elapsed = int((time.monotonic() - started) * 1000)
        return replace(
            result,
            text=cut(text, self._result_limit),
            summary=whole(result.summary),
            full=cut(text, FULL_LIMIT),
            duration_ms=elapsed,
        )

    async def _attempt(self, call: ToolCall, context: ToolContext, seconds: float) -> ToolResult:
        tool = self.get(call.name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            return failed(f"There is no tool {call.name!r}. The tools are: {known}.")
        if tool.scope and not context.user.may(tool.scope):
            return failed(_missing_scope(tool))
        if call.arguments is None:
            return failed(_unreadable(call))
        deadline = asyncio.timeout(seconds if tool.timed else None)
        try:
            async with deadline:
                return await tool.run(call.arguments, replace(context, call_id=call.id, tool=tool.name))
        except (Suspended, Interrupted):
            raise
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            # A tool that cancels itself or exits must not end the run; canceling the run must end the tool.
            if _is_being_cancelled():
                raise asyncio.CancelledError from error
            if deadline.expired():
                return failed(f"{call.name} did not finish within {seconds:g} s and was given up.")
            return _failure(call, error)


def _missing_scope(tool: Tool) -> str:
    return (
        f"{tool.name} was not run: the user of this conversation lacks the scope {tool.scope!r}. "
        "Do not call it again; tell the user."
    )


def outcome_unknown(call: ToolCall) -> ToolResult:
    """Return the result of a call that had started when its process died, and that must not run twice."""
    text = (
        f"{call.name} was interrupted after it had begun, and nobody knows whether it took effect. It was "
        "not run again. Find out whether it took effect before you call it again, or ask the user."
    )
    return ToolResult(ok=False, text=text, summary="Interrupted; the outcome is unknown.", full=text)


def failed(text: str) -> ToolResult:
    """Return a result that reports a failure to the model and to users."""
    return ToolResult(ok=False, text=text, summary=text)


def cut(text: str, limit: int) -> str:
    """Return the text, or its beginning and a note about the rest, in at most `limit` bytes of UTF-8."""
    # A character has at most four bytes, so most texts need not be encoded to be measured.
    if len(text) * 4 <= limit:
        return text
    whole = text.encode(errors="replace")
    if len(whole) <= limit:
        return text
    note = f"\n[cut here: the whole has {len(whole)} bytes; ask for less of it]"
    return whole[: max(0, limit - len(note))].decode(errors="ignore") + note


def _is_being_cancelled() -> bool:
    """Return whether the run is being canceled, rather than the tool's own work or its timeout."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _failure(call: ToolCall, error: BaseException) -> ToolResult:
    if isinstance(error, MillraceError):
        hint = " Call it again with other arguments." if error.code == "invalid_arguments" else ""
        return failed(f"{call.name} failed: {error.message}{hint}")
    logger.warning("The tool %s failed.", call.name, exc_info=error)
    return failed(f"{call.name} failed: {type(error).__name__}: {one_line(str(error), ERROR_LIMIT)}")


def _unreadable(call: ToolCall) -> str:
    return (
        f"The arguments of {call.name} were cut off or are not a JSON object: {one_line(call.raw, 200)!r}. "
        "Call it again with one complete JSON object; make it shorter if it was too long."
    )
