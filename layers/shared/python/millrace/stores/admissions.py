"""Count requests and concurrent runs in DynamoDB to enforce limits.

Each limited level has an item `<organization>#RATE` with its token bucket, and an item
`<organization>#RUNNING` with the set of its runs. An admission is one conditional update of each item.
DynamoDB orders these updates, so concurrent requests never exceed a limit.

A run leaves its sets when it ends. If its process died first, the next run that is refused checks which
members have ended and removes them.
"""

import asyncio
import contextlib
import math
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from millrace.domain.clock import Clock, iso
from millrace.domain.limits import SOON_SECONDS, Control, Level, Reached
from millrace.domain.runs import Run
from millrace.domain.token_bucket import Rate
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, update
from millrace.stores.runs import RunStore

KEPT_SECONDS = 2 * 24 * 3600
BEGINNING_MS = 60_000
"""A run that is not stored this long after its admission never began."""
_AT_ONCE = 100
_REMEMBERED, _TRIES = 1000, 6
Keys = Mapping[Level, str]
"""The id at each level: empty for the organization, then the user and, if known, the agent."""
HOLDING = ("running", "queued")
"""States of runs that count toward the limit. Runs that wait for people do not count."""


class Admission(Struct):
    """A run that asks to begin.

    `counted` and `entered` hold the ids of the levels whose bucket and set already include the run. `first`
    means that it must be admitted before its transaction, which was refused once. `spent` means that its
    model has been called, so its request stays counted.
    """

    run_id: str
    started_at: str
    counted: dict[Level, str] = field(default_factory=dict)
    entered: dict[Level, str] = field(default_factory=dict)
    first: bool = False
    spent: bool = False

    @property
    def entry(self) -> str:
        """The member of a set that stands for this run."""
        return entry_of(self.started_at, self.run_id)


def entry_of(started_at: str, run_id: str) -> str:
    """Return the member of a set for a run. The time gives the age of a run that was never stored."""
    return f"{started_at}#{run_id}"


