"""Files: an item for each file, and the storage used by each organization and user.

The bytes of files are in `file_objects`. The items are:

  <organization>#<file id>  FILE          a file
  <organization>            QUOTA         the organization's count
  <organization>            QUOTA#<user>  a user's count

A count has `kept`, the bytes of files that messages use, and `p<day>`, the bytes announced on a day that are
not used. The latter expire with their files, so nobody has to subtract them. Each write increments the
versions of both counts together with the file's item, so that concurrent writes cannot exceed a quota. A user
always has a count, computed from the index before the first write that needs it.
"""

import asyncio
import random
from typing import Any

from msgspec.structs import replace

from millrace.domain.clock import Clock, iso
from millrace.domain.conversations import Slot
from millrace.domain.files import StoredFile, unknown_file
from millrace.domain.ids import valid_id
from millrace.domain.limits import LATER_SECONDS, Level, Reached
from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    TransactItem,
    delete,
    delete_when,
    put,
    put_version,
    to_item,
    update,
)
from millrace.stores.limits import LimitStore

TRIES = 12
_DAY = 24 * 3600 * 1000
_READ_AT_ONCE = 1000


class FileStore:
    """The table of files. `limits` has the storage limits of an organization and of each user."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock, limits: LimitStore) -> None:
        self._dynamo = dynamo
        self._table = table
        self._clock = clock
        self._limits = limits

    async def create(self, file: StoredFile) -> None:
        """Store a file that will be uploaded or is kept immediately.

        Raises `TooManyRequests` at the limit.
        """
        write = put(self._table, _item(file), new=True)
        try:
            await self._counted(file, {_field(file): file.size}, write)
        except ConditionFailed:
            # The id is derived from the content, and the conversation already has this file.
            if not file.conversation_id:
                raise

    async def find(self, organization: str, file_id: str) -> StoredFile | None:
        """Return a file, or None if it does not exist (any more)."""
        if not valid_id(file_id):
            return None
        item = await self._dynamo.get(self._table, file_key(organization, file_id))
        return self._alive(item)

    async def page(
        self, organization: str, owner: str, after: str, limit: int
    ) -> tuple[list[StoredFile], str | None]:
        """Return a page of a user's files, latest first, and the position to continue after."""
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
        """Keep an unused file with a conversation.

        Raises `NotFound` if it has expired or was used in the meantime.
        """
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
            await self._counted(file, changes, write)
        except ConditionFailed as error:
            now = await self.find(file.organization, file.id)
            if now is None or now.conversation_id != root.conversation_id:
                raise unknown_file() from error
        return kept

    async def delete(self, file: StoredFile) -> None:
        """Delete the item of a file. Can be repeated safely."""
        write = delete_when(self._table, file_key(file.organization, file.id), "attribute_exists(pk)")
        try:
            await self._counted(file, {_field(file): -file.size}, write)
        except ConditionFailed:
            return

    async def forget_user(self, organization: str, user: str) -> None:
        """Delete the count of a user who has no files any more."""
        await self._dynamo.write(delete(self._table, quota_key(organization, user), existing=False))

    async def _counted(self, file: StoredFile, changes: dict[str, int], write: TransactItem) -> None:
        """Make a write together with the change of both counts.

        Raises the `ConditionFailed` of the write itself.
        """
        limits = (await self._limits.control(file.organization)).limits
        for attempt in range(TRIES):
            whole, own = await self._counts(file.organization, file.owner)
            counts = (
                self._changed("organization", whole, changes, limits.organization.storage_bytes),
                self._changed("user", own, changes, limits.user.storage_bytes),
            )
            try:
                await self._dynamo.transact(
                    write, *(put_version(self._table, count, count["version"]) for count in counts)
                )
            except ConditionFailed as error:
                if 0 in error.items:
                    raise
                await asyncio.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 5)))
                continue
            return
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def _counts(self, organization: str, user: str) -> tuple[Item, Item]:
        """Return the current counts of the organization and of a user."""
        keys = (quota_key(organization), quota_key(organization, user))
        found = {item["sk"]: item for item in await self._dynamo.get_many(self._table, list(keys))}
        whole, own = (found.get(key["sk"]) for key in keys)
        return whole or keys[0], own or await self._first_count(organization, user)

    async def _first_count(self, organization: str, user: str) -> Item:
        """Return the first count of a user, computed from the files that the index lists."""
        count, after = quota_key(organization, user), ""
        while True:
            files, more = await self.page(organization, user, after, _READ_AT_ONCE)
            for file in files:
                field = _field(file)
                count[field] = count.get(field, 0) + file.size
            if more is None:
                return count
            after = more

    def _changed(self, level: Level, seen: Item, changes: dict[str, int], most: int | None) -> Item:
        now = self._clock()
        alive = {"pk", "sk", "kept", _day(now), _day(now - _DAY)}
        count = {name: value for name, value in seen.items() if name in alive}
        for name, change in changes.items():
            if name in alive:
                count[name] = max(0, count.get(name, 0) + change)
        used = sum(value for name, value in count.items() if name not in ("pk", "sk"))
        more = sum(changes.values())
        if most is not None and more > 0 and used > most:
            raise Reached(level, "storageBytes", most, used - more, LATER_SECONDS).error(now)
        return count | {"version": seen.get("version", 0) + 1}

    def _alive(self, item: Item | None) -> StoredFile | None:
        """Return the file of an item unless it has expired; DynamoDB deletes late."""
        if item is None or item.get("expiresAt", 2**62) * 1000 <= self._clock():
            return None
        return _to_file(item)


def _field(file: StoredFile) -> str:
    """Return the attribute of a count that includes a file."""
    return "kept" if file.conversation_id else _day(file.created_ms)


def _day(ms: int) -> str:
    return f"p{iso(ms)[:10].replace('-', '')}"


def quota_key(organization: str, user: str = "") -> Item:
    """Return the key of the count of an organization or of a user."""
    return {"pk": organization, "sk": f"QUOTA#{user}" if user else "QUOTA"}


def file_key(organization: str, file_id: str) -> Item:
    """Return the key of a file's item."""
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
