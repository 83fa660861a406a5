"""The SQS queue of delivery jobs."""

from millrace.stores.aws import Aws

LONGEST_DELAY_SECONDS = 900


class DeliveryQueue:
    """Sends messages. Waiting is done by sending again with a delay, not by leaving messages in flight: a
    queue has about 120,000 places for those, which one dead destination would fill for everybody."""

    def __init__(self, aws: Aws, url: str) -> None:
        self._aws = aws
        self._url = url

    async def send(self, body: str, delay_ms: int = 0) -> None:
        """Sends one message, to be received after the delay (15 minutes at most)."""
        seconds = min(LONGEST_DELAY_SECONDS, -(-max(0, delay_ms) // 1000))
        await self._aws.call(
            "sqs", "send_message", QueueUrl=self._url, MessageBody=body, DelaySeconds=seconds
        )
