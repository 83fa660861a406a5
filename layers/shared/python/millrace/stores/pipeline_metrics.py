"""Metrics of pipelines by the minute, and of the queues that pipelines share.

  pk <organization>#<pipeline>  sk M#<minute>               the counters of a pipeline, or of the
                                                            organization for `~`; and `pressure`, the
                                                            backpressure (0 to 1)
  pk ~                          sk T#<queue>#<ten seconds>  messages received from a deployment's queue
  pk ~                          sk A#<organization>#<id>    a pipeline that was active recently

All are in the registry's table. Counters only increase. After a redelivery something may be counted twice,
which is acceptable for statistics.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import Struct

from millrace.domain.pipelines import Address
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, to_attribute, update
from millrace.stores.reading import readable

MINUTE_MS = 60_000
RECEIVED_MS = 10_000
KEPT_SECONDS = 8 * 86_400
RECEIVED_SECONDS = 3_600
ACTIVE_SECONDS = 2 * 3_600
NOTED_SECONDS = 600
TOTAL = "~"
_NOTED_SIZE = 5_000
_PIPELINE = "of"
_MOST_NAMED = 50
Counters = dict[str, int]
Counts = Mapping[Address, Mapping[str, int]]
"""The counters of pipelines."""


class Active(Struct, frozen=True):
    """A pipeline that was active in the last two hours, and its last reported backpressure."""

    organization: str
    pipeline_id: str
    reported: float


class Minute(NamedTuple):
    """A minute from `start` (epoch ms) with its counters, and the backpressure if it was recorded."""

    start: int
    counters: Counters
    level: float | None


class Received(NamedTuple):
    """Messages received from a queue within ten seconds from `start` (epoch ms).

    `lag` is the sum of their delays (ms), and `pipelines` are those that they belong to.
    """

    start: int
    messages: int
    lag: int
    pipelines: frozenset[str]


class PipelineMetrics:
    """Counters of pipelines. Counter names have only letters and digits. Times are in epoch milliseconds."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table
        self._noted: dict[Address, float] = {}

    async def add(self, counts: Counts, now: int) -> list[tuple[Address, Exception]]:
        """Add to the counters of pipelines and of their organizations for the minute of `now`.

        Return the failures; the others are stored.
        """
        grown = {address: _grown(counters) for address, counters in counts.items()}
        added = {address: counters for address, counters in (grown | _totals(grown)).items() if counters}
        updates = [
            (address, self._added("#".join(address), _minute(now), counters, now, KEPT_SECONDS))
            for address, counters in added.items()
        ]
        updates += [
            (address, self._noted_active(address, now))
            for address, counters in grown.items()
            if counters and self._is_news(address)
        ]
        outcomes = await self._dynamo.update_each([update for _, update in updates])
        return [(address, error) for (address, _), error in zip(updates, outcomes, strict=True) if error]

    async def add_accepted(self, organization: str, pipeline_id: str, messages: int, now: int) -> None:
        """Count messages put on the ingest queue for a pipeline, with one write for each push."""
        partition, counters = f"{organization}#{pipeline_id}", {"messagesAccepted": messages}
        await self._dynamo.write(self._added(partition, _minute(now), counters, now, KEPT_SECONDS))

    async def add_received(
        self, queue: str, messages: int, lag_ms: int, now: int, of_each: Mapping[Address, int]
    ) -> None:
        """Count messages received from a queue, the sum of their delays, and the messages of each pipeline.

        Only fifty pipelines are counted, because an update expression is limited in size.
        """
        counters = {"messages": messages, "lagSum": lag_ms}
        for address, count in list(of_each.items())[:_MOST_NAMED]:
            counters[_named(address)] = count
        key = f"T#{queue}#{now // RECEIVED_MS * RECEIVED_MS:013d}"
        await self._dynamo.write(self._added(TOTAL, key, counters, now, RECEIVED_SECONDS))

    async def received(self, queue: str, now: int) -> list[Received]:
        """Return the messages received in the last minute."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :start AND :end",
            pk=TOTAL,
            start=f"T#{queue}#{now // RECEIVED_MS * RECEIVED_MS - MINUTE_MS:013d}",
            end=f"T#{queue}#~",
        )
        return [
            Received(
                int(item["sk"].rpartition("#")[2]),
                item.get("messages", 0),
                item.get("lagSum", 0),
                frozenset(name for name in item if name.startswith(_PIPELINE)),
            )
            for item in items
        ]

    async def minutes(self, organization: str, pipeline_id: str, since: int) -> list[tuple[int, Counters]]:
        """Return (minute, counters) from the minute of `since` on."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :start AND :end",
            pk=f"{organization}#{pipeline_id}",
            start=_minute(since),
            end="M#~",
        )
        return [(int(item["sk"][2:]), _counters(item)) for item in items]

    async def history(self, organization: str, pipeline_id: str, since: int, until: int) -> list[Minute]:
        """Return the minutes from that of `since` up to, but not including, `until`.

        Reads are eventually consistent: a week of minutes is a lot, and such reads cost half.
        """
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :start AND :end",
            "ExpressionAttributeValues": {
                ":pk": to_attribute(f"{organization}#{pipeline_id}"),
                ":start": to_attribute(_minute(since)),
                ":end": to_attribute(_minute(until - 1)),
            },
        }
        found: list[Minute] = []
        while True:
            items, more = await self._dynamo.query_page(**request)
            found += [Minute(int(item["sk"][2:]), _counters(item), item.get("pressure")) for item in items]
            if not more:
                return found
            request["ExclusiveStartKey"] = more

    async def note_level(self, organization: str, pipeline_id: str, level: float, now: int) -> None:
        """Record the backpressure of this minute."""
        key = {"pk": f"{organization}#{pipeline_id}", "sk": _minute(now)}
        expires = now // 1000 + KEPT_SECONDS
        set_level = "SET pressure = :level, expiresAt = :expires"
        await self._dynamo.write(update(self._table, key, set_level, level=level, expires=expires))

    async def active(self, now: int) -> list[Active]:
        """Return the deployment's pipelines that were active recently."""
        items = await self._dynamo.query(
            self._table, "pk = :pk AND begins_with(sk, :kind)", pk=TOTAL, kind="A#"
        )
        return readable((item for item in items if item["expiresAt"] > now // 1000), _to_active)

    async def report(self, active: Active, backpressure: float) -> None:
        """Store the last reported backpressure of a pipeline, unless it is no longer active."""
        key = _active_key(active.organization, active.pipeline_id)
        change = update(
            self._table, key, "SET reported = :reported", "attribute_exists(pk)", reported=backpressure
        )
        try:
            await self._dynamo.write(change)
        except ConditionFailed:
            pass

    def _is_news(self, address: Address) -> bool:
        """Return whether this process has not recorded the pipeline in the last ten minutes."""
        if time.monotonic() - self._noted.get(address, -NOTED_SECONDS) < NOTED_SECONDS:
            return False
        if len(self._noted) >= _NOTED_SIZE:
            self._noted.clear()
        # Remembered before the write: if the write fails, the next one follows in ten minutes, long before
        # the last record expires.
        self._noted[address] = time.monotonic()
        return True

    def _noted_active(self, address: Address, now: int) -> TransactItem:
        expires = now // 1000 + ACTIVE_SECONDS
        return update(self._table, _active_key(*address), "SET expiresAt = :expires", expires=expires)

    def _added(self, partition: str, sort_key: str, counters: Counters, now: int, kept: int) -> TransactItem:
        added = ", ".join(f"{name} :{name}" for name in counters)
        values: dict[str, Any] = {**counters, "expires": now // 1000 + kept}
        key = {"pk": partition, "sk": sort_key}
        return update(self._table, key, f"ADD {added} SET expiresAt = :expires", "", **values)


def _grown(counters: Mapping[str, int]) -> Counters:
    return {name: value for name, value in counters.items() if value}


def _totals(counts: Mapping[Address, Counters]) -> dict[Address, Counters]:
    """Return the sums for each organization."""
    totals: defaultdict[Address, Counter[str]] = defaultdict(Counter)
    for (organization, _), counters in counts.items():
        # Steps are numbered within their pipeline, so their sum over an organization would be meaningless.
        totals[organization, TOTAL].update(
            {name: value for name, value in counters.items() if not name.startswith("step")}
        )
    return {address: dict(counters) for address, counters in totals.items()}


def _named(address: Address) -> str:
    """Return the attribute name of a pipeline."""
    # Names in an expression may have only letters, digits and `_`; ids may have other characters. Every batch
    # pays for the size of the item, so names are short: of a thousand pipelines, a few share one.
    return _PIPELINE + sha256("#".join(address).encode(errors="surrogatepass")).hexdigest()[:4]


def _minute(ms: int) -> str:
    return f"M#{ms // MINUTE_MS * MINUTE_MS:013d}"


def _active_key(organization: str, pipeline_id: str) -> Item:
    return {"pk": TOTAL, "sk": f"A#{organization}#{pipeline_id}"}


def _to_active(item: Item) -> Active:
    _, organization, pipeline_id = item["sk"].split("#")
    return Active(organization, pipeline_id, item.get("reported", 0))


def _counters(item: Item) -> Counters:
    return {name: value for name, value in item.items() if name not in ("pk", "sk", "expiresAt", "pressure")}
