"""Conversations in DynamoDB.

There is one partition for each slot (a conversation or one of its threads):

  META          the conversation as clients see it (see `conversation_items`)
  RUN           the active run (see `lease_record`)
  M#00000001    the messages in order
  C#...         parts of large messages (see `message_items`)
  SUM           the newest summaries (see `summaries`)
  K#<key>       idempotency markers

A conversation's partition also lists its threads, `H#<threadId>`, and the users it is shared with,
`A#<userId>` (see `directory`). The prefixes are chosen so that one query from the end finds `SUM`, `RUN`,
`META` and the latest messages. Every other prefix must sort before `M`.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from millrace.domain.branches import Interval, contains
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.runs import LeaseRecord
from millrace.domain.summaries import Summary
from millrace.errors import Conflict
from millrace.stores.conversation_items import (
    being_deleted,
    dumped,
    is_deleting,
    meta_key,
    same,
    to_conversation,
    to_meta_item,
    touched,
    unknown_conversation,
)
from millrace.stores.dynamo import ConditionFailed, Dynamo, TransactItem, put, to_item, update
from millrace.stores.lease_record import to_lease
from millrace.stores.message_items import Parts, parts_of, to_message
from millrace.stores.reading import readable
from millrace.stores.summaries import SUMMARY_KEY, to_summaries

HISTORY_MESSAGES = 200
THREAD_PREFIX = "H#"


class ConversationSnapshot(Struct, frozen=True):
    """The state of a slot, from one query.

    `conversation` is None if it is unknown. `latest` has the latest messages of all branches with their
    positions; large ones are shortened, and `parts` tells by message id where the whole content is. `first`
    is the position of the oldest message. `summaries` has the newest first; a summary stands for the messages
    before a certain one on its branches.
    """

    conversation: Conversation | None
    lease_record: LeaseRecord
    latest: list[tuple[int, StoredMessage]]
    parts: dict[str, Parts] = field(default_factory=dict)
    summaries: Sequence[Summary] = ()
    first: int = 0

    @property
    def history(self) -> list[StoredMessage]:
        """The latest messages of the active branch."""
        return self.on(self.lease_record.tree.path())

    @property
    def summary(self) -> Summary | None:
        """The newest summary."""
        return self.summaries[0] if self.summaries else None

    def on(self, path: Sequence[Interval]) -> list[StoredMessage]:
        """Return the latest messages on a path."""
        return [message for _, message in self.latest_on(path)]

    def latest_on(self, path: Sequence[Interval]) -> list[tuple[int, StoredMessage]]:
        """Return the latest messages on a path with their positions."""
        return [one for one in self.latest if contains(path, one[0])]


class ConversationStore:
    """The table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self.table = table

    async def open(self, slot: Slot) -> ConversationSnapshot:
        """Return everything that a new message needs with one query, so at most 1 MB."""
        items, _ = await self._dynamo.query_page(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND sk >= :first",
            ExpressionAttributeValues=to_item({":pk": slot.key, ":first": "M#"}),
            ConsistentRead=True,
            ScanIndexForward=False,
            # Three more for `SUM`, `RUN` and `META`, which sort after every message.
            Limit=HISTORY_MESSAGES + 3,
        )
        found = {item["sk"]: item for item in items}
        heads = [item for item in reversed(items) if item["sk"].startswith("M#")]
        latest = readable(heads, lambda item: (int(item["sk"][2:]), to_message(item), parts_of(item)))
        return ConversationSnapshot(
            to_conversation(slot, found.get("META")),
            to_lease(found.get("RUN")),
            [(position, message) for position, message, _ in latest],
            {message.id: parts for _, message, parts in latest if parts and parts.shortened},
            to_summaries(found.get(SUMMARY_KEY)),
            int(heads[0]["sk"][2:]) if heads else 0,
        )

    async def create(self, slot: Slot, conversation: Conversation, *more: TransactItem) -> None:
        """Create a conversation together with `more`.

        Raises `Conflict` if the id is taken, and the `ConditionFailed` of `more`.
        """
        new = put(self.table, to_meta_item(slot, conversation), new=True)
        try:
            await (self._dynamo.transact(new, *more) if more else self._dynamo.write(new))
        except ConditionFailed as error:
            if 0 not in error.items:
                raise
            if is_deleting(error):
                raise being_deleted() from error
            raise Conflict(
                "A conversation with this id already exists.", code="conversation_exists"
            ) from error

    async def change(
        self, slot: Slot, seen: Conversation, *, title: str | None, metadata: dict[str, Any] | None
    ) -> None:
        """Change the title, the metadata or both of the conversation that was `seen`.

        It keeps its place in lists. Raises `NotFound`, also if a new conversation now has this id.
        """
        sets = {"title": title, "metadata": None if metadata is None else dumped(metadata)}
        values = {name: value for name, value in sets.items() if value is not None}
        expression = "SET " + ", ".join(f"{name} = :{name}" for name in values)
        condition, identity = same(seen)
        condition += " AND attribute_not_exists(deleting)"
        try:
            await self._dynamo.write(
                update(self.table, meta_key(slot), expression, condition, **identity, **values)
            )
        except ConditionFailed as error:
            raise unknown_conversation() from error

    async def find(self, slot: Slot, *, deleting: bool = False) -> Conversation | None:
        """Return a conversation, or None if it is unknown.

        With `deleting`, include one that is being deleted.
        """
        item = await self._dynamo.get(self.table, meta_key(slot))
        if deleting and item:
            item.pop("deleting", None)
        return to_conversation(slot, item)

    def touches(
        self, slot: Slot, conversation: Conversation, *, titled: bool, active: str | None
    ) -> list[TransactItem]:
        """Return the writes with which a run begins (`active` is its id) or ends in a slot.

        For a thread they include the conversation that the thread belongs to.
        """
        writes = [touched(self.table, slot, conversation, titled=titled, active=active, in_thread=False)]
        if slot.thread_id:
            writes.append(
                touched(self.table, slot.root(), conversation, titled=titled, active=active, in_thread=True)
            )
        return writes

    def list_thread(self, slot: Slot) -> TransactItem:
        """Return the write that lists a thread with its conversation, so that a deletion finds it."""
        return put(self.table, {"pk": slot.root().key, "sk": f"{THREAD_PREFIX}{slot.thread_id}"})
