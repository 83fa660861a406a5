"""The queue of live messages: accepted while a run is active, read by its next iteration, expired after ten
minutes.

A slot's partition has `I#<ulid>` for each waiting message and, for a day, `K#<key>` for each idempotency key.
A message is accepted in one transaction with the lease (`accepted` + 1, up to its `ceiling`), and moved to
the history in one transaction under the lease. Items have the TTL attribute, but DynamoDB deletes late, so
the code also checks the time.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from msgspec import Struct

from millrace.domain.clock import Clock, iso
from millrace.domain.content import Block, attached, plain_text
from millrace.domain.conversations import Slot
from millrace.domain.ids import new_ulid
from millrace.domain.runs import INJECTION_TTL_MS, MAX_WAITING
from millrace.errors import InvalidRequest, NotFound, TooManyRequests, Unavailable, unknown_outcome
from millrace.stores.dynamo import (
    ConditionFailed,
    Dynamo,
    Item,
    TransactItem,
    delete,
    put,
    put_unless_alive,
    update,
)
from millrace.stores.idempotency import LIFE_SECONDS, Marker, Repeated, put_marker
from millrace.stores.lease_record import lease_key, to_lease
from millrace.stores.messages import MessageStore
from millrace.stores.reading import readable


class Injection(Struct, frozen=True):
    """An accepted live message. Times are in epoch milliseconds.

    `created_by` is the user who sent it; it is empty in messages stored before authors were recorded.
    """

    id: str
    blocks: list[Block]
    created_ms: int
    expires_ms: int
    created_by: str = ""

    @property
    def content(self) -> str:
        """The message as text, with a note for each image and file."""
        return plain_text(self.blocks)

    @property
    def attachments(self) -> list[Block]:
        """The blocks that are images and files."""
        return [block for block in self.blocks if attached(block)]

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "messageId": self.id,
            "content": self.content,
            "createdAt": iso(self.created_ms),
            "createdBy": self.created_by or None,
            "expiresAt": iso(self.expires_ms),
        } | ({"attachments": self.attachments} if self.attachments else {})


class NoActiveRun(Exception):
    """No run is active in the slot."""


class InjectionStore:
    """The table of live messages, used with the conversations' table that holds the leases."""

    def __init__(
        self, dynamo: Dynamo, table: str, leases_table: str, messages: MessageStore, clock: Clock
    ) -> None:
        self._dynamo = dynamo
        self._table = table
        self._messages = messages
        self._leases = leases_table
        self._clock = clock

    async def accept(
        self, slot: Slot, made: Injection, run_id: str, key: str | None = None, *, alive: bool = True
    ) -> Injection:
        """Accept a message for an active run in one round trip; with `alive=False`, even if its process died.

        A request that repeats an idempotency key gets the first one's answer. Raises `NoActiveRun`,
        `TooManyRequests` or `Conflict`.
        """
        now = made.created_ms
        writes = [self._count(slot, run_id, now, alive), put(self._table, _item(slot, made), new=True)]
        if key:
            writes.append(put_unless_alive(self._table, _marker(slot, key, made), now // 1000))
        try:
            await self._accept(slot, made, writes)
        except ConditionFailed as error:
            # Check the key first: a repeated request gets its answer even if the run has ended.
            if repeat := error.items.get(2):
                return _repeated(repeat, made, error)
            raise self._refusal(error, run_id) from error
        return made

    async def accept_sent(
        self, slot: Slot, made: Injection, run_id: str, marker: Marker, *, alive: bool = True
    ) -> Injection:
        """Accept a message that would have begun a run if `run_id` were not active.

        Its idempotency key stands for this live message from now on. Raises `Repeated`, `NoActiveRun` or
        `TooManyRequests`.
        """
        now = made.created_ms
        key = put_marker(self._leases, slot, marker, run_id, now, **_body(made))
        try:
            await self._accept(
                slot,
                made,
                [self._count(slot, run_id, now, alive), put(self._table, _item(slot, made), new=True), key],
            )
        except ConditionFailed as error:
            if used := error.items.get(2):
                raise Repeated(used) from error
            raise self._refusal(error, run_id) from error
        return made

    async def accept_reply(
        self,
        slot: Slot,
        made: Injection,
        run_id: str,
        marker: Marker | None,
        answers: Sequence[TransactItem],
    ) -> Injection:
        """Accept a message for a run that waits for people, together with the `answers` to its calls.

        Raises `Repeated`, `TooManyRequests`, or `ConditionFailed` if the run or a call does not wait any
        more.
        """
        now = made.created_ms
        waits = update(
            self._leases,
            lease_key(slot),
            "SET accepted = accepted + :one",
            "runId = :run AND parked = :waiting AND accepted < ceiling AND attribute_not_exists(stopReason)",
            one=1,
            run=run_id,
            waiting="waiting",
        )
        writes = [waits, put(self._table, _item(slot, made), new=True), *answers]
        if marker:
            writes.append(put_marker(self._leases, slot, marker, run_id, now, **_body(made)))
        try:
            await self._accept(slot, made, writes)
        except ConditionFailed as error:
            if marker and (used := error.items.get(len(writes) - 1)):
                raise Repeated(used) from error
            found = error.items.get(0)
            if found and to_lease(found).run_id == run_id and found["accepted"] >= found["ceiling"]:
                raise self._refusal(error, run_id) from error
            raise
        return made

    async def _accept(self, slot: Slot, made: Injection, writes: list[TransactItem]) -> None:
        try:
            await self._dynamo.transact(*writes)
        except Unavailable:
            if not await self._is_accepted(slot, made.id):
                raise
            # The message was accepted; only the answer was lost.

    async def _is_accepted(self, slot: Slot, message_id: str) -> bool:
        """Return whether a message waits or was read. Raises `Unavailable` if that cannot be determined."""
        try:
            # In this order, because one transaction moves the message from the queue to the history.
            if await self._dynamo.get(self._table, _key(slot, message_id)):
                return True
            return await self._messages.is_recent(slot, message_id)
        except Unavailable as error:
            raise unknown_outcome("the live message was accepted") from error

    def _count(self, slot: Slot, run_id: str, now: int, alive: bool) -> TransactItem:
        return update(
            self._leases,
            lease_key(slot),
            "SET accepted = accepted + :one",
            "runId = :run AND untilMs > :now AND accepted < ceiling AND attribute_not_exists(stopReason)",
            one=1,
            run=run_id,
            # No lease has expired at -1, so the condition also holds for a run whose process died.
            now=now if alive else -1,
        )

    def _refusal(self, error: ConditionFailed, run_id: str) -> NoActiveRun | TooManyRequests:
        item = error.items.get(0)
        lease = to_lease(item)
        if item is None or lease.run_id != run_id or lease.stop or lease.accepted < item["ceiling"]:
            return NoActiveRun()
        return TooManyRequests(
            f"{MAX_WAITING} live messages are already waiting for this run; the agent reads them at its "
            "next step.",
            code="too_many_waiting",
            retry_after=2,
        )

    async def waiting(self, slot: Slot) -> tuple[list[Injection], list[Injection]]:
        """Return the waiting live messages in order of acceptance, and those expired but not yet deleted.

        Takes one read.
        """
        items = await self._dynamo.query(
            self._table, "pk = :pk AND begins_with(sk, :prefix)", pk=slot.key, prefix="I#"
        )
        now = self._clock()
        found = readable(items, injection_of)
        fresh = [one for one in found if one.expires_ms > now]
        return fresh, [one for one in found if one.expires_ms <= now]

    def removals(self, slot: Slot, leaving: list[Injection]) -> list[TransactItem]:
        """Return the writes that remove these from the queue; refused if one of them is no longer there."""
        return [delete(self._table, _key(slot, one.id)) for one in leaving]

    async def withdraw(self, slot: Slot, message_id: str) -> None:
        """Withdraw a waiting message. Raises `NotFound` if it does not wait (any more)."""
        fresh, _ = await self.waiting(slot)
        if not any(one.id == message_id for one in fresh):
            raise unknown_live_message()
        # Raise the ceiling instead of lowering `accepted`: the lease's holder detects new messages by that
        # number, and must not miss one that arrives during a withdrawal.
        room = update(
            self._leases,
            lease_key(slot),
            "SET ceiling = if_not_exists(ceiling, :zero) + :one",
            zero=0,
            one=1,
        )
        try:
            await self._dynamo.transact(delete(self._table, _key(slot, message_id)), room)
        except ConditionFailed as error:
            raise unknown_live_message() from error


def unknown_live_message() -> NotFound:
    """Return the error for a live message that cannot be withdrawn."""
    return NotFound(
        "No live message with this id is waiting: it was read, has expired, or never existed.",
        code="live_message_not_found",
    )


def new_injection(blocks: list[Block], created_by: str, now_ms: int) -> Injection:
    """Return a new live message."""
    return Injection(f"msg_{new_ulid()}", blocks, now_ms, now_ms + INJECTION_TTL_MS, created_by)


def _repeated(marker: Item, made: Injection, error: ConditionFailed) -> Injection:
    if injection_of(marker).blocks != made.blocks:
        raise InvalidRequest(
            "This idempotencyKey was used for another message.", code="idempotency_key_reused"
        ) from error
    return injection_of(marker)


def _key(slot: Slot, message_id: str) -> Item:
    return {"pk": slot.key, "sk": f"I#{message_id}"}


def _item(slot: Slot, made: Injection) -> Item:
    return _key(slot, made.id) | _body(made)


def _marker(slot: Slot, key: str, made: Injection) -> Item:
    expires = made.created_ms // 1000 + LIFE_SECONDS
    return {"pk": slot.key, "sk": f"K#{key}"} | _body(made) | {"expiresAt": expires}


def _body(made: Injection) -> Item:
    body: Item = {
        "messageId": made.id,
        "content": made.content,
        "createdMs": made.created_ms,
        "createdBy": made.created_by,
        "expiresMs": made.expires_ms,
        # Rounded up, so that DynamoDB never deletes a message before `expiresMs`.
        "expiresAt": -(-made.expires_ms // 1000),
    }
    # Text alone is stored in `content`, as it was before messages had images and files.
    return body | {"blocks": orjson.dumps(made.blocks).decode()} if made.attachments else body


def injection_of(item: Item) -> Injection:
    """Return the live message of a stored item."""
    author = item.get("createdBy", "")
    blocks = orjson.loads(item["blocks"]) if "blocks" in item else [{"text": item["content"]}]
    return Injection(item["messageId"], blocks, item["createdMs"], item["expiresMs"], author)
