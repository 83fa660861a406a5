"""All data of a user: everything that their erasure deletes, and what it leaves to others."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson
from msgspec import Struct

from millrace.domain.conversations import Slot
from millrace.domain.files import StoredFile, kept_prefix
from millrace.services.exports.found import Found, StoredObject, from_cursor, to_cursor
from millrace.settings import Settings
from millrace.stores.audit import AuditFilter
from millrace.stores.connect import Stores
from millrace.stores.conversation_items import owner_key, shared_key
from millrace.stores.deleted_items import runs_of
from millrace.stores.dynamo import Dynamo, Item, to_item
from millrace.stores.files import file_key, quota_key
from millrace.stores.runs import stream_of

AT_ONCE = 50
OBJECTS_AT_ONCE = 10
_FILES = "files"
Place = tuple[str, str]
"""The setting with a table's name, and a partition of the table."""


class UserSource(Struct, frozen=True):
    """The steps of the export. Each returns a page, and can be repeated safely."""

    stores: Stores
    organization: str
    user: str

    @property
    def _settings(self) -> Settings:
        return self.stores.remains.settings

    async def conversations(self, cursor: str) -> Found:
        """Return a page of a conversation.

        First come live messages and items of one thread after the other, with the runs that they name; then
        files of other users that it keeps. Conversations are ordered by the time of their latest run, oldest
        first, so one that continues during the export is read again at the end, and none is left out.
        """
        after, conversation_id, table, pk, sk = from_cursor(cursor, "", "", "", "", "")
        if not conversation_id:
            return await self._next("conversations", owner_key(self.organization, self.user), after)
        root = Slot(self.organization, conversation_id)
        if table == _FILES:
            return await self._kept_files(root, after, sk)
        page = await self._page_of(root, (table, pk), sk)
        if page is None:
            execution = await self._execution(root)
            return Found(to_cursor(after, conversation_id, _FILES, "", ""), [("flows_table", execution)])
        name, items, following = page
        found = [(name, items), *[one async for one in self._runs(items)]]
        return Found(to_cursor(after, conversation_id, *following), found)

    async def _next(self, kind: str, partition: str, after: str) -> Found:
        """Continue with the next conversation in an index."""
        values = {":pk": partition, ":after": after or " "}
        items, _ = await Dynamo(self.stores.aws).query_page(
            TableName=self._settings.conversations_table,
            IndexName="ByOwner",
            KeyConditionExpression="ownerPk = :pk AND listSk > :after",
            ExpressionAttributeValues=to_item(values),
            Limit=1,
        )
        if not items:
            return Found()
        [item] = items
        found = [("conversations_table", items)] if kind == "shares" else []
        return Found(to_cursor(item["listSk"], item["conversationId"], "", "", ""), found)

    async def _page_of(
        self, root: Slot, behind: Place, sk: str
    ) -> tuple[str, list[Item], tuple[str, str, str]] | None:
        """Return a page of a conversation from a place on, after a sort key in it.

        Return its table, its items, and the place and sort key to continue after; None if there are no more.
        """
        place = next((one for one in await self._places(root) if one >= behind), None)
        if place is None:
            return None
        items, more = await self._page(place, sk if place == behind else "")
        return place[0], items, (*place, more) if more else (place[0], f"{place[1]} ", "")

    async def _places(self, root: Slot) -> list[Place]:
        slots = await self.stores.deletions.slots(root)
        return sorted(
            (table, slot.key) for table in ("conversations_table", "injections_table") for slot in slots
        )

    async def _page(self, place: Place, sk: str) -> tuple[list[Item], str]:
        """Return a page of a partition after a sort key, and the sort key to continue after (empty at the
        end)."""
        name, pk = place
        items, last = await Dynamo(self.stores.aws).query_page(
            TableName=getattr(self._settings, name),
            KeyConditionExpression="pk = :pk AND sk > :sk",
            ExpressionAttributeValues=to_item({":pk": pk, ":sk": sk or " "}),
            ConsistentRead=True,
            Limit=AT_ONCE,
        )
        return items, last["sk"]["S"] if last else ""

    async def _runs(self, items: list[Item]) -> AsyncGenerator[tuple[str, list[Item]], None]:
        """Yield the runs that items of a conversation name, with their events."""
        dynamo = Dynamo(self.stores.aws)
        wanted = [{"pk": self.organization, "sk": run_id} for run_id in sorted(runs_of(items))]
        if not wanted:
            return
        yield "runs_table", await dynamo.get_many(self._settings.runs_table, wanted)
        for key in wanted:
            place, sk = ("events_table", stream_of(self.organization, key["sk"])), ""
            while True:
                events, sk = await self._page(place, sk)
                yield place[0], events
                if not sk:
                    break

    async def _execution(self, root: Slot) -> list[Item]:
        key = {"pk": root.organization, "sk": f"EXECUTION#{root.conversation_id}"}
        item = await Dynamo(self.stores.aws).get(self._settings.flows_table, key)
        return [item] if item else []

    async def _kept_files(self, root: Slot, after: str, last: str) -> Found:
        """Return other users' files that a conversation keeps. The user's own files have their own step."""
        prefix, bucket = kept_prefix(root), self._settings.files_bucket
        keys = await self.stores.export_objects.keys(bucket, prefix, last, OBJECTS_AT_ONCE) if bucket else []
        found = Found(
            to_cursor(after, root.conversation_id, _FILES, "", keys[-1])
            if len(keys) == OBJECTS_AT_ONCE
            else to_cursor(after, "", "", "", "")
        )
        ids = [key.removeprefix(prefix) for key in keys]
        items = await self._file_items(ids)
        others = {item["fileId"]: item for item in items if item["createdBy"] != self.user}
        found.items = [("files_table", list(others.values()))]
        found.objects = [
            StoredObject(bucket, key, f"files/{id}/{others[id]['fileName']}")
            for id, key in zip(ids, keys, strict=True)
            if id in others
        ]
        return found

    async def _file_items(self, ids: list[str]) -> list[Item]:
        keys = [file_key(self.organization, id) for id in ids]
        return await Dynamo(self.stores.aws).get_many(self._settings.files_table, keys)

    async def shares(self, cursor: str) -> Found:
        """Return the conversations shared with the user, and what the user has written in them."""
        after, conversation_id, table, pk, sk = from_cursor(cursor, "", "", "", "", "")
        if not conversation_id:
            return await self._next("shares", shared_key(self.organization, self.user), after)
        page = await self._page_of(Slot(self.organization, conversation_id), (table, pk), sk)
        if page is None:
            return Found(to_cursor(after, "", "", "", ""))
        name, items, following = page
        own = [item for item in items if self._wrote(item)]
        return Found(to_cursor(after, conversation_id, *following), [(name, own)])

    def _wrote(self, item: Item) -> bool:
        if item.get("createdBy") == self.user:
            return bool(item["sk"] != "META")
        try:
            body: Any = orjson.loads(item.get("body", "null"))
        except ValueError:
            return False
        return isinstance(body, dict) and body.get("createdBy") == self.user

    async def memories(self, cursor: str) -> Found:
        """Return the memories that agents have about the user."""
        place = ("memories_table", f"{self.organization}#{self.user}")
        items, more = await self._page(place, cursor)
        return Found(more or None, [(place[0], items)])

    async def files(self, cursor: str) -> Found:
        """Return the user's files, no matter in whose conversations they are."""
        if not self._settings.files_table:
            return Found()
        found, more = await self.stores.files.page(self.organization, self.user, cursor, OBJECTS_AT_ONCE)
        items = await self._file_items([file.id for file in found])
        return Found(more, [("files_table", items)], [self._object(file) for file in found])

    def _object(self, file: StoredFile) -> StoredObject:
        return StoredObject(self._settings.files_bucket, file.key, f"files/{file.id}/{file.name}")

    async def counts(self, cursor: str) -> Found:
        """Return the counts for limits."""
        keys = await self.stores.limits.keys_of_user(self.organization, self.user)
        dynamo = Dynamo(self.stores.aws)
        items = await dynamo.get_many(self._settings.limits_table, keys)
        quota = await dynamo.get(self._settings.files_table, quota_key(self.organization, self.user))
        return Found(None, [("limits_table", items), ("files_table", [quota] if quota else [])])

    async def keys(self, cursor: str) -> Found:
        """Return API keys that the user has created."""
        place = ("api_keys_table", self.organization)
        items, more = await self._page(place, cursor)
        return Found(more or None, [(place[0], [one for one in items if one.get("createdBy") == self.user])])

    async def audit(self, cursor: str) -> Found:
        """Return entries of the audit log about the user's own actions."""
        wanted = AuditFilter(self.user)
        found, more = await self.stores.audit.page(self.organization, wanted, AT_ONCE, cursor or None)
        return Found(more, [("audit_table", [entry.to_wire() for entry in found])])
