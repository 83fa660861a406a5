"""The audit log in DynamoDB: an organization's entries by time, kept for a configured number of days.

An entry is written before the operation and completed with the outcome afterwards, so every operation has
one. An entry without an outcome means that the process died in between.
"""

import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Mapping

import orjson
from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.audit import AuditEntry, Kind, current_call
from millrace.domain.clock import Clock, iso
from millrace.domain.ids import new_ulid
from millrace.stores.chosen_pages import chosen_page
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, put, to_item, update
from millrace.stores.reading import readable

READ_AT_ONCE, MOST_READ = 200, 2_000
ACCESS_MS = 600_000
"""A process records one access of a user to another user's data at most this often."""
REFUSALS_MS = 60_000
"""Refusals of one user at one operation within this time share an entry."""
_NOTED = 1000
_EVER = "9"


class AuditFilter(Struct, frozen=True):
    """A filter for entries: by user, operation, kind, and time (ISO 8601)."""

    user_id: str | None = None
    action: str | None = None
    kind: str | None = None
    since: str | None = None
    until: str | None = None

    def admits(self, entry: AuditEntry) -> bool:
        """Return whether an entry matches."""
        wanted = ((self.user_id, entry.user_id), (self.action, entry.action), (self.kind, entry.kind))
        return all(want in (None, found) for want, found in wanted)


class AuditLog:
    """The table of the log (`pk`, `sk`, TTL attribute `expiresAt`). Without a table nothing is recorded."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock, kept_seconds: int) -> None:
        self._dynamo = dynamo
        self._table = table
        self._clock = clock
        self._kept_seconds = kept_seconds
        self._seen: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    async def begin(self, caller: Principal, kind: Kind, target: Mapping[str, str]) -> AuditEntry | None:
        """Record what a caller is about to do.

        Raises `Unavailable` if the entry cannot be written; the operation must not continue then.
        """
        if not self._table:
            return None
        entry = self._entry(caller, kind, target)
        await self._dynamo.write(self._put(caller.organization, entry))
        return entry

    async def end(self, organization: str, entry: AuditEntry, status: int, created: str | None) -> None:
        """Record the outcome of an operation."""
        values: Item = {"answered": status} | ({"created": created} if created else {})
        sets = ", ".join(f"{_NAMES[name]} = :{name}" for name in values)
        with contextlib.suppress(ConditionFailed):  # the entry has expired, or the organization is erased
            await self._dynamo.write(
                update(
                    self._table, _key(organization, entry), f"SET {sets}", "attribute_exists(pk)", **values
                )
            )

    async def refuse(self, caller: Principal, target: Mapping[str, str], status: int) -> None:
        """Record that a caller was refused.

        Refusals within a minute share an entry, so that nobody can fill the log.
        """
        if not self._table:
            return
        at = self._clock() // REFUSALS_MS * REFUSALS_MS
        call = current_call()
        digest = hashlib.sha256(f"{caller.id}\0{call.action}".encode()).hexdigest()[:26]
        entry = AuditEntry(digest, at, "refusal", caller.id, call.action, target, call.request_id, status)
        await self._dynamo.write(self._put(caller.organization, entry))

    def access(self, caller: Principal, target: Mapping[str, str]) -> list[TransactItem]:
        """Return the write that records access to another user's data, for the operation's transaction."""
        return (
            [] if not self._table else [self._put(caller.organization, self._entry(caller, "access", target))]
        )

    async def note_access(self, caller: Principal, target: Mapping[str, str]) -> None:
        """Record an access before it is granted, unless this process recorded it within `ACCESS_MS`."""
        key = (caller.organization, caller.id, current_call().action + orjson.dumps(dict(target)).decode())
        now = self._clock()
        if now - self._seen.get(key, 0) < ACCESS_MS:
            return
        for write in self.access(caller, target):
            await self._dynamo.write(write)
        self._seen[key] = now
        if len(self._seen) > _NOTED:
            self._seen.popitem(last=False)

    def _entry(self, caller: Principal, kind: Kind, target: Mapping[str, str]) -> AuditEntry:
        call = current_call()
        return AuditEntry(new_ulid(), self._clock(), kind, caller.id, call.action, target, call.request_id)

    def _put(self, organization: str, entry: AuditEntry) -> TransactItem:
        item = _key(organization, entry) | {
            "entryKind": entry.kind,
            "atMs": entry.at_ms,
            "userId": entry.user_id,
            "operation": entry.action,
            "target": orjson.dumps(dict(entry.target)).decode(),
            "requestId": entry.request_id,
            "answerStatus": entry.status,
            "expiresAt": entry.at_ms // 1000 + self._kept_seconds,
        }
        return put(self._table, item)

    async def page(
        self, organization: str, wanted: AuditFilter, limit: int, after: str | None
    ) -> tuple[list[AuditEntry], str | None]:
        """Return matching entries, latest first, and the position to continue after.

        The filter applies after the read, so a page may be short once `MOST_READ` entries were read.
        """
        return await chosen_page(
            lambda position: self._query(organization, wanted, position),
            lambda item: str(item["sk"]),
            lambda item: [one for one in readable([item], _to_entry) if wanted.admits(one)],
            limit,
            MOST_READ // READ_AT_ONCE,
            after,
        )

    async def _query(
        self, organization: str, wanted: AuditFilter, after: str | None
    ) -> tuple[list[Item], bool]:
        if not self._table:
            return [], False
        since, until = wanted.since or "0", wanted.until or _EVER
        # DynamoDB rejects a start position outside the requested times.
        if after and after < since:
            return [], False
        start = {"pk": organization, "sk": after} if after and after < until else None
        values = {":pk": organization, ":since": since, ":until": until}
        items, last = await self._dynamo.query_page(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :since AND :until",
            ExpressionAttributeValues=to_item(values),
            ScanIndexForward=False,
            Limit=READ_AT_ONCE,
            **({"ExclusiveStartKey": to_item(start)} if start else {}),
        )
        return items, last is not None


_NAMES = {"answered": "answerStatus", "created": "createdPath"}


def _key(organization: str, entry: AuditEntry) -> Item:
    return {"pk": organization, "sk": f"{iso(entry.at_ms)}#{entry.id}"}


def _to_entry(item: Item) -> AuditEntry:
    return AuditEntry(
        item["sk"].partition("#")[2],
        item["atMs"],
        item["entryKind"],
        item["userId"],
        item["operation"],
        orjson.loads(item["target"]),
        item["requestId"],
        item["answerStatus"],
        item.get("createdPath"),
    )
