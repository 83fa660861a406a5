"""Files: an item each, and the bytes that an organization has stored. The bytes are in `file_objects`.

`<organization>#<file id>` / `FILE` is a file, `<organization>` / `QUOTA` the count: `kept` bytes of what
messages use, and `p<day>` those that were announced on a day and are not used. The latter pass away with
their files, so nobody has to hear of what expires. Each write raises the count's version with its file's
item, so that no two of them pass the quota together.
"""

import asyncio
import random
from dataclasses import replace
from typing import Any

from millrace.domain.clock import Clock, iso
from millrace.domain.conversations import Slot
from millrace.domain.files import StoredFile, unknown_file
from millrace.domain.ids import valid_id
from millrace.domain.limits import LATER_SECONDS, Reached
from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    TransactItem,
    delete_when,
    put,
    put_version,
    to_item,
    update,
)
from millrace.stores.limits import LimitStore

TRIES = 12
_DAY = 24 * 3600 * 1000


class FileStore:
    """The table of files; `limits` have the most bytes of an organization."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock, limits: LimitStore) -> None:
        self._dynamo = dynamo
        self._table = table
        self._clock = clock
        self._limits = limits

    async def create(self, file: StoredFile) -> None:
        """Store a file that is about to come, or is kept at once. Raises `TooManyRequests` at the limit."""
        field = "kept" if file.conversation_id else _day(file.created_ms)
        write = put(self._table, _item(file), new=True)
        try:
            await self._counted(file.organization, {field: file.size}, write)
        except ConditionFailed:
            # The id is made of the content, and the conversation has it.
            if not file.conversation_id:
                raise

    async def find(self, organization: str, file_id: str) -> StoredFile | None:
        """The file with an id, None where there is none (any more)."""
        if not valid_id(file_id):
            return None
        item = await self._dynamo.get(self._table, file_key(organization, file_id))
        return self._alive(item)

    async def page(
        self, organization: str, owner: str, after: str, limit: int
    ) -> tuple[list[StoredFile], str | None]:
        """A page of a user's files, latest first, and the position to go on after."""
        values = {":pk": f"{organization}#{owner}"} | ({":after": after} if after else {})
        items, last = await self._dynamo.query_page(
            TableName=self._table,
            IndexName="ByOwner",
            KeyConditionExpression="ownerPk = :pk" + (" AND ownerSk < :after" if after else ""),
            ExpressionAttributeValues=to_item(values),
            ScanIndexForward=False,
            Limit=limit,
        )
        found = [one for one in map(self._alive, items) if one]
        return found, items[-1]["ownerSk"] if last and items else None

    async def keep(self, file: StoredFile, root: Slot) -> StoredFile:
        """Keep an unused file with a conversation. Raises `NotFound` when it is gone or used meanwhile."""
        kept = replace(file, conversation_id=root.conversation_id)
        write = update(
            self._table,
            file_key(file.organization, file.id),
            "SET conversationId = :conversation REMOVE expiresAt",
            "attribute_exists(pk) AND attribute_not_exists(conversationId)",
            conversation=root.conversation_id,
        )
        changes = {_day(file.created_ms): -file.size, "kept": file.size}
        try:
            await self._counted(file.organization, changes, write)
        except ConditionFailed as error:
            now = await self.find(file.organization, file.id)
            if now is None or now.conversation_id != root.conversation_id:
                raise unknown_file() from error
        return kept

    async def delete(self, file: StoredFile) -> None:
        """Delete the item of a file. Repeating it is harmless."""
        field = "kept" if file.conversation_id else _day(file.created_ms)
        write = delete_when(self._table, file_key(file.organization, file.id), "attribute_exists(pk)")
        try:
            await self._counted(file.organization, {field: -file.size}, write)
        except ConditionFailed:
            return

    async def _counted(self, organization: str, changes: dict[str, int], write: TransactItem) -> None:
        """One write with the change of the count. Raises `ConditionFailed` of the write's own condition."""
        key = {"pk": organization, "sk": "QUOTA"}
        most = (await self._limits.control(organization)).limits.organization.storage_bytes
        for attempt in range(TRIES):
            seen = await self._dynamo.get(self._table, key) or key
            count = self._changed(seen, changes, most)
            try:
                await self._dynamo.transact(write, put_version(self._table, count, count["version"]))
            except ConditionFailed as error:
                if 0 in error.items:
                    raise
                await asyncio.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 5)))
                continue
            return
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    def _changed(self, seen: Item, changes: dict[str, int], most: int | None) -> Item:
        now = self._clock()
        alive = {"pk", "sk", "kept", _day(now), _day(now - _DAY)}
        count = {name: value for name, value in seen.items() if name in alive}
        for name, change in changes.items():
            if name in alive:
                count[name] = max(0, count.get(name, 0) + change)
        used = sum(value for name, value in count.items() if name not in ("pk", "sk"))
        more = sum(changes.values())
        if most is not None and more > 0 and used > most:
            raise Reached("organization", "storageBytes", most, used - more, LATER_SECONDS).error(now)
        return count | {"version": seen.get("version", 0) + 1}

    def _alive(self, item: Item | None) -> StoredFile | None:
        """The file of an item whose time is not over: DynamoDB deletes late."""
        if item is None or item.get("expiresAt", 2**62) * 1000 <= self._clock():
            return None
        return _to_file(item)


def _day(ms: int) -> str:
    return f"p{iso(ms)[:10].replace('-', '')}"


def file_key(organization: str, file_id: str) -> Item:
    """The key of a file's item."""
    return {"pk": f"{organization}#{file_id}", "sk": "FILE"}


def _item(file: StoredFile) -> Item:
    item: dict[str, Any] = file_key(file.organization, file.id) | {
        "ownerPk": f"{file.organization}#{file.owner}",
        "ownerSk": f"{iso(file.created_ms)}#{file.id}",
        "fileId": file.id,
        "organization": file.organization,
        "createdBy": file.owner,
        "fileName": file.name,
        "mediaType": file.media_type,
        "fileBytes": file.size,
        "createdMs": file.created_ms,
    }
    if file.expires_ms:
        item["expiresAt"] = file.expires_ms // 1000
    return item | ({"conversationId": file.conversation_id} if file.conversation_id else {})


def _to_file(item: Item) -> StoredFile:
    return StoredFile(
        item["fileId"],
        item["organization"],
        item["createdBy"],
        item["fileName"],
        item["mediaType"],
        item["fileBytes"],
        item["createdMs"],
        item.get("conversationId"),
    )
