"""The newest summary of a slot: `SUM` in its partition, where the query that opens the slot finds it."""

import orjson

from millrace.domain.conversations import Slot
from millrace.domain.summaries import Summary
from millrace.stores.dynamo import Dynamo, Item, TransactItem, put

SUMMARY_KEY = "SUM"


class SummaryStore:
    """The summaries in the table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def keep(self, lease_check: TransactItem, slot: Slot, summary: Summary) -> None:
        """Store a summary in place of the one before. Raises `ConditionFailed` for a run that does not hold
        its slot any more."""
        body = orjson.dumps(summary.bounded().to_json()).decode()
        item = {"pk": slot.key, "sk": SUMMARY_KEY, "body": body}
        await self._dynamo.transact(lease_check, put(self._table, item))


def to_summary(item: Item | None) -> Summary | None:
    """The summary that the item holds, None where there is none."""
    return Summary.of(orjson.loads(item["body"])) if item else None
