"""Conversation counts, for limits on their number.

The table of limits has one item with the number of an organization's conversations and one for each user. The
transactions that create and delete conversations update these items conditionally, so the numbers are exact.
An item is computed from the index when it is first needed. Without a limit nothing is counted; a new limit
starts a new count (`Control.counting_since`).
"""

from collections.abc import Iterable

from millrace.domain.limits import Control, Level, check_count
from millrace.stores.conversation_items import owner_key
from millrace.stores.creations import count_index
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, put, update
from millrace.stores.limits import LimitStore

LIMITED: tuple[Level, ...] = ("organization", "user")


class ConversationCounts:
    """The counts in the table of limits, computed initially from the table `conversations`."""

    def __init__(self, dynamo: Dynamo, table: str, conversations: str, limits: LimitStore) -> None:
        self._dynamo = dynamo
        self._table = table
        self._conversations = conversations
        self._limits = limits

    def creation(self, organization: str, owner: str, control: Control) -> list[TransactItem]:
        """Return the writes that count a new conversation.

        They are refused if the limit is reached or a count does not exist yet; see `check`.
        """
        return [
            update(
                self._table,
                _key(organization, owner, level, control),
                "SET conversations = conversations + :one",
                "conversations < :most",
                one=1,
                most=control.limits.conversations(level),
            )
            for level in _limited(control)
        ]

    async def check(self, organization: str, owner: str, control: Control) -> None:
        """Create missing counts. Raises `TooManyRequests` if the limit is reached."""
        for level in _limited(control):
            item = await self._dynamo.get(self._table, _key(organization, owner, level, control))
            used = item["conversations"] if item else await self._begin(organization, owner, level, control)
            check_count("conversations", control.limits.conversations(level), used, level)

    async def _begin(self, organization: str, owner: str, level: Level, control: Control) -> int:
        index, name, pk = {
            "organization": ("ByUpdate", "listPk", organization),
            "user": ("ByOwner", "ownerPk", owner_key(organization, owner)),
        }[level]
        used = await count_index(self._dynamo, self._conversations, index, name, pk)
        item = _key(organization, owner, level, control) | {"conversations": used}
        try:
            await self._dynamo.write(put(self._table, item, new=True))
        except ConditionFailed:
            return 0  # another request created it, and the write decides
        return used

    async def remove(self, organization: str, owner: str, removal: TransactItem) -> None:
        """Delete a conversation with the write `removal` and decrease the counts.

        Raises the `ConditionFailed` of that write.
        """
        control = await self._limits.control(organization)
        writes = [
            update(
                self._table,
                _key(organization, owner, level, control),
                "SET conversations = conversations - :one",
                "conversations > :none",
                one=1,
                none=0,
            )
            for level in _limited(control)
        ]
        while writes:
            try:
                return await self._dynamo.transact(removal, *writes)
            except ConditionFailed as error:
                if 0 in error.items:
                    raise
                # There is no count yet, and it will be computed without this conversation.
                writes = [one for place, one in enumerate(writes, 1) if place not in error.items]
        await self._dynamo.write(removal)


def _limited(control: Control) -> Iterable[Level]:
    return [level for level in LIMITED if control.limits.conversations(level) is not None]


def _key(organization: str, owner: str, level: Level, control: Control) -> Item:
    id = owner if level == "user" else ""
    return {"pk": f"{organization}#CONVERSATIONS", "sk": f"{control.counting_since}#{level}#{id}"}
