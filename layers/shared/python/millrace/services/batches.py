"""Batches of queue messages that are independent of each other, processed with Powertools' Batch."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from millrace.errors import MillraceError
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)

Handler = Callable[[SQSRecord], Awaitable[Any]]
Failed = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class QueueBatch(AsyncBatchProcessor):
    """A batch whose messages are processed concurrently. Failed messages become visible again within seconds.

    Even if a whole batch fails, each message is reported: an exception would hide the messages until the
    queue's visibility timeout ends. `private` keeps exceptions of libraries out of the log, because they may
    contain credentials.
    """

    def __init__(self, queue: Queue, private: bool = False) -> None:
        super().__init__(EventType.SQS, raise_on_entire_batch_failure=False)
        self._queue = queue
        self._private = private
        self._failed: list[dict[str, Any]] = []

    async def process_all(self, event: dict[str, Any], handler: Handler) -> PartialItemFailureResponse:
        """Return the function's answer for an SQS event."""
        with self(records=event["Records"], handler=handler):
            await asyncio.gather(*map(self._async_process_record, self.records))
        await asyncio.to_thread(self._queue.see_again, self._failed)
        return self.response()

    def failure_handler(self, record: SQSRecord, exception: Failed) -> Any:
        """Log the reason that a message is received again."""
        _, error, _ = exception
        if self._private:
            reported = error.message if isinstance(error, MillraceError) else type(error).__name__
            log.error("message %s failed: %s", record.message_id, reported)
        else:
            log.error("message %s failed", record.message_id, exc_info=error)
        self._failed.append(record.raw_event)
        return super().failure_handler(record, exception)
