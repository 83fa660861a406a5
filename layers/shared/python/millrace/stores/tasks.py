"""The tasks that a user has begun over A2A, in the table of runs: `<organization>#tasks#<user>` by run.

A task is a run. These items only list it, and are written in the transaction that begins the run. No
organization has `#` in its name.
"""

import time
from typing import Any, NamedTuple

from millrace.domain.runs import Run
from millrace.stores.dynamo import Dynamo, TransactItem, put, to_item
from millrace.stores.runs import KEPT_SECONDS

MOST_LISTED = 1000
"""The maximum number of tasks read for a list, newest first."""


class ListedTask(NamedTuple):
    """A task in the list: its run and its conversation."""

    run_id: str
    context_id: str


class TaskList:
    """The lists of all users."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    def listed(self, run: Run) -> TransactItem:
        """Return the write that lists a run as a task of the user who began it."""
        item = {
            "pk": _partition(run.slot.organization, run.created_by),
            "sk": run.id,
            "conversationId": run.slot.conversation_id,
            "agentId": run.agent_id,
            "expiresAt": int(time.time()) + KEPT_SECONDS,
        }
        return put(self._table, item)

    async def newest(self, organization: str, user: str, agent_id: str) -> list[ListedTask]:
        """Return the newest tasks of a user with an agent, latest first, at most `MOST_LISTED`."""
        found: list[ListedTask] = []
        start = None
        while len(found) < MOST_LISTED:
            more: dict[str, Any] = {"ExclusiveStartKey": start} if start else {}
            items, start = await self._dynamo.query_page(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=to_item({":pk": _partition(organization, user)}),
                ScanIndexForward=False,
                Limit=MOST_LISTED,
                **more,
            )
            found += [
                ListedTask(item["sk"], item["conversationId"])
                for item in items
                if item["agentId"] == agent_id
            ]
            if not start:
                break
        return found[:MOST_LISTED]


def _partition(organization: str, user: str) -> str:
    return f"{organization}#tasks#{user}"
