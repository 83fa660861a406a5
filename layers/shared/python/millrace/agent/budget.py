"""A run's budget: the limits it may reach, and what it has used so far."""

from msgspec import Struct, field

from millrace.agent.model import Usage
from millrace.agent.prices import cost
from millrace.domain.agents import AgentLimits

CALL_TOKENS = 8192
"""The most output tokens asked of one model call: models refuse more than they can write."""


class Budget(Struct):
    """The sum over a run's model calls, its sub-agents' among them. `cost` in US dollars; None once a call's
    price was not known. `estimated`: the tokens of some call were not told, and an estimate counts."""

    limits: AgentLimits
    input: int = 0
    output: int = 0
    iterations: int = 0
    cost: float | None = 0.0
    estimated: bool = False
    cache_read: int = 0
    cache_write: int = 0
    parents: list["Budget"] = field(default_factory=list)

    def spend(self, model: str, usage: Usage) -> float | None:
        """Add one model call; `model` with its provider's prefix. Returns its cost."""
        price = cost(model, usage)
        for budget in (self, *self.parents):
            budget.input += usage.input
            budget.output += usage.output
            budget.cache_read += usage.cache_read
            budget.cache_write += usage.cache_write
            budget.estimated = budget.estimated or usage.estimated
            budget.cost = None if budget.cost is None or price is None else budget.cost + price
        return price

    def call_tokens(self, thinking: int = 0) -> int:
        """The output tokens that the next model call may take, `thinking` more than usual."""
        return max(1, min(self.limits.max_tokens - self.output, CALL_TOKENS + thinking))

    def exhausted(self) -> str | None:
        """The finish reason when another iteration would pass a limit."""
        if self.iterations >= self.limits.max_iterations:
            return "max_iterations"
        if self.output >= self.limits.max_tokens:
            return "max_tokens"
        # A cost that is not known cannot reach a limit; tokens and iterations bound such a run.
        if self.limits.max_cost is not None and self.cost is not None and self.cost >= self.limits.max_cost:
            return "max_cost"
        return next((why for parent in self.parents if (why := parent.exhausted())), None)

    def usage(self) -> dict[str, int]:
        """As the `done` event has it: `estimated` and the tokens of prompt caches, which are part of the
        input, are only there where there are any."""
        used = {"input": self.input, "output": self.output, "total": self.input + self.output}
        more = {
            "cacheRead": self.cache_read,
            "cacheWrite": self.cache_write,
            "estimated": self.estimated,
        }
        return used | {name: value for name, value in more.items() if value}
