"""The directory of conversations: lists of an organization's or a user's, and with whom each is shared."""

from typing import Any

import orjson

from millrace.domain.access import Access
from millrace.domain.conversations import Conversation, Slot
from millrace.stores.conversation_items import meta_key, owner_key, to_conversation
from millrace.stores.dynamo import ConditionFailed, Dynamo, to_item, update
from millrace.stores.reading import readable


class Directory:
    """The indexes of the table of conversations, and its attribute `sharedWith`."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def page(
        self, organization: str, owner: str | None, limit: int, after: tuple[str, str] | None = None
    ) -> tuple[list[Conversation], bool]:
        """Return a page of a user's conversations, or of the organization's (owner None), the latest first,
        and whether there are more. `after` is the id and update time of the last of the page before."""
        partition = {"listPk": organization} if owner is None else {"ownerPk": owner_key(organization, owner)}
        ((attribute, value),) = partition.items()
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "ByUpdate" if owner is None else "ByOwner",
            "KeyConditionExpression": f"{attribute} = :partition",
            "ExpressionAttributeValues": to_item({":partition": value}),
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if after:
            # Made from the caller's own partition, so that a cursor leads nowhere else.
            slot = Slot.of(organization, after[0])
            sort = {"listSk": f"{after[1]}#{after[0]}"}
            request["ExclusiveStartKey"] = to_item(meta_key(slot) | sort | partition)
        items, last = await self._dynamo.query_page(**request)
        found = readable(
            items, lambda item: to_conversation(Slot(organization, item["conversationId"]), item)
        )
        return [one for one in found if one], last is not None

    async def share(self, slot: Slot, seen: Conversation, shared_with: dict[str, Access]) -> bool:
        """Put other shares in the place of those that were `seen`. False when they have changed meanwhile, or
        the conversation is gone."""
        unchanged = "sharedWith = :old OR (:old = :none AND attribute_not_exists(sharedWith))"
        request = update(
            self._table,
            meta_key(slot),
            "SET sharedWith = :new",
            f"createdBy = :owner AND ({unchanged})",
            old=_dumped(seen.shared_with),
            new=_dumped(shared_with),
            none="{}",
            owner=seen.created_by,
        )
        try:
            await self._dynamo.write(request)
        except ConditionFailed:
            return False
        return True


def _dumped(shared_with: dict[str, Access]) -> str:
    return orjson.dumps(shared_with, option=orjson.OPT_SORT_KEYS).decode()
