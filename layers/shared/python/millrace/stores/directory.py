"""The directory of conversations: lists for an organization or a user, and shares.

A share is stored twice: in the conversation's attribute `sharedWith`, which is authoritative, and as an item
`A#<userId>` in the conversation's partition, by which the index `ByOwner` lists the conversation for that
user. One transaction writes both.
"""

import asyncio

import orjson
from msgspec import Struct, field

from millrace.domain.access import Access
from millrace.domain.conversations import Conversation, Slot
from millrace.errors import InvalidRequest
from millrace.stores.conversation_items import meta_key, owner_key, share_key, shared_key, to_conversation
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, delete, to_item, update
from millrace.stores.reading import readable
from millrace.stores.sizes import KEY_BYTES, text_bytes

Position = tuple[str, str]
"""The position in a list: the id of the last conversation, and the time it is listed under."""


class _Page(Struct, frozen=True):
    """Items of an index, latest first, and whether there are more."""

    items: list[Item] = field(default_factory=list)
    more: bool = False


class Directory:
    """The indexes of the table of conversations, and its attribute `sharedWith`."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def page(
        self, organization: str, owner: str | None, limit: int, after: Position | None = None
    ) -> tuple[list[Conversation], Position | None]:
        """Return a page of a user's conversations, or the organization's (owner None), and the next position.

        The latest come first. Raises `InvalidRequest` for an invalid position.
        """
        if owner is None:
            found = await self._query("ByUpdate", "listPk", organization, limit, after)
        else:
            found = await self._query("ByOwner", "ownerPk", owner_key(organization, owner), limit, after)
        return self._conversations(organization, found.items), _next(found)

    async def oldest(self, organization: str, before: str, limit: int) -> list[Conversation]:
        """Return conversations without activity since a time (ISO 8601), oldest first."""
        items, _ = await self._dynamo.query_page(
            TableName=self._table,
            IndexName="ByUpdate",
            KeyConditionExpression="listPk = :list AND listSk < :before",
            ExpressionAttributeValues=to_item({":list": organization, ":before": before}),
            Limit=limit,
        )
        return self._conversations(organization, items)

    async def page_of_user(
        self, organization: str, user: str, limit: int, after: Position | None = None
    ) -> tuple[list[Conversation], Position | None]:
        """Return a page of the conversations that a user owns or that are shared with them.

        Owned ones are ordered by the time of their latest run, shared ones by the time of the share. Raises
        `InvalidRequest` as `page` does.
        """
        own, shared = await asyncio.gather(
            self._query("ByOwner", "ownerPk", owner_key(organization, user), limit, after),
            self._query("ByOwner", "ownerPk", shared_key(organization, user), limit, after),
        )
        merged = sorted(own.items + shared.items, key=lambda item: str(item["listSk"]), reverse=True)
        found = _Page(merged[:limit], own.more or shared.more or len(merged) > limit)
        items = await self._with_shared(organization, user, found.items)
        return self._conversations(organization, items), _next(found)

    async def _query(
        self, index: str, attribute: str, partition: str, limit: int, after: Position | None
    ) -> _Page:
        values = {":partition": partition} | ({":after": _sort_key(after)} if after else {})
        items, last = await self._dynamo.query_page(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=f"{attribute} = :partition" + (" AND listSk < :after" if after else ""),
            ExpressionAttributeValues=to_item(values),
            ScanIndexForward=False,
            Limit=limit,
        )
        return _Page(items, last is not None)

    async def _with_shared(self, organization: str, user: str, items: list[Item]) -> list[Item]:
        """Replace shares by their conversations.

        The index may still list a share that was removed, or a conversation that is being deleted; both are
        left out.
        """
        slots = {
            item["pk"]: Slot(organization, item["conversationId"]) for item in items if item["sk"] != "META"
        }
        metas = await self._dynamo.get_many(self._table, [meta_key(slot) for slot in slots.values()])
        found = {meta["pk"]: meta for meta in metas if user in orjson.loads(meta.get("sharedWith", "{}"))}
        return [item if item["sk"] == "META" else found.get(item["pk"], {}) for item in items]

    def _conversations(self, organization: str, items: list[Item]) -> list[Conversation]:
        def read(item: Item) -> Conversation | None:
            return to_conversation(Slot(organization, item["conversationId"]), item)

        return [one for one in readable(filter(None, items), read) if one]

    async def share(
        self, slot: Slot, seen: Conversation, user: str, shared_with: dict[str, Access], now: str
    ) -> bool:
        """Replace the shares that were `seen` by others that differ in one user.

        Return False if they have changed in the meantime, or the conversation no longer exists.
        """
        unchanged = "sharedWith = :old OR (:old = :none AND attribute_not_exists(sharedWith))"
        changed = update(
            self._table,
            meta_key(slot),
            "SET sharedWith = :new",
            f"createdBy = :owner AND attribute_not_exists(deleting) AND ({unchanged})",
            old=_dumped(seen.shared_with),
            new=_dumped(shared_with),
            none="{}",
            owner=seen.created_by,
        )
        try:
            await self._dynamo.transact(changed, self._listed(slot, user, user in shared_with, now))
        except ConditionFailed:
            return False
        return True

    def _listed(self, slot: Slot, user: str, is_shared: bool, now: str) -> TransactItem:
        """Return the write that lists a conversation for a user from its first share on, or removes it."""
        key = share_key(slot, user)
        if not is_shared:
            return delete(self._table, key, existing=False)
        return update(
            self._table,
            key,
            "SET conversationId = :id, ownerPk = :list, listSk = if_not_exists(listSk, :sort)",
            id=slot.conversation_id,
            list=shared_key(slot.organization, user),
            sort=f"{now}#{slot.conversation_id}",
        )


def _sort_key(position: Position) -> str:
    key = "#".join(reversed(position))
    if text_bytes(key) > KEY_BYTES["sk"]:
        raise InvalidRequest("The cursor is invalid; start without one.", code="invalid_cursor")
    return key


def _next(page: _Page) -> Position | None:
    if not page.more or not page.items:
        return None
    time, _, conversation_id = page.items[-1]["listSk"].partition("#")
    return conversation_id, time


def _dumped(shared_with: dict[str, Access]) -> str:
    # A condition compares the stored text, so the same shares must always give the same text.
    return orjson.dumps(shared_with, option=orjson.OPT_SORT_KEYS).decode()
