"""SQS queues: messages are sent in batches, and those that the queue refuses are sent again.

A body that is too large for a message is stored as an object, and the message names the object (a "claim
check"). The object is deleted when the message is done.

Messages carry their organization as `MessageGroupId`. On a standard queue this does not order messages but
makes the queue fair (SQS, since 2025): if one organization has a backlog, messages of others are delivered
first.
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Any

from millrace.domain.ids import new_ulid
from millrace.domain.portions import portions
from millrace.errors import Unavailable
from millrace.stores.aws import Aws, unavailable_when_down
from millrace.stores.large_objects import MESSAGES, LargeObjects

log = logging.getLogger(__name__)

BATCH = 10
MESSAGE_BYTES = 250_000
"""The maximum size of a body that is sent as a message itself.

SQS accepts 1 MB since January 2026, but queues with a lower setting, and emulators, still reject more than
256 KiB.
"""
_CALL_BYTES = 256 * 1024
_FORBIDDEN = {"\ufffe": "\\ufffe", "\uffff": "\\uffff"}
"""Characters that SQS rejects in a message, with their escapes.

In JSON they occur only within strings. Characters below U+0020 are escaped by every JSON encoder.
"""
_CLAIM = '{"millraceObject":"'
LONGEST_DELAY_MS = 900_000
AGAIN_SECONDS = 5
LONGEST_AGAIN_SECONDS = 300
_TRIES = 5


class Queue:
    """One queue. Calls block. Bodies are JSON text; those over 250 KB need `large`."""

    def __init__(self, aws: Aws, url: str, large: LargeObjects | None = None) -> None:
        self._aws = aws
        self._url = url
        self._large = large

    @property
    def name(self) -> str:
        return queue_name(self._url)

    def send(self, bodies: Iterable[str], delay_ms: int = 0, organization: str = "") -> None:
        """Send an organization's messages with a delay of at most 15 minutes. Raises `Unavailable`."""
        seconds = -(-min(max(delay_ms, 0), LONGEST_DELAY_MS) // 1000)
        self.send_delayed((body, seconds, organization) for body in bodies)

    async def send_one(self, body: str, delay_ms: int = 0, organization: str = "") -> None:
        """Send one message as `send` does, without blocking the event loop. Raises `Unavailable`."""
        await asyncio.to_thread(self.send, [body], delay_ms, organization)

    def send_delayed(self, messages: Iterable[tuple[str, int, str]]) -> None:
        """Send messages, each a body, its delay in seconds and its organization. Raises `Unavailable`."""
        ready = ((as_message(one[0], self._large), one[1], one[2]) for one in messages)
        for batch in portions(ready, lambda one: len(one[0].encode()), _CALL_BYTES, BATCH):
            entries = [
                {"Id": str(at), "MessageBody": body, "DelaySeconds": seconds, **grouped(organization)}
                for at, (body, seconds, organization) in enumerate(batch)
            ]
            self._send(entries)

    def _send(self, entries: list[dict[str, Any]]) -> None:
        for attempt in range(_TRIES):
            with unavailable_when_down("sqs"):
                answer = self._aws.client("sqs").send_message_batch(QueueUrl=self._url, Entries=entries)
            # SQS answers 200 even if it rejects entries, so botocore does not retry those.
            failed = {one["Id"] for one in answer.get("Failed", ())}
            if not failed:
                return
            entries = [entry for entry in entries if entry["Id"] in failed]
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise Unavailable(f"The queue refused {len(entries)} messages.", retry_after=1)

    def body(self, record: dict[str, Any]) -> str | None:
        """Return a message's body, which may be stored as an object.

        Return None if the object no longer exists: the message was already done, and this is a duplicate.
        """
        key = _claimed(record["body"])
        if key is None:
            return str(record["body"])
        content = self._objects.get(key)
        return None if content is None else content.decode()

    def done(self, record: dict[str, Any]) -> None:
        """Delete the stored body of a message that is done. If that fails, it expires after 30 days."""
        key = _claimed(record["body"])
        if key is None:
            return
        try:
            self._objects.delete(key)
        except Exception:
            log.exception("the object of a message stays")

    @property
    def _objects(self) -> LargeObjects:
        if self._large is None:
            raise Unavailable("This queue keeps no large messages.", code="not_configured")
        return self._large

    def acknowledge(self, records: list[dict[str, Any]]) -> None:
        """Delete messages that are done before the function ends, in case another message kills it.

        If that fails, they are deleted at the end.
        """
        for start in range(0, len(records), BATCH):
            part = records[start : start + BATCH]
            entries = [{"Id": str(at), "ReceiptHandle": one["receiptHandle"]} for at, one in enumerate(part)]
            try:
                self._aws.client("sqs").delete_message_batch(QueueUrl=self._url, Entries=entries)
            except Exception:
                log.exception("%d messages were not acknowledged early", len(part))

    def answer(self, batch: dict[str, Any], failed: Collection[str]) -> dict[str, Any]:
        """Return the function's answer for a batch of this queue.

        The answer is `{"batchItemFailures": [{"itemIdentifier"}]}`. Failed messages become visible again
        within seconds.
        """
        self.see_again([record for record in batch["Records"] if record["messageId"] in failed])
        return {"batchItemFailures": [{"itemIdentifier": one} for one in sorted(failed)]}

    def see_again(self, records: list[dict[str, Any]]) -> None:
        """Make failed messages visible again after a few seconds, longer each time.

        The visibility timeout is meant for functions that die. It exceeds their maximum duration, so it would
        delay messages that could succeed much sooner.
        """
        for start in range(0, len(records), BATCH):
            self._change_visibility(records[start : start + BATCH])

    def _change_visibility(self, records: list[dict[str, Any]]) -> None:
        entries = [
            {
                "Id": str(at),
                "ReceiptHandle": record["receiptHandle"],
                "VisibilityTimeout": again_after(int(record["attributes"]["ApproximateReceiveCount"])),
            }
            for at, record in enumerate(records)
        ]
        try:
            self._aws.client("sqs").change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        except Exception:  # then they become visible after the timeout
            log.exception("%d failed messages cannot be seen again sooner", len(records))

    def waiting(self) -> int:
        """Return the approximate number of messages that wait or are being processed."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with unavailable_when_down("sqs"):
            client = self._aws.client("sqs")
            found = client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(int(found.get(name, 0)) for name in names)


def escaped(body: str) -> str:
    """Return JSON text with the characters that SQS rejects escaped."""
    for character, escape in _FORBIDDEN.items():
        body = body.replace(character, escape)
    return body


def escaped_size(body: bytes) -> int:
    """Return the size in bytes of a JSON text after `escaped`."""
    return len(body) + 3 * (body.count(b"\xef\xbf\xbe") + body.count(b"\xef\xbf\xbf"))


def as_message(body: str, large: LargeObjects | None) -> str:
    """Return the message for a JSON body: the body itself, or a reference to it if it is too large.

    Raises `Unavailable`.
    """
    body = escaped(body)
    if large is None or len(body.encode()) <= MESSAGE_BYTES:
        return body
    key = f"{MESSAGES}{new_ulid()}.json.gz"
    large.put(key, body.encode())
    return f'{_CLAIM}{key}"}}'


def _claimed(body: str) -> str | None:
    """Return the key of the object that a body refers to."""
    return str(json.loads(body)["millraceObject"]) if body.startswith(_CLAIM) else None


def grouped(organization: str) -> dict[str, str]:
    """Return the parameter that identifies an organization, with a hash as a name that SQS always accepts."""
    if not organization:
        return {}
    return {"MessageGroupId": sha256(organization.encode(errors="surrogatepass")).hexdigest()[:32]}


def again_after(receives: int) -> int:
    """Return the seconds until a message that failed this often becomes visible again."""
    return min(AGAIN_SECONDS << min(receives - 1, 16), LONGEST_AGAIN_SECONDS)


def queue_name(url: str) -> str:
    """Return a queue's name, the last part of its URL."""
    return url.rpartition("/")[2]
