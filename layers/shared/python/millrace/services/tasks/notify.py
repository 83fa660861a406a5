"""Push notifications about tasks for A2A clients: every update at least once and in order.

Updates are read from the log, whichever process performs the task and however often one dies.
"""

import asyncio
import base64
import hmac
import logging
import random
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Self

import httpx
import orjson
from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.events import LogEntry
from millrace.domain.retries import wait_ms
from millrace.domain.runs import Run
from millrace.domain.tasks import PushConfig, PushMessage
from millrace.errors import MillraceError, NotFound
from millrace.services.batches import QueueBatch
from millrace.services.runs.follow import DEADLINE_MARGIN, follow
from millrace.services.runs.platform import Platform
from millrace.services.tasks.push import push_context
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from millrace.stores.push_queue import to_push_message
from millrace.stores.runs import stream_of
from millrace.stores.sealing import key_service

log = logging.getLogger(__name__)

UNKNOWN_MS = 60_000
"""A message may be received this long before its configuration is stored."""
UNKNOWN_SECONDS = 5.0
WAITING_SECONDS = 300.0
"""Seconds between checks of a task that waits for people. An answer over A2A triggers a check immediately."""
MARGIN_SECONDS = 30.0
MOST_ATTEMPTS = 20
"""About four hours of consecutive failures."""
BACKOFF_MS = 2_000
TIMEOUT_SECONDS = 15.0


Render = Callable[[Run, Iterable[LogEntry]], list[tuple[int, list[bytes]]]]
"""Renders the updates of each event of a run, from the first on, with the event's number."""


class TaskNotifier(Struct, frozen=True):
    """The resources that the function keeps between batches."""

    settings: Settings
    aws: Aws
    render: Render

    @classmethod
    def connect(cls, settings: Settings, render: Render) -> Self:
        """Create the notifier during init."""
        settings.require("push_queue_url")
        aws = Aws(settings.region)
        for service in ("dynamodb", "sqs", key_service(settings.secrets_key_id)):
            aws.client(service)
        return cls(settings, aws, render)

    async def __call__(self, batch: dict[str, Any], seconds: float) -> Any:
        """Process an SQS event in a function with `seconds` left."""
        platform = Platform.make(self.settings, Stores.connect(self.settings, self.aws))
        notices = Notices(platform, self.render, time.monotonic() + seconds)
        queue = QueueBatch(platform.stores.push_queue.queue, private=True)
        try:
            return await queue.process_all(
                batch, lambda record: notices.take_up(to_push_message(record.body))
            )
        finally:
            await platform.http.close()


class Notices(Struct, frozen=True):
    """The work of one batch."""

    platform: Platform
    render: Render
    deadline: float

    async def take_up(self, message: PushMessage) -> None:
        """Continue a configuration as far as the task and the time allow.

        The rest becomes another message.
        """
        stores = self.platform.stores
        try:
            run = await stores.runs.get(message.organization, message.run_id)
            config = await stores.pushes.get(run, message.config_id)
        except NotFound:
            config = None
        if config is None:
            if stores.clock() - message.sent_ms < UNKNOWN_MS:
                await self._again(message, UNKNOWN_SECONDS)
            return
        if config.chain == message.chain:
            await self._publish(run, config, message)

    async def _publish(self, run: Run, config: PushConfig, message: PushMessage) -> None:
        secrets = await self._secrets(run, config)
        while True:
            entries = await self.platform.stores.log.read(stream_of(run.slot.organization, run.id))
            for seq, bodies in self.render(run, entries):
                if seq <= config.seq:
                    continue
                for number, body in enumerate(bodies):
                    id = f"{run.id}.{seq}-{number}"
                    if not await self._post(run, config, id, body, secrets):
                        return await self._failed(message)
                config = await self.platform.stores.pushes.advance(run, config, seq)
                message = replace(message, attempt=0)
            last = entries[-1] if entries else None
            if not await self._more(run, last, message):
                return

    async def _more(self, run: Run, last: LogEntry | None, message: PushMessage) -> bool:
        """Wait for the task's next event. Return False if this message has nothing more to do."""
        stores = self.platform.stores
        lease = await stores.leases.peek(run.slot)
        if lease.run_id != run.id:
            # Its last events were written together with its end, so they are read once more.
            seen = last.seq if last else 0
            return bool(await stores.log.read(stream_of(run.slot.organization, run.id), seen, limit=1))
        if lease.parked == "waiting" and last is not None and last.seq >= lease.seq:
            await self._again(message, WAITING_SECONDS)
            return False
        left = self.deadline - MARGIN_SECONDS
        if time.monotonic() > left:
            await self._again(message, 0)
            return False
        async for _ in follow(stores, run, last.seq if last else 0, left + DEADLINE_MARGIN):
            return True
        return True

    async def _post(
        self, run: Run, config: PushConfig, id: str, body: bytes, secrets: dict[str, str]
    ) -> bool:
        """Push one update. Return False if that failed."""
        headers = signed(id, body, secrets, config.scheme, int(time.time()))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self.platform.http.guarded.post(config.url, content=body, headers=headers)
            if answer.is_success:
                return True
            reported = f"status {answer.status_code}"
        except (httpx.HTTPError, TimeoutError, MillraceError) as error:
            reported = type(error).__name__
        log.warning("a push notification of %s failed: %s", run.id, reported)
        return False

    async def _failed(self, message: PushMessage) -> None:
        if message.attempt + 1 >= MOST_ATTEMPTS:
            return log.error("push notifications of %s failed too often and end", message.run_id)
        wait = wait_ms(message.attempt, BACKOFF_MS, None, random.random()) / 1000
        await self._again(replace(message, attempt=message.attempt + 1), wait)

    async def _again(self, message: PushMessage, seconds: float) -> None:
        await self.platform.stores.push_queue.enqueue(message, seconds)

    async def _secrets(self, run: Run, config: PushConfig) -> dict[str, str]:
        if not config.sealed:
            return {}
        text = await self.platform.stores.sealer.unseal(config.sealed, push_context(run))
        found: dict[str, str] = orjson.loads(text) if text else {}
        return found


def signed(id: str, body: bytes, secrets: dict[str, str], scheme: str, now: int) -> dict[str, str]:
    """Return the headers of a notification.

    If the client gave a token, the notification is signed with it according to Standard Webhooks.
    `webhook-id` is the same for each attempt.
    """
    headers = {"content-type": "application/a2a+json", "webhook-id": id, "webhook-timestamp": str(now)}
    if token := secrets.get("token"):
        digest = hmac.new(token.encode(), f"{id}.{now}.".encode() + body, sha256).digest()
        headers["x-a2a-notification-token"] = token
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    if credentials := secrets.get("credentials"):
        headers["authorization"] = f"{scheme} {credentials}".strip()
    return headers