class AdmissionStore:
    """Admissions in the table of limits."""

    def __init__(self, dynamo: Dynamo, table: str, runs: RunStore, clock: Clock) -> None:
        self._dynamo = dynamo
        self._table = table
        self._runs = runs
        self._clock = clock
        self._full_at: dict[tuple[str, str], float] = {}

    async def ask(self, organization: str, keys: Keys, control: Control, run: Admission) -> Reached | None:
        """Count a run at every limited level that does not count it yet.

        Return the limit that refuses the run, or None. A refused run is not counted anywhere.
        """
        asked = []
        for level, id in keys.items():
            limits = control.limits.of(level)
            if limits.rate and level not in run.counted:
                asked.append(self._count(organization, level, id, limits.rate, run))
            if limits.concurrent_runs is not None and level not in run.entered:
                asked.append(self._enter(organization, level, id, limits.concurrent_runs, run))
        refused = [found for found in await asyncio.gather(*asked) if found]
        if not refused:
            return None
        await self.give_back(organization, run)
        return refused[0]

    def writes(self, organization: str, keys: Keys, control: Control, run: Admission) -> list[TransactItem]:
        """Return the writes that count a run where it is not counted yet, for the transaction that begins
        it."""
        writes = []
        for level, id in keys.items():
            limits = control.limits.of(level)
            if limits.rate and level not in run.counted:
                writes.append(self._counting(_rate_key(organization, level, id), limits.rate))
            if limits.concurrent_runs is not None and level not in run.entered:
                key = _running_key(organization, level, id)
                writes.append(self._entering(key, limits.concurrent_runs, run.entry))
        return writes

    async def give_back(self, organization: str, run: Admission) -> None:
        """Undo all counts of a run that does not begin, except its request if it is `spent`."""
        entered, run.entered = run.entered, {}
        counted: Keys = {}
        if not run.spent:
            counted, run.counted = run.counted, {}
        await asyncio.gather(
            *(self._uncount(_rate_key(organization, level, id)) for level, id in counted.items()),
            *(
                self._leave(_running_key(organization, level, id), {run.entry})
                for level, id in entered.items()
            ),
        )

    async def under_way(self, organization: str, keys: Keys) -> dict[Level, int]:
        """Return the number of runs in each level's set; levels without a set are left out."""
        wanted = {level: _running_key(organization, level, id) for level, id in keys.items()}
        items = await self._dynamo.get_many(self._table, list(wanted.values()))
        sizes = {item["sk"]: len(item.get("runs", ())) for item in items}
        return {level: sizes[key["sk"]] for level, key in wanted.items() if key["sk"] in sizes}

    async def leave(self, organization: str, keys: Keys, control: Control, run: Run) -> None:
        """Remove a run that has ended, or that waits for people, from its sets."""
        levels = [level for level in keys if control.limits.of(level).concurrent_runs is not None]
        entry = entry_of(run.started_at, run.id)
        await asyncio.gather(
            *(self._leave(_running_key(organization, level, keys[level]), {entry}) for level in levels)
        )

    # --- requests ----------------------------------------------------------------------------------

    def note_buckets(self, items: Iterable[Item]) -> None:
        """Remember the fill level of buckets that were read."""
        for item in items:
            if "fullAt" in item:
                self._remember(item, item["fullAt"])

    async def _count(
        self, organization: str, level: Level, id: str, rate: Rate, run: Admission
    ) -> Reached | None:
        key, full_at = _rate_key(organization, level, id), 0.0
        for _ in range(_TRIES):
            try:
                await self._dynamo.write(self._counting(key, rate))
            except ConditionFailed as error:
                full_at = (error.items[0] or {}).get("fullAt", 0.0)
                self._remember(key, full_at)
            else:
                run.counted[level] = id
                return None
            if full_at > self._clock() + rate.tolerance:
                break
        wait = (full_at - rate.tolerance - self._clock()) / 1000
        return Reached(level, "requestsPerMinute", rate.burst, rate.burst, max(1, math.ceil(wait)))

    def _remember(self, key: Item, full_at: float) -> None:
        if len(self._full_at) >= _REMEMBERED:
            self._full_at.clear()
        self._full_at[key["pk"], key["sk"]] = full_at

    def _counting(self, key: Item, rate: Rate) -> TransactItem:
        """Return the write that counts one more request.

        The condition depends on the last known fill level: either the bucket is full, or the request joins
        the queue of those before it.
        """
        now = self._clock()
        values = {"now": now, "interval": rate.interval, "expires": now // 1000 + KEPT_SECONDS}
        rest = ", lastInterval = :interval, expiresAt = :expires"
        if self._full_at.get((key["pk"], key["sk"]), 0.0) <= now:
            room = "attribute_not_exists(pk) OR fullAt <= :now"
            return update(self._table, key, "SET fullAt = :now + :interval" + rest, room, **values)
        room = "fullAt > :now AND fullAt <= :last"
        values["last"] = now + rate.tolerance
        return update(self._table, key, "SET fullAt = fullAt + :interval" + rest, room, **values)

    async def _uncount(self, key: Item) -> None:
        with contextlib.suppress(ConditionFailed):
            await self._dynamo.write(
                update(
                    self._table, key, "SET fullAt = fullAt - lastInterval", "attribute_exists(lastInterval)"
                )
            )

    # --- runs under way ----------------------------------------------------------------------------

    async def _enter(
        self, organization: str, level: Level, id: str, most: int, run: Admission
    ) -> Reached | None:
        key, entries = _running_key(organization, level, id), frozenset[str]()
        for _ in range(_TRIES):
            try:
                await self._dynamo.write(self._entering(key, most, run.entry))
            except ConditionFailed as error:
                entries = (error.items[0] or {}).get("runs", frozenset())
            else:
                run.entered[level] = id
                return None
            over = await self._over(organization, entries)
            if not over:
                break
            await self._leave(key, over)
        return Reached(level, "concurrentRuns", most, len(entries), SOON_SECONDS)

    def _entering(self, key: Item, most: int, entry: str) -> TransactItem:
        return update(
            self._table,
            key,
            "ADD runs :run SET expiresAt = :expires",
            "attribute_not_exists(runs) OR size(runs) < :most OR contains(runs, :entry)",
            run=frozenset({entry}),
            entry=entry,
            most=most,
            expires=self._clock() // 1000 + KEPT_SECONDS,
        )

    async def _over(self, organization: str, entries: frozenset[str]) -> set[str]:
        """Return the entries whose runs are no longer running."""
        ids = [entry.partition("#")[2] for entry in sorted(entries)]
        groups = [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
        found = await asyncio.gather(*(self._runs.get_many(organization, group) for group in groups))
        states = {run.id: run.state for each in found for run in each}
        since = iso(self._clock() - BEGINNING_MS)

        def is_over(entry: str) -> bool:
            state = states.get(entry.partition("#")[2])
            return entry < since if state is None else state not in HOLDING

        return set(filter(is_over, entries))

    async def _leave(self, key: Item, entries: set[str]) -> None:
        with contextlib.suppress(ConditionFailed):
            await self._dynamo.write(
                update(self._table, key, "DELETE runs :over", "attribute_exists(pk)", over=frozenset(entries))
            )


def rate_keys(organization: str, keys: Keys) -> list[Item]:
    """Return the keys of a caller's buckets."""
    return [_rate_key(organization, level, id) for level, id in keys.items()]


def _rate_key(organization: str, level: Level, id: str) -> Item:
    return {"pk": f"{organization}#RATE", "sk": f"{level}#{id}"}


def _running_key(organization: str, level: Level, id: str) -> Item:
    return {"pk": f"{organization}#RUNNING", "sk": f"{level}#{id}"}
