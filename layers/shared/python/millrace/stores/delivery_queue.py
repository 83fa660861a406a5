"""The SQS queue of delivery jobs."""

import asyncio

from millrace.stores.aws import Aws
from millrace.stores.large_objects import LargeObjects
from millrace.stores.queues import MESSAGE_BYTES, claim_check, grouped

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
        if len(body) > MESSAGE_BYTES // 4:  # a character has four bytes at most
            body = await asyncio.to_thread(claim_check, body, self._large)
        await self._aws.call(
            "sqs",
            "send_message",
            QueueUrl=self._url,
            MessageBody=body,
            DelaySeconds=seconds,
            **grouped(organization),
        )
