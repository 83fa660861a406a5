"""The shared state of deliveries to one destination: its circuit, its rate limit, and markers of sent events.

The partition `<organization>#<pipeline>` has one item each for the circuit and the bucket of a destination,
and one for each marker. One item per organization holds the slots for unproven destinations. Everything
except markers is changed by a read followed by a write on the condition that nobody else wrote in between.
"""

import asyncio
import random
from collections.abc import Callable
from hashlib import sha256
from typing import Literal, TypeVar

import orjson
from msgspec import Struct
from msgspec.structs import asdict

from millrace.domain.circuit import Admission, Circuit, admission, counted, disabled, probed, probing, unused
from millrace.domain.clock import Clock
from millrace.domain.ids import new_ulid
from millrace.domain.token_bucket import Bucket, Grant, Rate, SlotRequest, reserve
from millrace.domain.unproven_slots import UnprovenSlots, enter, leave
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, delete, put, put_when, update

KEPT_SECONDS = 7 * 24 * 3600
# An expired circuit would let requests through again, so a disabled one outlives everything else here.
DISABLED_SECONDS = 400 * 24 * 3600
MARK_SECONDS = 24 * 3600
SENDING_MS = 120_000
CONTENDED_MS = 500
_TRIES = 8

State = TypeVar("State", Circuit, Bucket, UnprovenSlots)
Result = TypeVar("Result")


class DestinationKey(Struct, frozen=True):
    """One destination of one pipeline. `destination` changes with its configuration."""

    organization: str
    pipeline_id: str
    destination: str

    @property
    def partition(self) -> str:
        return f"{self.organization}#{self.pipeline_id}"


class Contended(Exception):
    """Others wrote at every attempt, so nothing was changed."""


