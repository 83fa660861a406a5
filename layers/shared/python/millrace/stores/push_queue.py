"""The SQS queue of push notifications for A2A clients."""

import orjson
from msgspec.structs import asdict

from millrace.domain.tasks import PushMessage
from millrace.errors import InvalidRequest
from millrace.stores.aws import Aws
from millrace.stores.queues import Queue


class PushQueue:
    """Sends messages. Each names a configuration, and may be received twice or late."""

    def __init__(self, aws: Aws, url: str) -> None:
        self.queue = Queue(aws, url)

    async def enqueue(self, message: PushMessage, delay: float = 0) -> None:
        """Have a configuration's events sent in `delay` seconds (at most 15 minutes).

        Raises `Unavailable`.
        """
        body = orjson.dumps(asdict(message)).decode()
        await self.queue.send_one(body, round(delay * 1000), message.organization)


def to_push_message(body: str) -> PushMessage:
    """Parse the body of a queue message. Raises `InvalidRequest`."""
    try:
        return PushMessage(**orjson.loads(body))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise InvalidRequest("The message names no configuration.", code="invalid_message") from error
