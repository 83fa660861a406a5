"""The journal: every event that pipelines accepted, as gzip NDJSON in S3 with an index in DynamoDB.

An entry is what one invocation took for one pipeline. A small one stands in the index itself: an object costs
as much as eight units of writing, and one call more before its events are processed. In the pipeline's
partition of the registry's table:

    sk J#<time>#<ulid>    the entry, by the time it was written (13 digits of epoch ms)
    sk Q#<time>#<ulid>    the same for one that waits because the pipeline is paused; deleted when processed
"""

import gzip
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from millrace.domain.ids import new_ulid
from millrace.stores.aws import Aws
from millrace.stores.dynamo import Dynamo, Item, delete, put

KEPT_SECONDS = 30 * 86_400
INLINE_BYTES = 4_000
DAY_MS = 86_400_000
EventRecord = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """`position` orders entries by time, `key` is the object ("" for one in the index), `version` the
    definition that took them."""

    position: str
    key: str
    events: int
    version: int


class Journal:
    """Writes objects first and the index after, so that every indexed object is there."""

    def __init__(self, aws: Aws, dynamo: Dynamo, bucket: str, table: str) -> None:
        self._aws = aws
        self._dynamo = dynamo
        self._bucket = bucket
        self._table = table

    async def write(
        self,
        organization: str,
        pipeline_id: str,
        events: list[EventRecord],
        version: int,
        now: int,
        waiting: bool = False,
    ) -> Entry:
        """Records events; `waiting` marks them as still to be processed. `now` in epoch ms."""
        ulid = new_ulid()
        position = f"{now:013d}#{ulid}"
        body = gzip.compress(b"".join(orjson.dumps(event) + b"\n" for event in events), compresslevel=5)
        small, key = len(body) <= INLINE_BYTES, ""
        if not small:
            key = f"{quote(organization, safe='')}/{pipeline_id}/{now // DAY_MS}/{ulid}.ndjson.gz"
            await self._aws.call("s3", "put_object", Bucket=self._bucket, Key=key, Body=body)
        entry = Entry(position, key, len(events), version)
        partition = f"{organization}#{pipeline_id}"
        item = _to_item(entry) | {"expiresAt": now // 1000 + KEPT_SECONDS}
        content = {"body": body} if small else {}
        indexed = put(self._table, {"pk": partition, "sk": f"J#{position}"} | item | content)
        if waiting:
            # Both in one transaction: the queue is acknowledged afterwards, and an entry without its mark
            # would never be processed.
            marked = put(self._table, {"pk": partition, "sk": f"Q#{position}"} | item)
            await self._dynamo.transact(indexed, marked)
        else:
            await self._dynamo.write(indexed)
        return entry

    async def read(self, organization: str, pipeline_id: str, position: str, key: str) -> list[EventRecord]:
        """The events of an entry; empty when they are gone, after 30 days."""
        if key:
            body = await self._object(key)
        else:
            item = await self._dynamo.get(
                self._table, {"pk": f"{organization}#{pipeline_id}", "sk": f"J#{position}"}
            )
            body = item["body"] if item else None
        return [orjson.loads(line) for line in gzip.decompress(body).splitlines()] if body else []

    async def _object(self, key: str) -> bytes | None:
        from botocore.exceptions import ClientError

        try:
            answer = await self._aws.call("s3", "get_object", Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        body: bytes = answer["Body"].read()
        return body

    async def entries(
        self, organization: str, pipeline_id: str, since: int, until: int, after: str = "", limit: int = 100
    ) -> list[Entry]:
        """Entries written in [since, until) (epoch ms) behind the position `after`, the oldest first."""
        start = max(f"J#{since:013d}", f"J#{after}~" if after else "")
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :start AND :end",
            limit=limit,
            pk=f"{organization}#{pipeline_id}",
            start=start,
            end=f"J#{until:013d}",
        )
        return [_to_entry(item) for item in items]

    async def newest(self, organization: str, pipeline_id: str, limit: int, before: str = "") -> list[Entry]:
        """The last entries, or the last with positions below `before`; the newest first."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :first AND :last",
            limit=limit,
            newest_first=True,
            pk=f"{organization}#{pipeline_id}",
            first="J#",
            last=f"J#{before or '~'}",
        )
        return [_to_entry(item) for item in items]

    async def waiting(
        self, organization: str, pipeline_id: str, after: str = "", limit: int = 100
    ) -> list[Entry]:
        """Entries that came while the pipeline was paused and are not processed yet, the oldest first."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :start AND :end",
            limit=limit,
            pk=f"{organization}#{pipeline_id}",
            start=f"Q#{after}~" if after else "Q#",
            end="Q#~",
        )
        return [_to_entry(item) for item in items]

    async def settle(self, organization: str, pipeline_id: str, position: str) -> None:
        """An entry that waited is processed."""
        key = {"pk": f"{organization}#{pipeline_id}", "sk": f"Q#{position}"}
        await self._dynamo.write(delete(self._table, key, existing=False))


def _to_item(entry: Entry) -> Item:
    return {"objectKey": entry.key, "events": entry.events, "definitionVersion": entry.version}


def _to_entry(item: Item) -> Entry:
    position = item["sk"].partition("#")[2]
    return Entry(position, item["objectKey"], item["events"], item["definitionVersion"])
