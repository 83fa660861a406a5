"""All data of an organization, found like its erasure does: by scanning all tables and buckets."""

from msgspec import Struct

from millrace.services.exports.found import Found, StoredObject, from_cursor, to_cursor
from millrace.stores.connect import Stores
from millrace.stores.dynamo import Dynamo, Item
from millrace.stores.erasures import LIST as ERASURES
from millrace.stores.exports import LIST as EXPORTS
from millrace.stores.limits import control_key

AT_ONCE = 10
_OWN = (ERASURES, EXPORTS)


class OrganizationSource(Struct, frozen=True):
    """The steps of the export. Each returns a page, and can be repeated safely."""

    stores: Stores
    organization: str

    async def items(self, cursor: str) -> Found:
        """Return a page of a table."""
        name, found, following = await self.stores.remains.items(self.organization, cursor)
        if name == "tickets_table":
            found = []
        if name == "limits_table" and not cursor.partition("\n")[2]:
            found += await self._control()
        kept = [item for item in found if not self._is_export(item)]
        return Found(following or None, [(name, kept)])

    async def _control(self) -> list[Item]:
        """Return the limits and stops, which an erasure deletes last."""
        item = await Dynamo(self.stores.aws).get(
            self.stores.remains.settings.limits_table, control_key(self.organization)
        )
        return [item] if item else []

    def _is_export(self, item: Item) -> bool:
        return item["pk"] in _OWN or item["pk"].startswith(f"{self.organization}#EXPORT#")

    async def objects(self, cursor: str) -> Found:
        """Return some objects of a bucket."""
        number, after = from_cursor(cursor, 0, "")
        places = self.stores.remains.places(self.organization)
        bucket, prefix = places[number]
        keys = await self.stores.export_objects.keys(bucket, prefix, after, AT_ONCE) if bucket else []
        folder = "files" if bucket == self.stores.remains.settings.files_bucket else "journal"
        found = [StoredObject(bucket, key, f"{folder}/{key}") for key in keys]
        if len(keys) == AT_ONCE:
            return Found(to_cursor(number, keys[-1]), objects=found)
        return Found(to_cursor(number + 1, "") if number + 1 < len(places) else None, objects=found)
