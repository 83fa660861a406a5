"""The command center's data of an organization: its stream, its runs, its metrics.

All are in the events table, and one transaction that moves the stream's head writes all of a change. So
whoever reads the head first and the rest afterwards gets a consistent state or is refused.

  <org>#center           the event log
  <org>#center#live      an item for each active run, separate for the snapshot
  <org>#center#ended     an item for each run that has ended
  <org>#center#metrics   an item for each ten seconds
  <org>#center#alerts    an item for each alert, `<rule>#<number>`
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import orjson

from millrace.domain.alerts_metrics import Bucket
from millrace.domain.command_center import center_stream
from millrace.domain.events import Event, LogEntry
from millrace.domain.record import Subject, without_texts
from millrace.stores.dynamo import Dynamo, Item, TransactItem, put, update
from millrace.stores.event_log import EventLog, number
from millrace.stores.log_items import KEPT_SECONDS
from millrace.stores.reading import readable

HEAD_SECONDS = 400 * 24 * 3600
"""The stream's numbers are kept for longer than any viewer stays away."""
METRICS_MS = 24 * 3_600_000
"""The time for which metrics are shown."""
METRICS_SECONDS = 26 * 3600
"""A query may reach back one more hour."""
ALERTS_SECONDS = 31 * 24 * 3600
_LAST_ALERT = 10**10 - 1
READS_AT_ONCE = 8


