"""The newest summaries of a slot: `SUM` in its partition, where the query that opens the slot finds it.

A single line of messages needs only the newest one. With branches, earlier ones are kept too, because the
newest may belong to a branch that is not active.
"""

import orjson

from millrace.domain.conversations import Slot
from millrace.domain.summaries import Summary
from millrace.stores.dynamo import Dynamo, Item, TransactItem, put, update

SUMMARY_KEY = "SUM"
_OLDER = ("older1", "older2")


class SummaryStore:
    """The summaries in the table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def keep(
        self, lease_check: TransactItem, slot: Slot, summary: Summary, *, branched: bool = False
    ) -> None:
        """Store a summary in place of the previous one, or, in a slot that has `branched`, in front of it.

        Raises `ConditionFailed` if the run does not hold its slot any more.
        """
        body = orjson.dumps(summary.bounded().to_json()).decode()
        key = {"pk": slot.key, "sk": SUMMARY_KEY}
        write = self._in_front(key, body) if branched else put(self._table, key | {"body": body})
        await self._dynamo.transact(lease_check, write)

    def _in_front(self, key: Item, body: str) -> TransactItem:
        # Values on the right are those before the update.
        newest, older = _OLDER
        expression = (
            f"SET body = :body, {newest} = if_not_exists(body, :none), "
            f"{older} = if_not_exists({newest}, :none)"
        )
        return update(self._table, key, expression, body=body, none="")


def to_summaries(item: Item | None) -> list[Summary]:
    """Return the summaries in the item, newest first."""
    stored = [item.get(name) for name in ("body", *_OLDER)] if item else []
    return [Summary.of(orjson.loads(one)) for one in stored if one]
