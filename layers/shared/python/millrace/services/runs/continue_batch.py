"""Batches of the run queue: each run is continued here, to its end or to the next process."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct

from millrace.domain.run_definitions import Kind
from millrace.services.runs.continue_run import LOOPS, MakeLoop, continue_run
from millrace.services.runs.models import Models
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from millrace.stores.queues import Queue
from millrace.stores.run_queue import to_continue_run

log = logging.getLogger(__name__)


class RunContinuer(Struct, frozen=True):
    """The resources that the function keeps between batches: settings with model keys, and the AWS clients.

    Connections to model servers belong to the event loop of one batch.
    """

    settings: Settings
    aws: Aws
    loops: Mapping[Kind, MakeLoop]

    @classmethod
    def connect(cls, settings: Settings, loops: Mapping[Kind, MakeLoop] = LOOPS) -> Self:
        """Create the continuer during init, so that blocking calls do not delay a run later."""
        aws = Aws(settings.region)
        for service in ("dynamodb", "events", "sqs"):
            aws.client(service)
        return cls(Models.keyed(settings, aws), aws, loops)

    async def __call__(self, batch: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Process an SQS event in a function with `seconds` left.

        Return `{"batchItemFailures": [{"itemIdentifier"}]}`.
        """
        platform = Platform.make(self.settings, Stores.connect(self.settings, self.aws))
        deadline = time.monotonic() + seconds
        try:
            done = await asyncio.gather(
                *(self._continue(platform, one, deadline) for one in batch["Records"])
            )
        finally:
            await platform.http.close()
        failed = [one["messageId"] for one, good in zip(batch["Records"], done, strict=True) if not good]
        queue = Queue(self.aws, self.settings.run_queue_url)
        return await asyncio.to_thread(queue.answer, batch, failed)

    async def _continue(self, platform: Platform, record: dict[str, Any], deadline: float) -> bool:
        """Continue the run of a message. Return False if the message has to be received again."""
        try:
            asked = to_continue_run(record["body"])
            session = await continue_run(platform, asked, deadline, self.loops)
        except Exception:
            log.exception("the run of message %s was not continued", record["messageId"])
            return False
        if session is not None:
            # Lambda freezes the process once the batch is answered, together with everything that still runs.
            await session.over()
        return True
