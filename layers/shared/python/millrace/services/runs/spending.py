"""A run's usage, added to that of the day, and the limits and stops that end the run."""

from msgspec import Struct

from millrace.agent.budget import Budget
from millrace.domain.limits import MICRO, Reached, Standing
from millrace.domain.runs import Run
from millrace.stores.admissions import Keys
from millrace.stores.lease_record import Lease
from millrace.stores.limits import LimitStore, keys_of


class Spending(Struct):
    """Counts the usage of a run's model calls, including those of its sub-agents.

    The run asks before each model call. The first call needs no count, because the beginning of the run has
    checked the limits. Each later one adds the usage of the calls before and learns the sum of all runs, so
    each of many runs exceeds a limit at most by its calls in progress, and begins no other. `checked` means
    that the beginning of the run has checked, so the first question needs no answer from the store.
    """

    store: LimitStore
    budget: Budget
    run: Run
    tokens: int = 0
    cost: float = 0.0
    checked: bool = False
    asked: bool = False
    last: Reached | None = None

    @classmethod
    def of(cls, store: LimitStore, lease: Lease, budget: Budget) -> "Spending":
        """Return the spending of a run that begins or continues; its lease's progress was already counted."""
        progress = lease.progress
        return cls(
            store,
            budget,
            lease.run,
            progress.input + progress.output,
            progress.cost or 0.0,
            checked=not lease.seq,
        )

    async def count(self) -> Standing | None:
        """Add the usage since the last count. Return None if there is none."""
        tokens, cost = self.budget.input + self.budget.output, self.budget.cost or 0.0
        more, dearer = tokens - self.tokens, max(0.0, cost - self.cost)
        if not more and not dearer:
            return None
        # Updated before the call, because concurrent agents must not count the same usage.
        self.tokens, self.cost = tokens, max(cost, self.cost)
        try:
            return await self.store.add(self._organization, self._keys(), more, round(dearer * MICRO))
        except BaseException:
            self.tokens, self.cost = self.tokens - more, self.cost - dearer
            raise

    async def reached(self) -> Reached | None:
        """Return the limit that prevents another model call, if any."""
        standing = await self.count()
        if standing is None and not self.asked:
            standing = await self.store.standing(self._organization, self._keys())
        self.asked = True
        if standing:
            self.last = standing.reached()
        return self.last

    def begins(self) -> bool:
        """Return whether this is the first question of a run that was checked when it began."""
        begins = self.checked
        self.checked, self.asked = False, self.asked or begins
        return begins

    async def stopped(self, agent_id: str | None = None) -> bool:
        """Return whether the run's agent, or one that works for it, was stopped."""
        control = await self.store.control(self._organization)
        return control.stop_of(agent_id or self.run.agent_id) is not None

    @property
    def _organization(self) -> str:
        return self.run.slot.organization

    def _keys(self) -> Keys:
        return keys_of(self.run)
