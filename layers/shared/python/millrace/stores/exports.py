"""Exports in the table of limits.

All exports share a partition, so that the sweep of every minute finds them; the parts of each have their own.
An item for each subject names its latest export, so that only one of two concurrent requests begins one.
"""

from msgspec.structs import asdict, replace

from millrace.domain.clock import Clock
from millrace.domain.exports import Export, ExportPart
from millrace.errors import NotFound
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, delete, put, put_version, update
from millrace.stores.reading import readable

LIST = "#exports"
"""The partition of exports. No organization's name begins with `#`."""
LEASE_MS = 45_000


class ExportStore:
    """The exports of a deployment."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock) -> None:
        self._dynamo = dynamo
        self._table = table
        self._clock = clock

    async def latest(self, organization: str, user_id: str) -> tuple[Export | None, int]:
        """Return the latest export of a subject, or None if there is none any more, and a version for
        `begin`."""
        found = await self._dynamo.get(self._table, _subject_key(organization, user_id))
        if found is None:
            return None, 0
        return await self._find(organization, found["exportId"]), found["version"]

    async def begin(self, export: Export, seen: int) -> None:
        """Store a new export.

        Raises `ConditionFailed` if another export of the subject was begun since `latest`.
        """
        subject = _subject_key(export.organization, export.user_id) | {
            "organization": export.organization,
            "exportId": export.id,
            "version": seen + 1,
            "expiresAt": export.expires_ms // 1000,
        }
        await self._dynamo.transact(
            put_version(self._table, subject, seen + 1),
            put_version(self._table, _item(export), export.version),
        )

    async def get(self, organization: str, id: str) -> Export:
        """Return an export. Raises `NotFound`."""
        found = await self._find(organization, id)
        if found is None:
            raise NotFound("No export has this id: it has expired, or was deleted.", code="export_not_found")
        return found

    async def _find(self, organization: str, id: str) -> Export | None:
        item = await self._dynamo.get(self._table, _key(organization, id))
        return next(self._alive([item] if item else []), None)

    async def all(self, organization: str) -> list[Export]:
        """Return an organization's exports that are in progress or can be downloaded, latest first."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND begins_with(sk, :prefix)",
            newest_first=True,
            pk=LIST,
            prefix=f"{organization}#export_",
        )
        return list(self._alive(items))

    def _alive(self, items: list[Item]) -> "filter[Export]":
        now = self._clock()
        return filter(lambda one: not one.deleted and one.expires_ms > now, readable(items, _export))

    async def unfinished(self) -> list[Export]:
        """Return the exports to continue or delete that no process is working on, oldest first."""
        found = readable(await self._dynamo.query(self._table, "pk = :pk", pk=LIST), _export_or_none)
        now = self._clock()
        wanted = [
            one for one in found if one and (one.deleted or one.done_ms is None) and one.until_ms <= now
        ]
        return sorted(wanted, key=lambda one: one.id)

    async def claim(self, seen: Export) -> Export | None:
        """Claim an export for `LEASE_MS`. Return None if another process has claimed it."""
        return await self.save(seen, until_ms=self._clock() + LEASE_MS, tries=seen.tries + 1)

    async def save(self, seen: Export, part: ExportPart | None = None, **changes: object) -> Export | None:
        """Store an export with changes, together with another part of it.

        Return None if another process has changed or deleted it.
        """
        changed = replace(seen, version=seen.version + 1, **changes)
        more = [put(self._table, _part_item(seen, part))] if part else []
        try:
            await self._dynamo.transact(put_version(self._table, _item(changed), changed.version), *more)
        except ConditionFailed:
            return None
        return changed

    async def parts(self, export: Export, limit: int, after: int) -> tuple[list[ExportPart], int | None]:
        """Return a page of the parts that exist, and the number to continue after."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk > :after",
            limit=limit,
            pk=_parts_of(export),
            after=f"{after:08d}",
        )
        found = [ExportPart(int(item["sk"]), item["objectKey"], item["bytes"]) for item in items]
        return found, found[-1].number if len(found) == limit else None

    async def mark_deleted(self, export: Export) -> None:
        """Have the next sweep delete an export. A process that works on it can store nothing more.

        Can be repeated safely.
        """
        try:
            await self._dynamo.write(
                update(
                    self._table,
                    _key(export.organization, export.id),
                    "SET deleted = :yes, version = version + :one",
                    "attribute_exists(pk)",
                    yes=True,
                    one=1,
                )
            )
        except ConditionFailed:
            return

    async def remove(self, export: Export) -> None:
        """Delete the items of an export whose objects are already deleted."""
        while items := await self._dynamo.query(self._table, "pk = :pk", limit=100, pk=_parts_of(export)):
            await self._dynamo.delete_all(self._table, [{"pk": one["pk"], "sk": one["sk"]} for one in items])
        key = _key(export.organization, export.id)
        await self._dynamo.write(delete(self._table, key, existing=False))


def _key(organization: str, id: str) -> Item:
    return {"pk": LIST, "sk": f"{organization}#{id}"}


def _subject_key(organization: str, user_id: str) -> Item:
    return {"pk": LIST, "sk": f"{organization}#subject#{user_id}"}


def _parts_of(export: Export) -> str:
    return f"{export.organization}#EXPORT#{export.id}"


def _item(export: Export) -> Item:
    values = asdict(export) | {"exportId": export.id, "deleted": export.deleted}
    values.pop("id")
    # One more day, because the sweep deletes an export that is marked as deleted.
    return _key(export.organization, export.id) | values | {"expiresAt": export.expires_ms // 1000 + 86_400}


def _part_item(export: Export, part: ExportPart) -> Item:
    return {
        "pk": _parts_of(export),
        "sk": f"{part.number:08d}",
        "organization": export.organization,
        "objectKey": part.key,
        "bytes": part.size,
        "expiresAt": export.expires_ms // 1000 + 86_400,
    }


def _export(item: Item) -> Export:
    return Export(item["exportId"], **{name: item[name] for name in Export.__struct_fields__ if name != "id"})


def _export_or_none(item: Item) -> Export | None:
    return _export(item) if "created_ms" in item else None
