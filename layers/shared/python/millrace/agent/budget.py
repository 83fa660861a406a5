"""The budget of a run: its limits, and what it has used so far."""

from msgspec import Struct, field

from millrace.agent.model import Usage
from millrace.agent.prices import cost
from millrace.domain.agents import AgentLimits

CALL_TOKENS = 8192
"""The maximum output tokens requested of one model call; models refuse to be asked for more than they can
write."""


class Budget(Struct):
    """The total of a run's model calls, including those of its sub-agents.

    `cost` is in US dollars, and None once the price of a call is not known. `estimated` is true if a server
    did not report the tokens of some call, which are then estimates.
    """

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
        """Add one model call and return its cost. `model` has its provider's prefix."""
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
        """Return the output tokens that the next model call may use; `thinking` of them are added for
        reasoning."""
        return max(1, min(self.limits.max_tokens - self.output, CALL_TOKENS + thinking))

    def exhausted(self) -> str | None:
        """Return the finish reason if another iteration would exceed a limit."""
        if self.iterations >= self.limits.max_iterations:
            return "max_iterations"
        if self.output >= self.limits.max_tokens:
            return "max_tokens"
        # An unknown cost cannot reach a limit; tokens and iterations still bound such a run.
        if self.limits.max_cost is not None and self.cost is not None and self.cost >= self.limits.max_cost:
            return "max_cost"
        return next((why for parent in self.parents if (why := parent.exhausted())), None)

    def usage(self) -> dict[str, int]:
        """Return the usage as the `done` event has it. `estimated` and the tokens of prompt caches, which are
        part of the input, are left out if there are none."""
        used = {"input": self.input, "output": self.output, "total": self.input + self.output}
        more = {
            "cacheRead": self.cache_read,
            "cacheWrite": self.cache_write,
            "estimated": self.estimated,
        }
        return used | {name: value for name, value in more.items() if value}
