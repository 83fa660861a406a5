"""Counts and reports the usage of a run's model calls."""

from collections.abc import Callable
from typing import Any

from millrace.agent.budget import Budget
from millrace.agent.model import ModelRequest, Usage
from millrace.agent.turn import Turn
from millrace.errors import ProviderError

Report = Callable[[str, dict[str, Any]], None]


class ModelCalls:
    """Adds each call to the run's budget and reports it."""

    def __init__(self, budget: Budget, report: Report) -> None:
        self._budget = budget
        self._report = report

    def ended(
        self,
        model: str,
        turn: Turn,
        request: ModelRequest,
        error: ProviderError | None = None,
        reason: str | None = None,
    ) -> Usage:
        """Count a call that has ended, with an `error` if it failed, or was cut off for a `reason`, and
        return what it used. `model` has its provider's prefix."""
        usage = turn.usage(request) if turn.begun(error) else Usage()
        price = self._budget.spend(model, usage) if turn.begun(error) else 0.0
        self._report(
            "run:llm_call",
            {
                "model": model,
                "tokens": _tokens(usage),
                "estimated": usage.estimated,
                "cost": price,
                "latencyMs": turn.elapsed_ms(),
                "firstTokenMs": turn.first_token_ms,
                "error": error.code if error else reason,
            },
        )
        return usage


def _tokens(usage: Usage) -> dict[str, int]:
    cached = {"cacheRead": usage.cache_read, "cacheWrite": usage.cache_write}
    found = {name: tokens for name, tokens in cached.items() if tokens}
    return {"input": usage.input, "output": usage.output} | found
