"""Further attempts of a graph after a temporary failure of a model's server."""

from typing import Any

from langgraph.errors import GraphRecursionError

from millrace.agent.code.model import LimitReached
from millrace.app import AgentContext
from millrace.frameworks.common.failures import of_ours
from millrace.frameworks.langchain_core.callbacks import Calls
from millrace.frameworks.langgraph.run_checkpoints import RunCheckpoints


class Attempts:
    """The attempts of one process. The failed nodes start again, unless one of them has already said
    something, which would then be said twice."""

    def __init__(self, ctx: AgentContext, calls: Calls, saver: RunCheckpoints) -> None:
        self._ctx = ctx
        self._calls = calls
        self._saver = saver
        self._failures = 0
        self._speaking: set[str] = set()

    def said(self, metadata: dict[str, Any]) -> None:
        """Note that the model of a node, which the metadata of its message names, has said something."""
        path = str(metadata.get("langgraph_checkpoint_ns", "")).split("|")
        # A node inside another one can start again by itself only if its graph has checkpoints.
        first = len(path) - 1
        while first and not self._saver.keeps("|".join(path[:first])):
            first -= 1
        self._speaking |= {one.rpartition(":")[2] for one in path[first:]}

    def finished(self, task_id: str) -> None:
        """Note that a node has finished."""
        self._failures = 0
        self._speaking.discard(task_id)

    async def wait_after(self, error: Exception) -> None:
        """Wait before the next attempt. If there is none, raises the error that ends the run."""
        await self._calls.give_up()
        failure = self._calls.failure(error)
        if failure is None:
            raise _readable(error) from error
        self._failures += 1
        await self._ctx.model.wait_after(failure, self._failures, started=bool(self._speaking))


def _readable(error: Exception) -> Exception:
    if isinstance(error, GraphRecursionError):
        return LimitReached("max_iterations")
    return of_ours(error) or error
