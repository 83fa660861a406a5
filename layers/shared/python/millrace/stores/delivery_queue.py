"""The SQS queue of delivery jobs."""

import asyncio

from millrace.stores.aws import Aws
from millrace.stores.large_objects import LargeObjects
from millrace.stores.queues import MESSAGE_BYTES, as_message, grouped

LONGEST_DELAY_SECONDS = 900


class DeliveryQueue:
    """Sends messages. Waiting is done by sending again with a delay, not by leaving messages in flight: a
    queue has about 120,000 places for those, which one dead destination would fill for everybody."""

    def __init__(self, aws: Aws, url: str, large: LargeObjects | None = None) -> None:
        self._aws = aws
        self._url = url
        self._large = large

    async def send(self, body: str, delay_ms: int = 0, organization: str = "") -> None:
        """Sends a message of an organization, to be received after the delay (15 minutes at most)."""
        seconds = min(LONGEST_DELAY_SECONDS, -(-max(0, delay_ms) // 1000))
        if len(body) > MESSAGE_BYTES // 6:  # a character has six bytes at most
            body = await asyncio.to_thread(as_message, body, self._large)
        else:
            body = as_message(body, self._large)
        await self._aws.call(
            "sqs",
            "send_message",
            QueueUrl=self._url,
            MessageBody=body,
            DelaySeconds=seconds,
            **grouped(organization),
        )