class RecordStore:
    """The items of the command center."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table
        self.log = EventLog(dynamo, table)

    async def head(self, organization: str) -> int:
        """Return the number of the stream's last event."""
        return await self.log.head(center_stream(organization))

    async def subject(self, organization: str, subject_id: str) -> Subject:
        """Return the record of a run, or a new one."""
        live, ended = await asyncio.gather(
            *(
                self._dynamo.get(self._table, _subject_key(organization, subject_id, live))
                for live in (True, False)
            )
        )
        # A run may end between the two reads and be found in both places. The ended record is the valid one.
        item = ended or live
        return _to_subject(item) if item else Subject(subject_id)

    async def live(self, organization: str) -> list[Subject]:
        """Return the active runs."""
        pk = _subject_key(organization, "", True)["pk"]
        items = await self._dynamo.query(self._table, "pk = :pk", pk=pk)
        now = time.time()
        return readable((item for item in items if item["expiresAt"] > now), _to_subject)

    async def model_calls(self, organization: str, run_id: str) -> list[Event]:
        """Return the events about a run's model calls, in order, as far as they are still kept."""
        places = (await self.subject(organization, run_id)).calls
        turns = asyncio.Semaphore(READS_AT_ONCE)

        async def read(seq: int) -> list[LogEntry]:
            async with turns:
                return await self.log.read(center_stream(organization), seq - 1, limit=1)

        found = await asyncio.gather(*map(read, places))
        wanted = set(places)
        events = {entry.seq: entry.event for batch in found for entry in batch if entry.seq in wanted}
        return [events[seq] for seq in sorted(events)]

    async def seek(self, organization: str, at: int) -> int:
        """Return the number after which the events since a time are recorded (epoch milliseconds).

        This is a binary search, so a day's stream takes about twenty small reads.
        """
        low, high = 0, await self.head(organization)
        while low < high:
            middle = (low + high) // 2
            found = await self.log.read(center_stream(organization), middle, limit=1)
            if found and found[0].at >= at:
                high = middle
            else:
                low = middle + 1
        return low

    async def bucket(self, organization: str, start: int) -> Bucket:
        """Return the metrics of one bucket."""
        item = await self._dynamo.get(self._table, _bucket_key(organization, start))
        return orjson.loads(item["totals"]) if item else {}

    async def buckets(self, organization: str, first: int, last: int) -> dict[int, Bucket]:
        """Return the buckets that start between these times, inclusive."""
        low, high = _bucket_key(organization, first), _bucket_key(organization, last)
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :low AND :high",
            pk=low["pk"],
            low=low["sk"],
            high=high["sk"],
        )
        return {int(item["sk"]): orjson.loads(item["totals"]) for item in items}

    async def commit(
        self,
        organization: str,
        seq: int,
        events: list[Event],
        subjects: Iterable[Subject] = (),
        buckets: dict[int, Bucket] | None = None,
        more: Iterable[TransactItem] = (),
    ) -> list[LogEntry]:
        """Append events to the stream with the head `seq`, together with the resulting state, all or nothing.

        Raises `ConditionFailed` if another process appended in the meantime, or `more` was refused.
        """
        logged = number(seq, events)
        writes = self.log.appends(center_stream(organization), seq, logged, HEAD_SECONDS)
        for subject in subjects:
            writes += self._subject_writes(organization, subject)
        for start, bucket in (buckets or {}).items():
            writes.append(self._bucket_write(organization, start, bucket))
        await self._dynamo.transact(*writes, *more)
        return logged

    def alert_write(self, organization: str, alert: Event, number: int) -> TransactItem:
        """Return the write that stores an alert, triggered or resolved, as in its event."""
        resolved = alert["state"] == "resolved"
        values = {
            "triggeredAt": alert["triggeredAt"],
            "resolvedAt": alert["resolvedAt"],
            "threshold": alert["threshold"],
            "resolvedValue" if resolved else "triggeredValue": alert["value"],
            "expiresAt": int(time.time()) + ALERTS_SECONDS,
        }
        setting = ", ".join(f"{name} = :{name}" for name in values)
        key = _alert_key(organization, alert["ruleId"], number)
        return update(self._table, key, f"SET {setting}", "", **values)

    async def alerts(
        self, organization: str, rule_id: str, before: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return the alerts of a rule with numbers below `before`, newest first."""
        first = _alert_key(organization, rule_id, 0)
        last = _alert_key(organization, rule_id, _LAST_ALERT if before is None else before - 1)
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :first AND :last",
            limit=limit,
            newest_first=True,
            pk=first["pk"],
            first=first["sk"],
            last=last["sk"],
        )
        return [_to_alert(item) for item in items]

    async def forget_texts(self, organization: str, subject: Subject) -> None:
        """Remove the texts of a run from its recorded events. Can be repeated safely."""
        for seq in subject.texts:
            await self.log.rewrite(center_stream(organization), seq, without_texts)

    def _subject_writes(self, organization: str, subject: Subject) -> list[TransactItem]:
        live = subject.live
        kept = put(self._table, _subject_key(organization, subject.id, live) | _subject_body(subject))
        outdated = {"TableName": self._table, "Key": _subject_key_json(organization, subject.id, not live)}
        return [kept, {"Delete": outdated}]

    def _bucket_write(self, organization: str, start: int, bucket: Bucket) -> TransactItem:
        expires = start // 1000 + METRICS_SECONDS
        body = {"totals": orjson.dumps(bucket).decode(), "expiresAt": expires}
        return put(self._table, _bucket_key(organization, start) | body)


def _subject_key(organization: str, subject_id: str, live: bool) -> Item:
    return {"pk": f"{center_stream(organization)}#{'live' if live else 'ended'}", "sk": subject_id}


def _subject_key_json(organization: str, subject_id: str, live: bool) -> dict[str, Any]:
    return {name: {"S": value} for name, value in _subject_key(organization, subject_id, live).items()}


def _subject_body(subject: Subject) -> Item:
    return {
        "seen": orjson.dumps(subject.seen).decode(),
        "shown": orjson.dumps(subject.view).decode(),
        "ended": subject.ended,
        "toolEvent": subject.tool_event,
        "statusEvent": subject.status_event,
        "texts": orjson.dumps(subject.texts).decode(),
        "calls": orjson.dumps(subject.calls).decode(),
        "deleted": subject.deleted,
        "expiresAt": int(time.time()) + KEPT_SECONDS,
    }


def _to_subject(item: Item) -> Subject:
    return Subject(
        id=item["sk"],
        seen=orjson.loads(item["seen"]),
        view=orjson.loads(item["shown"]),
        ended=item["ended"],
        tool_event=item["toolEvent"],
        status_event=item.get("statusEvent", 0),
        texts=orjson.loads(item.get("texts", "[]")),
        calls=orjson.loads(item.get("calls", "[]")),
        deleted=item.get("deleted", False),
    )


def _bucket_key(organization: str, start: int) -> Item:
    return {"pk": f"{center_stream(organization)}#metrics", "sk": f"{start:015d}"}


def _alert_key(organization: str, rule_id: str, number: int) -> Item:
    return {"pk": f"{center_stream(organization)}#alerts", "sk": f"{rule_id}#{number:010d}"}


def _to_alert(item: Item) -> dict[str, Any]:
    rule_id, _, number = item["sk"].rpartition("#")
    shown = ("triggeredAt", "resolvedAt", "threshold", "triggeredValue", "resolvedValue")
    alert = {"id": f"{rule_id}:{int(number)}", "number": int(number)}
    return alert | {name: item.get(name) for name in shown}
