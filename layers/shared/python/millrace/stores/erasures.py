"""Erasures, in one partition of the table of limits so that the sweep of every minute finds them.

The erasure of an organization is the organization's last item to be deleted.
"""

from collections.abc import Sequence

from msgspec.structs import asdict, replace

from millrace.domain.clock import Clock
from millrace.domain.erasures import Erasure
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, delete, put_version
from millrace.stores.reading import readable

LIST = "#erasures"
"""The partition of erasures. No organization's name begins with `#`."""
LEASE_MS = 45_000
KEPT_SECONDS = 30 * 24 * 3600


class ErasureStore:
    """The erasures of a deployment."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock) -> None:
        self._dynamo = dynamo
        self._table = table
        self._clock = clock

    def begin(self, erasure: Erasure) -> TransactItem:
        """Return the write that begins an erasure; refused if another request has begun it."""
        return put_version(self._table, self._item(erasure), erasure.version)

    async def get(self, organization: str, user_id: str) -> Erasure | None:
        """Return the erasure of a user, or of the organization if `user_id` is empty."""
        item = await self._dynamo.get(self._table, key_of(organization, user_id))
        return _erasure(item) if item else None

    async def all(self, organization: str) -> list[Erasure]:
        """Return an organization's erasures that are in progress or were recently finished."""
        prefix = f"{organization}#"
        items = await self._dynamo.query(
            self._table, "pk = :pk AND begins_with(sk, :prefix)", pk=LIST, prefix=prefix
        )
        return readable(items, _erasure)

    async def unfinished(self) -> list[Erasure]:
        """Return the unfinished erasures that no process is working on."""
        found = readable(await self._dynamo.query(self._table, "pk = :pk", pk=LIST), _erasure)
        return [one for one in found if one.done_ms is None and one.until_ms <= self._clock()]

    async def claim(self, seen: Erasure) -> Erasure | None:
        """Claim an erasure for `LEASE_MS`. Return None if another process has claimed it."""
        return await self.save(seen, until_ms=self._clock() + LEASE_MS)

    async def save(self, seen: Erasure, **changes: object) -> Erasure | None:
        """Store an erasure with changes. Return None if another process has changed it."""
        changed = replace(seen, version=seen.version + 1, **changes)
        try:
            await self._dynamo.write(put_version(self._table, self._item(changed), changed.version))
        except ConditionFailed:
            return None
        return changed

    async def finish(self, seen: Erasure, last: Sequence[Item]) -> None:
        """Delete the erasure of an organization together with the organization's last items."""
        keys = [*last, key_of(seen.organization, seen.user_id)]
        await self._dynamo.transact(*(delete(self._table, key, existing=False) for key in keys))

    def _item(self, erasure: Erasure) -> Item:
        item = key_of(erasure.organization, erasure.user_id) | asdict(erasure)
        if erasure.done_ms:
            item["expiresAt"] = erasure.done_ms // 1000 + KEPT_SECONDS
        return item


def key_of(organization: str, user_id: str) -> Item:
    """Return the key of an erasure."""
    return {"pk": LIST, "sk": f"{organization}#{user_id}"}


def _erasure(item: Item) -> Erasure:
    return Erasure(**{name: item[name] for name in Erasure.__struct_fields__})
