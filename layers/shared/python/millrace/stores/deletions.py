"""Deletion of a conversation: its threads, messages, live messages, runs, and their event logs.

`META` of the conversation is marked first (`deleting`, a token of this deletion) and removed last. While it
is marked, nobody sees the conversation, and no run can begin or end in it because both require an unmarked
`META`. So nothing that was deleted is created again. An interrupted deletion is finished by a repeated
request or by the sweep of every minute, which finds the mark in the index `ByUpdate`.

A restorable deletion is a mark with a time (`restorableUntil`). Restoring the conversation removes the mark.
After that time, the sweep claims it and completes it like any other deletion.
"""

import random
from collections.abc import AsyncGenerator
from typing import Any

from msgspec import Struct

from millrace.domain.clock import Clock, iso
from millrace.domain.conversations import Conversation, Slot
from millrace.domain.ids import new_ulid
from millrace.domain.runs import LeaseRecord
from millrace.stores.conversation_counts import ConversationCounts
from millrace.stores.conversation_items import is_same, list_keys, meta_key, same, to_conversation
from millrace.stores.conversations import THREAD_PREFIX
from millrace.stores.deleted_items import BATCH, grouped
from millrace.stores.dynamo import (
    ConditionFailed,
    Dynamo,
    Item,
    check_that,
    delete,
    delete_when,
    to_item,
    update,
)
from millrace.stores.event_log import EventLog
from millrace.stores.lease_record import lease_key, to_lease
from millrace.stores.runs import RunStore, stream_of

_DELETING = "#deleting"
"""The partition of the index that lists marked conversations. No organization's name begins with `#`."""
_CHOICE = 5
"""For each unfinished deletion that is chosen, this many are read."""
_TEXTS = "title, metadata"


class Deletion(Struct, frozen=True):
    """A deletion in progress: the conversation and the token that marks it."""

    root: Slot
    token: str
    agent_id: str = ""
    restorable: bool = False
    owner: str = ""


class DeletionFinished(Exception):
    """Another process has finished this deletion. What is there now belongs to a new conversation."""


