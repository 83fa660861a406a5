"""The journal: every event that pipelines accepted, as gzip NDJSON in S3 with an index in DynamoDB.

An entry holds the events that one invocation accepted for one pipeline. A small entry is stored in the index
itself, because an object costs as much as eight write units and takes another call. If many pipelines of an
organization accept the same events, one shared object is cheaper. The pipeline's partition of the registry's
table has:

  sk J#<time>#<ulid>    an entry, by the time it was written (13 digits of epoch ms)
  sk Q#<time>#<ulid>    the same while the pipeline is paused; deleted when the entry is processed
"""

import asyncio
import gzip
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from msgspec import Struct

from millrace.domain.ids import new_ulid
from millrace.stores.aws import Aws
from millrace.stores.dynamo import Dynamo, Item, delete, put

KEPT_SECONDS = 30 * 86_400
INLINE_BYTES = 4_000
OBJECT_UNITS = 8
"""The price of an object in write units."""
SHARED = "~"
"""Replaces the pipeline in the keys of objects that several pipelines share."""
_UNIT_BYTES = 1_024
DAY_MS = 86_400_000
EventRecord = dict[str, Any]


class Entry(Struct, frozen=True):
    """An entry of the index.

    `position` orders entries by time, `key` is the object ("" if the events are in the index), and `version`
    is that of the definition that accepted the events.
    """

    position: str
    key: str
    events: int
    version: int


class Accepted(Struct, frozen=True):
    """Events that a pipeline accepted: their number, and as `body` the result of `packed`."""

    organization: str
    pipeline_id: str
    version: int
    events: int
    body: bytes


def packed(events: Iterable[EventRecord]) -> bytes:
    """Return events as gzip NDJSON."""
    return gzip.compress(b"".join(orjson.dumps(event) + b"\n" for event in events), compresslevel=5)


class Journal:
    """The journal. It writes objects before the index, so that every indexed object exists."""

    def __init__(self, aws: Aws, dynamo: Dynamo, bucket: str, table: str) -> None:
        self._aws = aws
        self._dynamo = dynamo
        self._bucket = bucket
        self._table = table

    async def write(self, accepted: Accepted, now: int, waiting: bool = False) -> Entry:
        """Record events of one pipeline; `waiting` marks them as not yet processed. `now` in epoch ms."""
        key = await self._stored(accepted, 1, now)
        entry, item = _indexed(accepted, key, now)
        if waiting:
            mark = {name: value for name, value in item.items() if name != "body"}
            marked = put(self._table, mark | {"sk": f"Q#{entry.position}"})
            # Both in one transaction: the queue message is deleted afterwards, and an entry without its mark
            # would never be processed.
            await self._dynamo.transact(put(self._table, item), marked)
        else:
            await self._dynamo.write(put(self._table, item))
        return entry

    async def write_all(self, accepted: Sequence[Accepted], now: int) -> None:
        """Record the events that several pipelines accepted, 25 in a call.

        Pipelines of an organization that accepted the same events share an object. On an error some may be
        recorded; repeat the call then.
        """
        takers = Counter(map(_content, accepted))
        first = {_content(one): one for one in accepted}
        keys = await asyncio.gather(
            *(self._stored(first[content], takers[content], now) for content in takers)
        )
        key_of = dict(zip(takers, keys, strict=True))
        items = [_indexed(one, key_of[_content(one)], now)[1] for one in accepted]
        await self._dynamo.put_all(self._table, items)

    async def _stored(self, accepted: Accepted, takers: int, now: int) -> str:
        """Return the key of the object for the events of `takers` pipelines.

        Return "" if it costs less to store the events in each pipeline's item.
        """
        size = len(accepted.body)
        if size <= INLINE_BYTES and takers * (size // _UNIT_BYTES) <= OBJECT_UNITS:
            return ""
        folder = f"{quote(accepted.organization, safe='')}/{accepted.pipeline_id if takers == 1 else SHARED}"
        key = f"{folder}/{now // DAY_MS}/{new_ulid()}.ndjson.gz"
        await self._aws.call("s3", "put_object", Bucket=self._bucket, Key=key, Body=accepted.body)
        return key

    async def read(self, organization: str, pipeline_id: str, position: str, key: str) -> list[EventRecord]:
        """Return the events of an entry, or an empty list after they expire (30 days)."""
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
        """Return entries written in [since, until) (epoch ms) after the position `after`, oldest first."""
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
        """Return the last entries, or the last ones with positions below `before`, newest first."""
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
        """Return entries that arrived while the pipeline was paused and are not processed yet, oldest
        first."""
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
        """Mark an entry that waited as processed."""
        key = {"pk": f"{organization}#{pipeline_id}", "sk": f"Q#{position}"}
        await self._dynamo.write(delete(self._table, key, existing=False))


def _content(accepted: Accepted) -> tuple[str, bytes]:
    return accepted.organization, accepted.body


def _indexed(accepted: Accepted, key: str, now: int) -> tuple[Entry, Item]:
    """Return an entry whose events are in the object `key`, or in its item if there is no key."""
    entry = Entry(f"{now:013d}#{new_ulid()}", key, accepted.events, accepted.version)
    item: Item = {
        "pk": f"{accepted.organization}#{accepted.pipeline_id}",
        "sk": f"J#{entry.position}",
        "objectKey": key,
        "events": entry.events,
        "definitionVersion": entry.version,
        "expiresAt": now // 1000 + KEPT_SECONDS,
    }
    return entry, item if key else item | {"body": accepted.body}


def _to_entry(item: Item) -> Entry:
    position = item["sk"].partition("#")[2]
    return Entry(position, item["objectKey"], item["events"], item["definitionVersion"])
