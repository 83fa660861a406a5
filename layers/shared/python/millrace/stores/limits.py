"""Limits, stops and usage in DynamoDB.

An organization's limits and stops are one item, which processes cache for `CACHE_SECONDS`. The usage of a day
is one item for each limited level. It is incremented by an `ADD` that returns the sum, so after its own model
call each concurrent run learns the total usage without locking the item.
"""

import asyncio
import time
from collections.abc import Callable

import orjson
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.clock import Clock
from millrace.domain.limits import (
    DAY_MS,
    AllLimits,
    Control,
    Level,
    OrganizationLimits,
    Standing,
    Used,
    day_of,
    default_limits,
)
from millrace.domain.runs import Run
from millrace.settings import Settings
from millrace.stores.admissions import Admission, AdmissionStore, Keys, rate_keys
from millrace.stores.aws import Aws
from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    TransactItem,
    delete,
    from_item,
    put,
    put_version,
    to_item,
)
from millrace.stores.runs import RunStore

CACHE_SECONDS = 5.0
"""A process may not know of a new limit or stop for this long."""
KEPT_SECONDS = 40 * 24 * 3600
_CACHED, _TRIES = 1000, 20
_RETENTION = "#retention"


class LimitStore:
    """The table of limits (`pk`, `sk`, TTL attribute `expiresAt`). Without a table nothing is limited.

    `defaults` apply where an organization sets no limit.
    """

    def __init__(
        self, aws: Aws, table: str, clock: Clock, admissions: AdmissionStore, defaults: AllLimits
    ) -> None:
        self._aws = aws
        self._admissions = admissions
        self._defaults = defaults
        self._dynamo = Dynamo(aws)
        self._table = table
        self._clock = clock
        self._cache: dict[str, tuple[float, Control]] = {}

    @classmethod
    def connect(cls, settings: Settings, aws: Aws, runs: RunStore, clock: Clock) -> "LimitStore":
        """Create the store without making a call. Raises `ValueError` for invalid defaults."""
        admissions = AdmissionStore(Dynamo(aws), settings.limits_table, runs, clock)
        storage = AllLimits.known(organization=OrganizationLimits.known(storage_bytes=settings.file_quota))
        defaults = default_limits(settings.default_limits).over(storage)
        return cls(aws, settings.limits_table, clock, admissions, defaults)

    async def control(self, organization: str) -> Control:
        """Return the limits and stops of an organization, up to `CACHE_SECONDS` old."""
        return self._cached(organization) or await self.read_control(organization)

    async def check_caller(self, caller: Principal) -> None:
        """Raise `Forbidden` or `Unauthenticated` for a blocked caller, as far as this process knows."""
        (await self.control(caller.organization)).check_caller(caller)

    async def read_control(self, organization: str) -> Control:
        """Return the current limits and stops."""
        if not self._table:
            return self._with_defaults(Control.known())
        asked = time.monotonic()
        return self._remember(
            organization, await self._dynamo.get(self._table, control_key(organization)), asked
        )

    async def standing(self, organization: str, keys: Keys, run: Admission | None = None) -> Standing:
        """Return the usage of a caller, and count a `run` that is about to begin.

        The run is counted here if the limits are cached; otherwise `writes` counts it. Takes one round trip,
        none if the cache says that nothing is limited, and a second one for a run whose transaction was
        refused before.
        """
        if not self._table:
            return Standing(self._with_defaults(Control.known()))
        known = self._cached(organization)
        if known is None and run and run.first:
            known = await self.read_control(organization)
        if known is None or run is None:
            return await self._read_standing(organization, keys, known, run)
        standing, refused = await asyncio.gather(
            self._read_standing(organization, keys, known, run),
            self._admissions.ask(organization, keys, known, run),
        )
        return replace(standing, refused=refused)

    async def _read_standing(
        self, organization: str, keys: Keys, known: Control | None, run: Admission | None
    ) -> Standing:
        levels = [level for level in keys if known is None or known.limits.of(level).daily]
        wanted = {level: self._used_key(organization, level, keys[level]) for level in levels}
        asked = time.monotonic()
        more = [] if known else [control_key(organization), *(rate_keys(organization, keys) if run else [])]
        rows = [*wanted.values(), *more]
        found = await self._dynamo.get_many(self._table, rows) if rows else []
        items = {(item["pk"], item["sk"]): item for item in found}
        self._admissions.note_buckets(found)
        control = known or self._remember(
            organization, items.get((f"{organization}#CONTROL", "CONTROL")), asked
        )
        used = {
            level: _used(items.get((key["pk"], key["sk"])))
            for level, key in wanted.items()
            if control.limits.of(level).daily
        }
        return Standing(control, used)

    def writes(self, organization: str, keys: Keys, standing: Standing, run: Admission) -> list[TransactItem]:
        """Return the writes that count a run where `standing` did not, for the transaction that begins it.

        If they are refused, the run must ask first (`run.first`).
        """
        return self._admissions.writes(organization, keys, standing.control, run) if self._table else []

    async def give_back(self, organization: str, run: Admission) -> None:
        """Undo all counts of a run that does not begin."""
        await self._admissions.give_back(organization, run)

    async def under_way(self, organization: str, keys: Keys) -> dict[Level, int]:
        """Return the number of runs that count at each level; levels without runs are left out."""
        return await self._admissions.under_way(organization, keys) if self._table else {}

    async def leave(self, run: Run) -> None:
        """Stop counting a run that has ended or waits for people."""
        organization = run.slot.organization
        control = await self.control(organization)
        await self._admissions.leave(organization, keys_of(run), control, run)

    async def add(self, organization: str, keys: Keys, tokens: int, cost: int) -> Standing:
        """Add to today's usage at the limited levels, and return the resulting usage."""
        control = await self.control(organization)
        levels = [level for level in keys if control.limits.of(level).daily]
        sums = await asyncio.gather(
            *(self._add(self._used_key(organization, level, keys[level]), tokens, cost) for level in levels)
        )
        return Standing(control, dict(zip(levels, sums, strict=True)))

    async def _add(self, key: Item, tokens: int, cost: int) -> Used:
        # Retried without a condition: if an answer is lost, usage is counted twice rather than never.
        answer = await self._aws.call(
            "dynamodb",
            "update_item",
            TableName=self._table,
            Key=to_item(key),
            UpdateExpression="ADD usedTokens :tokens, usedCost :cost SET expiresAt = :expires",
            ExpressionAttributeValues=to_item(
                {":tokens": tokens, ":cost": cost, ":expires": self._clock() // 1000 + KEPT_SECONDS}
            ),
            ReturnValues="ALL_NEW",
        )
        return _used(from_item(answer["Attributes"]))

    async def change(
        self, organization: str, change: Callable[[Control], Control], *more: TransactItem
    ) -> Control:
        """Change the limits or stops, together with the writes in `more`. Return them with the defaults.

        Other processes follow within `CACHE_SECONDS`. Raises the `ConditionFailed` of `more`.
        """
        for _ in range(_TRIES):
            seen = _to_control(await self._dynamo.get(self._table, control_key(organization)))
            changed = change(seen).model_copy(update={"version": seen.version + 1})
            try:
                write = put_version(self._table, _to_item(organization, changed), changed.version)
                await (self._dynamo.transact(write, *more) if more else self._dynamo.write(write))
            except ConditionFailed as error:
                if 0 not in error.items:
                    raise
                continue
            self._cache.pop(organization, None)
            return self._with_defaults(changed)
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    def list_retention(self, organization: str, *, is_limited: bool) -> TransactItem:
        """Return the write that lists an organization with limited retention, or removes it from that
        list."""
        key = {"pk": _RETENTION, "sk": f"{organization}#"}
        return put(self._table, key) if is_limited else delete(self._table, key, existing=False)

    async def with_retention(self) -> list[str]:
        """Return the organizations whose conversations have limited retention."""
        if not self._table:
            return []
        items = await self._dynamo.query(self._table, "pk = :pk", pk=_RETENTION)
        return [item["sk"].removesuffix("#") for item in items]

    async def forget_user(self, organization: str, user: str) -> None:
        """Delete the usage of a user."""
        await self._dynamo.delete_all(self._table, await self.keys_of_user(organization, user))

    async def keys_of_user(self, organization: str, user: str) -> list[Item]:
        """Return the keys of a user's usage, fewer than 100."""
        control = await self.read_control(organization)
        now = self._clock()
        days = [day_of(now - number * DAY_MS) for number in range(KEPT_SECONDS // 86_400 + 2)]
        groups = [*(f"USED#{day}" for day in days), "RATE", "RUNNING"]
        keys: list[Item] = [{"pk": f"{organization}#{group}", "sk": f"user#{user}"} for group in groups]
        keys.append({"pk": f"{organization}#CONVERSATIONS", "sk": f"{control.counting_since}#user#{user}"})
        return keys

    def _cached(self, organization: str) -> Control | None:
        read_at, control = self._cache.get(organization, (float("-inf"), None))
        return control if time.monotonic() - read_at < CACHE_SECONDS else None

    def _remember(self, organization: str, item: Item | None, asked: float) -> Control:
        if len(self._cache) >= _CACHED:
            self._cache.clear()
        control = self._with_defaults(_to_control(item))
        self._cache[organization] = (asked, control)
        return control

    def _with_defaults(self, control: Control) -> Control:
        return control.model_copy(update={"limits": control.limits.over(self._defaults)})

    def _used_key(self, organization: str, level: Level, id: str) -> Item:
        return {"pk": f"{organization}#USED#{day_of(self._clock())}", "sk": f"{level}#{id}"}


def keys_of(run: Run) -> Keys:
    """Return the ids of the levels at which a run counts."""
    return {"organization": "", "user": run.created_by or run.owner, "agent": run.agent_id}


def _to_control(item: Item | None) -> Control:
    return Control.model_validate(orjson.loads(item["body"])) if item else Control.known()


def control_key(organization: str) -> Item:
    """Return the key of the item with an organization's limits and stops."""
    return {"pk": f"{organization}#CONTROL", "sk": "CONTROL"}


def _to_item(organization: str, control: Control) -> Item:
    body = orjson.dumps(control.to_wire()).decode()
    return control_key(organization) | {"version": control.version, "body": body}


def _used(item: Item | None) -> Used:
    return Used(item["usedTokens"], item["usedCost"]) if item else Used()
