"""Everything that an organization has in tables and buckets, found by scanning all of them.

Each item names its organization in its key or in an attribute. A full scan misses nothing, whatever writes
it. It costs as much as reading the tables, $0.03 per GB, and organizations are erased rarely.
"""

from typing import Any
from urllib.parse import quote

from msgspec import Struct

from millrace.domain.exports import EXPORTS
from millrace.domain.files import KEPT, UPLOADS
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.dynamo import Dynamo, Item, from_item, to_item
from millrace.stores.erasures import LIST
from millrace.stores.large_objects import DEAD_LETTERS
from millrace.stores.limits import control_key

TABLES = (
    "conversations_table",
    "runs_table",
    "events_table",
    "injections_table",
    "agents_table",
    "memories_table",
    "alerts_table",
    "flows_table",
    "pipelines_table",
    "windows_table",
    "dead_letters_table",
    "delivery_table",
    "secrets_table",
    "files_table",
    "tickets_table",
    "api_keys_table",
    "audit_table",
    "limits_table",
)
"""The settings with the names of all tables."""
BUCKETS = ("files_bucket", "journal_bucket")
_GONE = "#gone#"
_LISTS = ("#active", "#exports", "#forgetting", "#retention")
"""Partitions with items of all organizations, sorted by organization."""
_AT_ONCE = 1000


class Remains(Struct, frozen=True):
    """The tables and buckets of a deployment."""

    aws: Aws
    settings: Settings

    async def delete_items(self, organization: str, cursor: str) -> tuple[int, str]:
        """Delete an organization's items from one page of a table.

        Return how many there were, and the cursor to continue from (empty after the last table).
        """
        name, found, following = await self.items(organization, cursor)
        keys: list[Item] = [_key(item) for item in found]
        await Dynamo(self.aws).delete_all(getattr(self.settings, name), keys)
        return len(keys), following

    async def items(self, organization: str, cursor: str) -> tuple[str, list[Item], str]:
        """Return the setting of a table, an organization's items in one page of it, and the next cursor.

        The cursor is empty after the last table.
        """
        name, _, start = cursor.partition("\n")
        name = name or TABLES[0]
        table = getattr(self.settings, name)
        found, more = await self._page(table, organization, start) if table else ([], "")
        if more:
            return name, found, f"{name}\n{more}"
        following = TABLES.index(name) + 1
        return name, found, TABLES[following] + "\n" if following < len(TABLES) else ""

    async def _page(self, table: str, organization: str, start: str) -> tuple[list[Item], str]:
        request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
        if start:
            pk, _, sk = start.partition("\t")
            request["ExclusiveStartKey"] = to_item({"pk": pk} | ({"sk": sk} if sk else {}))
        answer = await self.aws.call("dynamodb", "scan", **request)
        items = map(from_item, answer["Items"])
        last = from_item(answer.get("LastEvaluatedKey", {}))
        more = "\t".join(last[part] for part in ("pk", "sk") if part in last)
        of_tickets = table == self.settings.tickets_table
        return [item for item in items if belongs_to(organization, item, of_tickets=of_tickets)], more

    async def delete_objects(self, organization: str) -> int:
        """Delete up to 1,000 objects of each kind, and return how many there were."""
        removed = 0
        exports = (self.settings.files_bucket, f"{EXPORTS}{organization}/")
        for bucket, prefix in (*self.places(organization), exports):
            if bucket:
                removed += await self.delete_prefix(bucket, prefix)
        return removed

    def places(self, organization: str) -> tuple[tuple[str, str], ...]:
        """Return the buckets and prefixes of an organization's objects, except its exports."""
        name = quote(organization, safe="")
        return (
            (self.settings.files_bucket, f"{UPLOADS}{organization}/"),
            (self.settings.files_bucket, f"{KEPT}{organization}/"),
            (self.settings.journal_bucket, f"{name}/"),
            (self.settings.journal_bucket, f"{DEAD_LETTERS}{name}/"),
        )

    async def delete_prefix(self, bucket: str, prefix: str) -> int:
        """Delete up to 1,000 objects whose keys begin with a prefix, and return how many there were."""
        found = await self.aws.call("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=_AT_ONCE)
        objects = [{"Key": one["Key"]} for one in found.get("Contents", [])]
        if objects:
            wanted = {"Objects": objects, "Quiet": True}
            answer = await self.aws.call("s3", "delete_objects", Bucket=bucket, Delete=wanted)
            if answer.get("Errors"):
                raise RuntimeError(f"S3 left {len(answer['Errors'])} objects of {prefix}.")
        return len(objects)


def belongs_to(organization: str, item: Item, *, of_tickets: bool = False) -> bool:
    """Return whether an item belongs to an organization.

    Its erasure and its limits, which record that it is erased, are excluded. Keys begin with the
    organization, except those of tickets, which begin with a hash or a purpose.
    """
    pk, sk = str(item["pk"]), str(item.get("sk", ""))
    if item.get("organization") == organization:
        return pk != LIST
    if of_tickets:
        return pk.startswith(f"speech#{organization}#")
    if pk.startswith(_GONE):
        return pk.startswith(f"{_GONE}{organization}#")
    if pk in _LISTS:
        return sk.startswith(f"{organization}#")
    mine = pk == organization or pk.startswith(f"{organization}#")
    return mine and pk != control_key(organization)["pk"]


def _key(item: Item) -> Item:
    return {part: item[part] for part in ("pk", "sk") if part in item}
