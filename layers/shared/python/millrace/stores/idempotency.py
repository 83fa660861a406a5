"""Idempotency keys of messages: for 24 hours a key stands for what it began, a run or a live message.

One item per key, `K#<key>` in the slot's partition of the conversations' table, put in the transaction of
what it stands for: whichever request comes first decides, and every other one learns what it was.
"""

from msgspec import Struct

from millrace.domain.conversations import Slot
from millrace.stores.dynamo import Item, TransactItem, put_unless_alive

LIFE_SECONDS = 24 * 3600


class Marker(Struct, frozen=True):
    """An idempotency key of a message, and what its request was."""

    key: str
    fingerprint: str


class Repeated(Exception):
    """The idempotency key was used before, with a request of this `fingerprint`: for the run `run_id`, or for
    a live message to it, as its `injection` was stored."""

    def __init__(self, item: Item) -> None:
        super().__init__(item["runId"])
        self.run_id: str = item["runId"]
        self.fingerprint: str = item["fingerprint"]
        self.injection: Item | None = item if "messageId" in item else None


def key_of(slot: Slot, key: str) -> Item:
    """The primary key of the item."""
    return {"pk": slot.key, "sk": f"K#{key}"}


def put_marker(
    table: str, slot: Slot, marker: Marker, run_id: str, now: int, **injection: object
) -> TransactItem:
    """Put the item unless the key was used within its life; `now` in milliseconds."""
    item = key_of(slot, marker.key) | {"runId": run_id, "fingerprint": marker.fingerprint}
    item |= injection | {"expiresAt": now // 1000 + LIFE_SECONDS}
    return put_unless_alive(table, item, now // 1000)
