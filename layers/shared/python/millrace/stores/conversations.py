"""Conversations in DynamoDB.

One partition per slot (a conversation, or a thread of it): `META` what clients see (see
`conversation_items`), `RUN` the active run (see `lease_record`), `M#00000001` the messages in order,
`C#...` parts of large ones (see `message_items`), `SUM` the newest summaries (see `summaries`), `K#<key>`
idempotency markers; a conversation's also lists its threads, `H#<threadId>`, and those it is shared with,
`A#<userId>` (see `directory`). The letters are chosen so that one query from the end finds `SUM`, `RUN`,
`META` and the latest messages: whatever else a slot keeps begins with a letter before M.
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
    """The state of a slot, from one query: its conversation (None: unknown), its lease, and its `latest`
    messages of all branches with their positions, of which large ones are shortened: `parts` says by their
    ids where the whole content is. `first` is the position of the oldest. A summary stands for the messages
    before one of them, on the branches that it is on; the newest summary comes first."""

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
        """The latest messages that are on a path."""
        return [message for _, message in self.latest_on(path)]

    def latest_on(self, path: Sequence[Interval]) -> list[tuple[int, StoredMessage]]:
        """The latest messages that are on a path, with their positions."""
        return [one for one in self.latest if contains(path, one[0])]


class ConversationStore:
    """The table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self.table = table

    async def open(self, slot: Slot) -> ConversationSnapshot:
        """Everything that a new message needs, in one round trip: an answer of DynamoDB's, 1 MB at most."""
        items, _ = await self._dynamo.query_page(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND sk >= :first",
            ExpressionAttributeValues=to_item({":pk": slot.key, ":first": "M#"}),
            ConsistentRead=True,
            ScanIndexForward=False,
            # The three are `SUM`, `RUN` and `META`, which sort behind every message.
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
        """Create it, with `more`. Raises `Conflict` when the id is taken, `ConditionFailed` of `more`."""
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
        """Give the conversation that was `seen` another title, other metadata, or both; it keeps its place in
        lists. Raises `NotFound`, also where another one of this id has been made since."""
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
        """Return the conversation, or None for an unknown one. One that is being deleted is unknown but to
        those who ask for it (`deleting`)."""
        item = await self._dynamo.get(self.table, meta_key(slot))
        if deleting and item:
            item.pop("deleting", None)
        return to_conversation(slot, item)

    def touches(
        self, slot: Slot, conversation: Conversation, *, titled: bool, active: str | None
    ) -> list[TransactItem]:
        """The writes with which a run begins (`active`: its id) or ends in a slot, and in the conversation
        that has this slot as a thread."""
        writes = [touched(self.table, slot, conversation, titled=titled, active=active, in_thread=False)]
        if slot.thread_id:
            writes.append(
                touched(self.table, slot.root(), conversation, titled=titled, active=active, in_thread=True)
            )
        return writes

    def list_thread(self, slot: Slot) -> TransactItem:
        """The write that lists a thread with its conversation, so that it is found when that is deleted."""
        return put(self.table, {"pk": slot.root().key, "sk": f"{THREAD_PREFIX}{slot.thread_id}"})
