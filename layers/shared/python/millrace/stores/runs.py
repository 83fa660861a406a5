"""Runs in DynamoDB: an item for each organization and id (ULIDs, so ordered by time), kept for 30 days."""

import time
from typing import Any, NamedTuple

import orjson
from msgspec import Struct

from millrace.domain.conversations import Slot
from millrace.domain.runs import Run
from millrace.errors import NotFound
from millrace.stores.chosen_pages import chosen_page
from millrace.stores.dynamo import Dynamo, Item, TransactItem, put, to_item

KEPT_SECONDS = 30 * 24 * 3600
READ_AT_ONCE = 200
MOST_READ = 1000
"""The maximum number of runs read for one page of a list."""
_EVER = "9999"


class RunPosition(NamedTuple):
    """The position of the last run of a page."""

    started_at: str
    run_id: str


class RunFilter(Struct, frozen=True):
    """A filter for a list of runs. None matches all.

    `user` owns the conversation or sent the message. `since` and `until` are ISO start times, inclusive.
    """

    agent_id: str | None = None
    state: str | None = None
    conversation_id: str | None = None
    user: str | None = None
    since: str | None = None
    until: str | None = None

    def admits(self, run: Run) -> bool:
        """Return whether a run matches, apart from its start time."""
        return (
            self.agent_id in (None, run.agent_id)
            and self.state in (None, run.state)
            and self.conversation_id in (None, run.slot.conversation_id)
            and self.user in (None, run.owner, run.created_by)
        )


def stream_of(organization: str, run_id: str) -> str:
    """Return the event-log stream of a run."""
    return f"{organization}#run#{run_id}"


def unknown_run() -> NotFound:
    """Return the error for an id of no run that the caller may see."""
    return NotFound("No run has this id.", code="run_not_found")


class RunStore:
    """The table of runs."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self.table = table

    async def get(self, organization: str, run_id: str) -> Run:
        """Return a run. Raises `NotFound`, also for another organization's run."""
        item = await self._dynamo.get(self.table, {"pk": organization, "sk": run_id})
        if item is None:
            raise unknown_run()
        return _to_run(organization, item)

    async def get_many(self, organization: str, run_ids: list[str]) -> list[Run]:
        """Return the stored runs among at most 100 ids, in any order."""
        keys = [{"pk": organization, "sk": run_id} for run_id in run_ids]
        return [_to_run(organization, item) for item in await self._dynamo.get_many(self.table, keys)]

    async def page(
        self, organization: str, wanted: RunFilter, limit: int, after: RunPosition | None = None
    ) -> tuple[list[Run], RunPosition | None]:
        """Return matching runs, latest first, and the position to continue after.

        The filter applies after the read, so a page has fewer than `limit` runs once `MOST_READ` were read.
        """
        if after and after.started_at < (wanted.since or ""):
            return [], None  # DynamoDB rejects a start position outside the range

        def entries_of(item: Item) -> list[Run]:
            run = _to_run(organization, item)
            return [run] if wanted.admits(run) else []

        return await chosen_page(
            lambda position: self._query(organization, wanted, position),
            lambda item: RunPosition(item["startedAt"], item["sk"]),
            entries_of,
            limit,
            MOST_READ // READ_AT_ONCE,
            after,
        )

    async def _query(
        self, organization: str, wanted: RunFilter, after: RunPosition | None
    ) -> tuple[list[Item], bool]:
        """Return runs from the index, latest first, and whether there are more."""
        last = min(wanted.until or _EVER, after.started_at if after else _EVER)
        start = {"pk": organization, "sk": after.run_id, "startedAt": after.started_at} if after else None
        items, more = await self._dynamo.query_page(
            TableName=self.table,
            IndexName="ByStart",
            KeyConditionExpression="pk = :organization AND startedAt BETWEEN :first AND :last",
            ExpressionAttributeValues=to_item(
                {":organization": organization, ":first": wanted.since or "0", ":last": last}
            ),
            ScanIndexForward=False,
            Limit=READ_AT_ONCE,
            **({"ExclusiveStartKey": to_item(start)} if start else {}),
        )
        return items, more is not None

    def put(self, run: Run, *, new: bool = False, until_ms: int = 0) -> TransactItem:
        """Return the write that stores a run; `until_ms` extends its life for a run that waits until then."""
        from_now = max(int(time.time()), until_ms // 1000)
        return put(self.table, _to_item(run) | {"expiresAt": from_now + KEPT_SECONDS}, new=new)


def _to_item(run: Run) -> Item:
    details: dict[str, Any] = {
        "agentName": run.agent_name,
        "model": run.model,
        "messageId": run.message_id,
        "visibility": run.visibility,
        "endedAt": run.ended_at,
        "finishReason": run.finish_reason,
        "usage": run.usage,
        "cost": run.cost,
        "error": run.error,
        "durationMs": run.duration_ms,
        "firstTokenMs": run.first_token_ms,
        "owner": run.owner,
        "createdBy": run.created_by,
        "hops": run.hops,
        "previousId": run.previous_id,
        "lastSeq": run.last_seq,
    }
    if run.traceparent:
        details["traceparent"] = run.traceparent
    if run.request:
        details["request"] = run.request
    return {
        "pk": run.slot.organization,
        "sk": run.id,
        "conversationId": run.slot.conversation_id,
        "threadId": run.slot.thread_id,
        "agentId": run.agent_id,
        "runState": run.state,
        "startedAt": run.started_at,
        "details": orjson.dumps(details).decode(),
    }


def _to_run(organization: str, item: Item) -> Run:
    details = orjson.loads(item["details"])
    return Run(
        id=item["sk"],
        slot=Slot(organization, item["conversationId"], item["threadId"]),
        agent_id=item["agentId"],
        state=item["runState"],
        started_at=item["startedAt"],
        message_id=details["messageId"],
        visibility=details["visibility"],
        agent_name=details["agentName"],
        model=details["model"],
        ended_at=details["endedAt"],
        finish_reason=details["finishReason"],
        usage=details["usage"],
        cost=details["cost"],
        error=details["error"],
        duration_ms=details["durationMs"],
        first_token_ms=details.get("firstTokenMs"),
        owner=details.get("owner", ""),
        created_by=details.get("createdBy", ""),
        hops=details.get("hops", 0),
        traceparent=details.get("traceparent", ""),
        previous_id=details.get("previousId"),
        last_seq=details.get("lastSeq"),
        request=details.get("request", {}),
    )
