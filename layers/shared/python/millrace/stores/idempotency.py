"""Idempotency keys of messages: for 24 hours, a key stands for the run or live message that it created.

Each key is an item `K#<key>` in the slot's partition of the conversations' table, written in the transaction
that creates the run or live message. The first request succeeds, and every other one gets its result.
"""

from msgspec import Struct

from millrace.domain.conversations import Slot
from millrace.stores.dynamo import Item, TransactItem, put_unless_alive

LIFE_SECONDS = 24 * 3600


class Marker(Struct, frozen=True):
    """An idempotency key of a message, and the fingerprint of its request."""

    key: str
    fingerprint: str


class Repeated(Exception):
    """The idempotency key was used before.

    `fingerprint` is that of the earlier request, which created the run `run_id`, or a live message for that
    run, stored as `injection`.
    """

    def __init__(self, item: Item) -> None:
        super().__init__(item["runId"])
        self.run_id: str = item["runId"]
        self.fingerprint: str = item["fingerprint"]
        self.injection: Item | None = item if "messageId" in item else None


def key_of(slot: Slot, key: str) -> Item:
    """Return the primary key of the item."""
    return {"pk": slot.key, "sk": f"K#{key}"}


def put_marker(
    table: str, slot: Slot, marker: Marker, run_id: str, now: int, **injection: object
) -> TransactItem:
    """Put the item unless the key was used within `LIFE_SECONDS`; `now` in milliseconds."""
    item = key_of(slot, marker.key) | {"runId": run_id, "fingerprint": marker.fingerprint}
    item |= injection | {"expiresAt": now // 1000 + LIFE_SECONDS}
    return put_unless_alive(table, item, now // 1000)
