"""The use of a run, added to that of the day, and the limits and stops that end it."""

from msgspec import Struct

from millrace.agent.budget import Budget
from millrace.domain.limits import MICRO, Reached, Standing
from millrace.domain.runs import Run
from millrace.stores.admissions import Keys
from millrace.stores.lease_record import Lease
from millrace.stores.limits import LimitStore, keys_of


class Spending(Struct):
    """Counts what the model calls of a run have used, those of its sub-agents among them.

    The run asks before each model call. The first needs no count: whoever began the run has checked. Each
    next one adds what those before it have used and learns the sum of all runs, so each of many runs passes a
    limit by the calls it has under way when the limit is reached, and begins no other. `checked`: it was the
    beginning of the run that checked, so the first question needs no answer of the store.
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
        """Of a run that begins or goes on: what its lease's progress tells has been counted."""
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
        """Add what has been used since the last count; None where nothing has."""
        tokens, cost = self.budget.input + self.budget.output, self.budget.cost or 0.0
        more, dearer = tokens - self.tokens, max(0.0, cost - self.cost)
        if not more and not dearer:
            return None
        # Taken before the call: agents that work at the same time must not count the same.
        self.tokens, self.cost = tokens, max(cost, self.cost)
        try:
            return await self.store.add(self._organization, self._keys(), more, round(dearer * MICRO))
        except BaseException:
            self.tokens, self.cost = self.tokens - more, self.cost - dearer
            raise

    async def reached(self) -> Reached | None:
        """Return the limit that keeps the run from asking a model once more."""
        standing = await self.count()
        if standing is None and not self.asked:
            standing = await self.store.standing(self._organization, self._keys())
        self.asked = True
        if standing:
            self.last = standing.reached()
        return self.last

    def begins(self) -> bool:
        """Return whether this is the first question of a run that was checked as it began."""
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
