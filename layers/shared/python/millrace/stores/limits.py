"""Limits, stops and what was used, in DynamoDB.

An organization's limits and stops are one item, which processes remember for `CACHE_SECONDS`. What a day has
used is an item for each level that is limited. It is counted by an addition that gives the sum back: of many
runs at once each learns after its own model call what all of them have used, without a lock on the item.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

import orjson

from millrace.domain.clock import Clock
from millrace.domain.limits import Control, Level, Standing, Used, day_of
from millrace.stores.aws import Aws
from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    from_item,
    put_version,
    to_item,
)

CACHE_SECONDS = 5.0
"""For so long a process may not know of a new limit or stop."""
KEPT_SECONDS = 40 * 24 * 3600
_CACHED, _TRIES = 1000, 20
Keys = Mapping[Level, str]
"""The id at each level: of the organization (empty), the user and, if known, the agent."""


class LimitStore:
    """The table of limits (`pk`, `sk`, TTL attribute `expiresAt`). Without a table nothing is limited."""

    def __init__(self, aws: Aws, table: str, clock: Clock) -> None:
        self._aws = aws
        self._dynamo = Dynamo(aws)
        self._table = table
        self._clock = clock
        self._cache: dict[str, tuple[float, Control]] = {}

    async def control(self, organization: str) -> Control:
        """The limits and stops of an organization, up to `CACHE_SECONDS` old."""
        return self._cached(organization) or await self.read_control(organization)

    async def read_control(self, organization: str) -> Control:
        """The limits and stops as they stand."""
        if not self._table:
            return Control()
        asked = time.monotonic()
        return self._remember(
            organization, await self._dynamo.get(self._table, _control_key(organization)), asked
        )

    async def standing(self, organization: str, keys: Keys) -> Standing:
        """The standing of a caller. One round trip, none where nothing is limited and
        that is remembered."""
        if not self._table:
            return Standing(Control())
        known = self._cached(organization)
        levels = [level for level in keys if known is None or known.limits.of(level).any]
        wanted = {level: self._used_key(organization, level, keys[level]) for level in levels}
        asked = time.monotonic()
        rows = [*wanted.values(), *([] if known else [_control_key(organization)])]
        found = await self._dynamo.get_many(self._table, rows) if rows else []
        items = {(item["pk"], item["sk"]): item for item in found}
        control = known or self._remember(
            organization, items.get((f"{organization}#CONTROL", "CONTROL")), asked
        )
        used = {
            level: _used(items.get((key["pk"], key["sk"])))
            for level, key in wanted.items()
            if control.limits.of(level).any
        }
        return Standing(control, used)

    async def add(self, organization: str, keys: Keys, tokens: int, cost: int) -> Standing:
        """Add to what today has used, at the levels that are limited; how things stand then."""
        control = await self.control(organization)
        levels = [level for level in keys if control.limits.of(level).any]
        sums = await asyncio.gather(
            *(self._add(self._used_key(organization, level, keys[level]), tokens, cost) for level in levels)
        )
        return Standing(control, dict(zip(levels, sums, strict=True)))

    async def _add(self, key: Item, tokens: int, cost: int) -> Used:
        # No write of ours: a repetition whose first answer was lost counts twice rather than never.
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

    async def change(self, organization: str, change: Callable[[Control], Control]) -> Control:
        """Change the limits or stops; how they stand then. Other processes follow within `CACHE_SECONDS`."""
        for _ in range(_TRIES):
            seen = await self.read_control(organization)
            changed = change(seen).model_copy(update={"version": seen.version + 1})
            try:
                await self._dynamo.write(
                    put_version(self._table, _to_item(organization, changed), changed.version)
                )
            except ConditionFailed:
                continue
            self._cache.pop(organization, None)
            return changed
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    def _cached(self, organization: str) -> Control | None:
        read_at, control = self._cache.get(organization, (float("-inf"), None))
        return control if time.monotonic() - read_at < CACHE_SECONDS else None

    def _remember(self, organization: str, item: Item | None, asked: float) -> Control:
        if len(self._cache) >= _CACHED:
            self._cache.clear()
        control = Control.model_validate(orjson.loads(item["body"])) if item else Control()
        self._cache[organization] = (asked, control)
        return control

    def _used_key(self, organization: str, level: Level, id: str) -> Item:
        return {"pk": f"{organization}#USED#{day_of(self._clock())}", "sk": f"{level}#{id}"}


def _control_key(organization: str) -> Item:
    return {"pk": f"{organization}#CONTROL", "sk": "CONTROL"}


def _to_item(organization: str, control: Control) -> Item:
    body = orjson.dumps(control.to_wire()).decode()
    return _control_key(organization) | {"version": control.version, "body": body}


def _used(item: Item | None) -> Used:
    return Used(item["usedTokens"], item["usedCost"]) if item else Used()