class DeletionStore:
    """The writes of deletions, all of which can be repeated safely."""

    def __init__(
        self,
        dynamo: Dynamo,
        tables: tuple[str, str, str],
        runs: RunStore,
        log: EventLog,
        counts: ConversationCounts,
        clock: Clock,
    ) -> None:
        self._dynamo = dynamo
        self._table, self._injections, self._flows = tables
        self._runs = runs
        self._log = log
        self._counts = counts
        self._clock = clock

    async def begin(self, root: Slot, seen: Conversation | None = None) -> Deletion | None:
        """Mark a conversation, or join the deletion that has marked it. Return None if there is none. With
        `seen`, mark only that conversation and not a later one with the same id."""
        condition, identity = same(seen) if seen else ("attribute_exists(pk)", {})
        request = update(
            self._table,
            meta_key(root),
            "SET deleting = if_not_exists(deleting, :token), listPk = :list, listSk = :sort "
            f"REMOVE restorableUntil, activeRunId, ownerPk, {_TEXTS}",
            condition,
            **identity,
            token=new_ulid(),
            list=_DELETING,
            # A repeated request sets the time again, so that the sweep leaves the deletion to that request.
            sort=f"{iso(self._clock())}#{root.conversation_id}",
        )
        try:
            await self._dynamo.write(request)
        except ConditionFailed:
            return None
        return await self._find(root)

    async def begin_restorable(
        self, root: Slot, until_ms: int, seen: Conversation | None = None
    ) -> int | None:
        """Mark a conversation for deletion at a time, until which `restore` can remove the mark.

        `seen` is used as in `begin`. Return the time that applies, which is that of an earlier mark if there
        is one. Return None if there is no conversation or its deletion is in progress.
        """
        condition, identity = same(seen) if seen else ("attribute_exists(pk)", {})
        request = update(
            self._table,
            meta_key(root),
            "SET deleting = :token, restorableUntil = :until, listPk = :list, listSk = :sort "
            "REMOVE activeRunId, ownerPk",
            f"{condition} AND attribute_not_exists(deleting)",
            **identity,
            token=new_ulid(),
            until=until_ms,
            list=_DELETING,
            # The sweep finds it after this time, among interrupted deletions.
            sort=f"{iso(until_ms)}#{root.conversation_id}",
        )
        try:
            await self._dynamo.write(request)
        except ConditionFailed as error:
            marked = error.items[0] or {}
            return marked.get("restorableUntil") if not seen or is_same(marked, seen) else None
        return until_ms

    async def restore(self, root: Slot, seen: Conversation | None = None) -> bool:
        """Remove the mark of a restorable deletion; `seen` is used as in `begin`. Return False if there is no
        such mark (any more)."""
        item = await self._dynamo.get(self._table, meta_key(root))
        if item is None or "restorableUntil" not in item or (seen and not is_same(item, seen)):
            return False
        hidden = to_conversation(root, {name: value for name, value in item.items() if name != "deleting"})
        keys = list_keys(root, hidden) if hidden else {}
        request = update(
            self._table,
            meta_key(root),
            "SET " + ", ".join(f"{name} = :{name}" for name in keys) + " REMOVE deleting, restorableUntil",
            "deleting = :token AND attribute_exists(restorableUntil)",
            token=item["deleting"],
            **keys,
        )
        try:
            await self._dynamo.write(request)
        except ConditionFailed:
            return False
        return True

    async def _claim(self, root: Slot) -> Deletion | None:
        """Return the deletion of a conversation, which cannot be restored from now on."""
        found = await self._find(root)
        if found is None or not found.restorable:
            return found
        request = update(
            self._table,
            meta_key(root),
            f"REMOVE restorableUntil, {_TEXTS}",
            "deleting = :token",
            token=found.token,
        )
        try:
            await self._dynamo.write(request)
        except ConditionFailed:  # it was restored
            return None
        return found

    async def _find(self, root: Slot) -> Deletion | None:
        item = await self._dynamo.get(self._table, meta_key(root))
        if item is None or "deleting" not in item:
            return None
        return Deletion(
            root,
            item["deleting"],
            item.get("agentId", ""),
            "restorableUntil" in item,
            item.get("createdBy", ""),
        )

    async def unfinished(self, before_ms: int, limit: int) -> list[Deletion]:
        """Return some of the oldest unfinished deletions that were begun before a time."""
        items, _ = await self._dynamo.query_page(
            TableName=self._table,
            IndexName="ByUpdate",
            KeyConditionExpression="listPk = :pk AND listSk < :before",
            ExpressionAttributeValues=to_item({":pk": _DELETING, ":before": iso(before_ms)}),
            Limit=limit * _CHOICE,
        )
        # Chosen at random: deletions that always fail stay the oldest and must not block the others.
        chosen = random.sample(items, min(limit, len(items)))
        roots = [Slot(item["pk"].partition("#")[0], item["conversationId"]) for item in chosen]
        # The index may be slightly old; only the table knows whether the mark still exists.
        return [found for root in roots if (found := await self._claim(root))]

    async def is_there(self, root: Slot, seen: Conversation) -> bool:
        """Return whether an id still belongs to the conversation that was `seen`, hidden or not."""
        return is_same(await self._dynamo.get(self._table, meta_key(root)) or {}, seen)

    async def is_deleted(self, root: Slot, *, for_good: bool = False) -> bool:
        """Return whether the conversation does not exist or is being deleted.

        With `for_good`, a conversation that can be restored counts as existing.
        """
        item = await self._dynamo.get(self._table, meta_key(root))
        return item is None or ("deleting" in item and not (for_good and "restorableUntil" in item))

    async def slots(self, root: Slot) -> list[Slot]:
        """Return the conversation and its threads. Once it is marked, no thread can be added."""
        items = await self._dynamo.query(
            self._table, "pk = :pk AND begins_with(sk, :prefix)", pk=root.key, prefix=THREAD_PREFIX
        )
        threads = [item["sk"].removeprefix(THREAD_PREFIX) for item in items]
        return [root, *(Slot(root.organization, root.conversation_id, one) for one in threads)]

    async def revoke(self, deletion: Deletion, slot: Slot) -> LeaseRecord:
        """Revoke the slot's lease, so that its run cannot write any more, and return the lease as it was.

        Raises `DeletionFinished`.
        """
        # Read first: after the deletion, nothing records which run was active.
        lease = to_lease(await self._dynamo.get(self._table, lease_key(slot)))
        await self._delete(deletion, self._table, [lease_key(slot)])
        return lease

    async def waiting_pages(self, slot: Slot) -> AsyncGenerator[list[Item], None]:
        """Yield the slot's live messages and their idempotency keys, page by page."""
        async for page in self._pages(self._injections, slot.key):
            yield page

    async def pages(self, slot: Slot) -> AsyncGenerator[list[Item], None]:
        """Yield the items in the slot's partition, page by page.

        A conversation's `META` and list of threads are left out, because the deletion still needs them.
        """
        async for page in self._pages(self._table, slot.key):
            yield [item for item in page if item["sk"] != "META" or slot.thread_id]

    async def _pages(self, table: str, pk: str) -> AsyncGenerator[list[Item], None]:
        start: dict[str, Any] = {}
        while True:
            items, last = await self._dynamo.query_page(
                TableName=table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=to_item({":pk": pk}),
                ConsistentRead=True,
                **start,
            )
            yield items
            if last is None:
                return
            start = {"ExclusiveStartKey": last}

    async def delete_items(self, deletion: Deletion, items: list[Item]) -> None:
        """Delete items from the table of conversations. Raises `DeletionFinished`."""
        await self._delete(deletion, self._table, items)

    async def delete_waiting(self, deletion: Deletion, items: list[Item]) -> None:
        """Delete items from the table of live messages. Raises `DeletionFinished`."""
        await self._delete(deletion, self._injections, items)

    async def _delete(self, deletion: Deletion, table: str, items: list[Item]) -> None:
        """Delete items in groups of at most 25, each only while the mark exists.

        A new conversation with the same id has the same keys.
        """
        still_marked = check_that(
            self._table, meta_key(deletion.root), "deleting = :token", token=deletion.token
        )
        for group in grouped(items, BATCH):
            keys = [{"pk": item["pk"], "sk": item["sk"]} for item in group]
            try:
                await self._dynamo.transact(
                    still_marked, *(delete(table, key, existing=False) for key in keys)
                )
            except ConditionFailed as error:
                raise DeletionFinished from error

    async def delete_run(self, organization: str, run_id: str) -> None:
        """Delete a run's event log and its item. Ids of runs are never reused."""
        await self._log.delete(stream_of(organization, run_id))
        await self._dynamo.write(delete(self._runs.table, {"pk": organization, "sk": run_id}, existing=False))

    async def delete_execution(self, root: Slot) -> None:
        """Delete the execution of a flow, which has the conversation's id."""
        key = {"pk": root.organization, "sk": f"EXECUTION#{root.conversation_id}"}
        await self._dynamo.write(delete(self._flows, key, existing=False))

    async def finish(self, deletion: Deletion) -> None:
        """Remove the mark together with the conversation's own item, which frees the id."""
        removal = delete_when(self._table, meta_key(deletion.root), "deleting = :token", token=deletion.token)
        try:
            await self._counts.remove(deletion.root.organization, deletion.owner, removal)
        except ConditionFailed as error:
            raise DeletionFinished from error
