"""The loop of an agent in code: the loop of any agent, with a function in place of the model."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, cast

from millrace.agent.code.context import ONCE, STEP
from millrace.agent.code.model import LimitReached
from millrace.agent.code.record import RESULT
from millrace.agent.code.run import CodeRun
from millrace.agent.loop import AgentLoop
from millrace.agent.model import ModelRequest
from millrace.agent.suspension import Interrupted, Suspended
from millrace.agent.tools.tool import Tool, ToolContext, ToolResult, log
from millrace.agent.tools.toolbox import Toolbox
from millrace.agent.turn import Turn
from millrace.domain.conversations import StoredMessage
from millrace.errors import MillraceError, ToolError

RESULT_BYTES = 256 * 1024
"""The maximum length of a result that an agent in code receives."""
OpenTools = Callable[[], AbstractAsyncContextManager[Toolbox]]


class CodeLoop(AgentLoop):
    """One run of an agent in code. The running function acts as the provider."""

    @property
    def _code(self) -> CodeRun:
        return cast(CodeRun, self._provider)

    async def run(self, history: Sequence[StoredMessage]) -> str:
        """See `AgentLoop.run`."""
        self._code.history = lambda: self._history
        try:
            return await super().run(history)
        except LimitReached as reached:
            return reached.reason
        except ToolError as error:
            raise self._failed(error) from error
        finally:
            await self._code.close()

    async def _may_end(self, reason: str) -> bool:
        if self._code.over:
            return await super()._may_end(reason)
        # The function only checked for live messages, or ended before it had seen one. That is not an
        # iteration, except for the first one, which no check precedes.
        self.budget.iterations = max(1, self.budget.iterations - 1)
        return False

    async def _ask(self) -> Turn:
        return await self._call_model()

    async def _request(self) -> ModelRequest:
        return ModelRequest(self._model, "", [], self._toolbox.specs())

    async def _try(self, request: ModelRequest) -> Turn:
        self._turn = turn = self._new_turn(False)
        await turn.stream(self._provider, request)
        return turn

    def _must_ask_again(self, turn: Turn) -> bool:
        self._asked_again = True  # another try would give the same answer
        return super()._must_ask_again(turn)

    def _failed(self, error: ToolError) -> ToolError:
        """Return the error of a tool that the function did not handle, with details for those who may see
        them."""
        if self.agent.visibility != "answer":
            return error
        return ToolError("A tool of the agent failed.")


@asynccontextmanager
async def with_steps(code: CodeRun, open_tools: OpenTools) -> AsyncIterator[Toolbox]:
    """Open the agent's tools, with its function's steps among them."""
    async with open_tools() as toolbox:
        yield _Steps(toolbox.tools(), code)


class _Steps(Toolbox):
    """Tools, with each step as a tool that only the function can call."""

    def __init__(self, tools: Sequence[Tool], code: CodeRun) -> None:
        super().__init__(tools, result_limit=RESULT_BYTES)
        self._code = code

    def get(self, name: str) -> Tool | None:
        """See `Toolbox`."""
        if not name.startswith((STEP, ONCE)):
            return super().get(name)
        repeat = "safe" if name.startswith(STEP) else "never"
        run = partial(_step, self._code, name.removeprefix(STEP).removeprefix(ONCE))
        return Tool(name, "", {"type": "object"}, run, repeat=repeat, timed=False)  # type: ignore[arg-type]


async def _step(code: CodeRun, name: str, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
    """Run a step. Errors that were not raised for users are only logged."""
    try:
        text = arguments[RESULT] if RESULT in arguments else await code.perform(context.call_id)
    except (MillraceError, Suspended, Interrupted, LimitReached):
        raise
    except Exception as error:
        log.exception("The step %s of the agent %s failed.", name, code.agent.id)
        raise ToolError(f"{type(error).__name__}, which is in the log of the deployment.") from error
    if len(text.encode()) > RESULT_BYTES:
        raise ToolError(
            f"The result of the step {name} must not exceed {RESULT_BYTES:,} bytes; store it elsewhere and "
            "return its location."
        )
    return ToolResult(ok=True, text=text, summary=text)