class DeliveryState:
    """The table of delivery state. `clock` returns epoch milliseconds."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock) -> None:
        self._dynamo = dynamo
        self._table = table
        self._clock = clock

    async def admit(self, destination_key: DestinationKey) -> Admission:
        """Return whether a job may be sent.

        `probe` is given to one caller at a time, which must report the result with `probed`.
        """

        def step(circuit: Circuit) -> tuple[Circuit, Admission]:
            now = self._clock()
            request = admission(circuit, now)
            return (probing(circuit, now) if request.verdict == "probe" else circuit), request

        try:
            return await self._change(self._key(destination_key, "C"), Circuit, step)
        except Contended:
            return Admission("wait", CONTENDED_MS)

    async def enter(self, destination_key: DestinationKey) -> bool:
        """Take one of the slots for unproven destinations, of this destination and of its organization.

        Return True if a slot was taken and has to be returned with `leave`.
        """

        def step(slots: UnprovenSlots) -> tuple[UnprovenSlots, bool]:
            return enter(slots, _name(destination_key), self._clock())

        try:
            return await self._change(_slots_key(destination_key), UnprovenSlots, step)
        except Contended:
            return False

    async def leave(self, destination_key: DestinationKey) -> None:
        """Return the slot. If this write is lost, the slot is free again after a minute."""
        try:
            await self._change(
                _slots_key(destination_key),
                UnprovenSlots,
                lambda slots: (leave(slots, _name(destination_key), self._clock()), None),
            )
        except Contended:
            return

    async def count(
        self,
        destination_key: DestinationKey,
        succeeded: int,
        failed: int,
        reason: str = "",
        hung: bool = False,
    ) -> None:
        """Count requests that were sent; `reason` is why the last one failed.

        Under heavy contention a count may be lost, which is acceptable for a statistic that others report
        too.
        """
        if succeeded or failed:
            await self._try(
                destination_key,
                lambda circuit: counted(circuit, succeeded, failed, self._clock(), reason, hung),
            )

    async def probed(self, destination_key: DestinationKey, healthy: bool, reason: str = "") -> None:
        """Report the result of the probe.

        If this write is lost, the next probe follows when this one expires.
        """
        await self._try(destination_key, lambda circuit: probed(circuit, healthy, self._clock(), reason))

    async def unused(self, destination_key: DestinationKey) -> None:
        """Return the probe's slot, because nothing was sent."""
        await self._try(destination_key, unused)

    async def disable(self, destination_key: DestinationKey, reason: str = "") -> None:
        """Stop all deliveries to this destination until `enable`."""
        await self._try(destination_key, lambda circuit: disabled(circuit, self._clock(), reason))

    async def enable(self, destination_key: DestinationKey) -> None:
        """Forget failures and any `disable`."""
        await self._dynamo.write(delete(self._table, self._key(destination_key, "C"), existing=False))

    async def circuit(self, destination_key: DestinationKey) -> Circuit:
        """Return the current circuit, for health checks and people."""
        item = await self._dynamo.get(self._table, self._key(destination_key, "C"))
        return Circuit(**orjson.loads(item["body"])) if item else Circuit()

    async def reserve(self, destination_key: DestinationKey, rate: Rate, request: SlotRequest) -> Grant:
        """Reserve slots of a rate limit, or return how long to wait. One write for any number of slots."""
        try:
            return await self._change(
                self._key(destination_key, "R"),
                Bucket,
                lambda bucket: reserve(bucket, rate, request, self._clock()),
            )
        except Contended:
            return Grant(wait_ms=CONTENDED_MS)

    async def claim(self, destination_key: DestinationKey, id: str) -> Literal["claimed", "sent", "busy"]:
        """Mark an event as about to be sent, for destinations that do not detect duplicates.

        `sent` means that it was sent within the last 24 hours. `busy` means that another delivery is sending
        it, or crashed doing so less than two minutes ago. A claim whose holder crashed is granted again:
        delivery is at least once.
        """
        now = self._clock()
        item = self._mark_key(destination_key, id) | {
            "untilMs": now + SENDING_MS,
            "expiresAt": now // 1000 + MARK_SECONDS,
            "holder": new_ulid(),  # lets a repeated put recognize its own claim
        }
        free = "attribute_not_exists(pk) OR untilMs <= :now OR expiresAt <= :seconds"
        request = put_when(self._table, item, free, now=now, seconds=now // 1000)
        try:
            await self._dynamo.write(request)
        except ConditionFailed as error:
            stored = error.items[0] or {}
            return "sent" if stored.get("untilMs") == _SENT else "busy"
        return "claimed"

    async def sent(self, destination_key: DestinationKey, id: str) -> None:
        """Mark a claimed event as sent."""
        await self._dynamo.write(
            update(
                self._table,
                self._mark_key(destination_key, id),
                "SET untilMs = :sent, expiresAt = :expires",
                sent=_SENT,
                expires=self._clock() // 1000 + MARK_SECONDS,
            )
        )

    async def release(self, destination_key: DestinationKey, id: str) -> None:
        """Release a claim, because the event was certainly not sent."""
        await self._dynamo.write(delete(self._table, self._mark_key(destination_key, id), existing=False))

    async def _try(self, destination_key: DestinationKey, step: Callable[[Circuit], Circuit]) -> None:
        try:
            await self._change(
                self._key(destination_key, "C"), Circuit, lambda circuit: (step(circuit), None)
            )
        except Contended:
            return

    async def _change(
        self, key: Item, empty: type[State], step: Callable[[State], tuple[State, Result]]
    ) -> Result:
        for attempt in range(_TRIES):
            item = await self._dynamo.get(self._table, key)
            state = empty(**orjson.loads(item["body"])) if item else empty()
            changed, result = step(state)
            # Admission to a closed circuit changes nothing, so it costs only a read.
            if changed == state or await self._swap(key, item, changed):
                return result
            await asyncio.sleep(random.uniform(0, 0.005 * 2**attempt))
        raise Contended(key["sk"])

    async def _swap(self, key: Item, seen: Item | None, state: Circuit | Bucket | UnprovenSlots) -> bool:
        revision = int(seen["revision"]) if seen else 0
        try:
            await self._dynamo.write(self._put(key, revision, state))
        except ConditionFailed:
            return False
        return True

    def _put(self, key: Item, revision: int, state: Circuit | Bucket | UnprovenSlots) -> TransactItem:
        kept = DISABLED_SECONDS if isinstance(state, Circuit) and state.disabled else KEPT_SECONDS
        item = key | {
            "body": orjson.dumps(asdict(state)).decode(),
            "revision": revision + 1,
            "expiresAt": self._clock() // 1000 + kept,
        }
        if not revision:
            return put(self._table, item, new=True)
        return put_when(self._table, item, "revision = :seen", seen=revision)

    def _mark_key(self, destination_key: DestinationKey, id: str) -> Item:
        """Return the key of a marker. Ids are hashed because they may be longer than a key."""
        return self._key(destination_key, f"M#{sha256(id.encode(errors='surrogatepass')).hexdigest()[:32]}")

    def _key(self, destination_key: DestinationKey, kind: str) -> Item:
        return {"pk": destination_key.partition, "sk": f"{destination_key.destination}#{kind}"}


def _name(destination_key: DestinationKey) -> str:
    return f"{destination_key.pipeline_id}/{destination_key.destination}"


def _slots_key(destination_key: DestinationKey) -> Item:
    """Return the key of the item with an organization's slots. No pipeline has the id `~`."""
    return {"pk": f"{destination_key.organization}#~", "sk": "PLACES"}


_SENT = 10**15
"""An `untilMs` after every possible time: the event was sent and must never be claimed again."""
