"""The SQS queue of runs that another process has to continue.

A message contains only a run's id, so it may be received twice, late, or for a run that is progressing. Every
receiver checks the run's lease, and only one takes over the run.
"""

import orjson
from msgspec.structs import asdict

from millrace.domain.runs import ContinueRun
from millrace.errors import InvalidRequest
from millrace.stores.aws import Aws
from millrace.stores.queues import Queue


class RunQueue:
    """Sends messages.

    Without a queue's URL (read-only tools) nothing is sent, and the sweep finds the run.
    """

    def __init__(self, aws: Aws, url: str) -> None:
        self.url = url
        self._queue = Queue(aws, url)

    async def enqueue(self, organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        """Request that a run is continued in `delay` seconds.

        SQS delays at most 15 minutes; a receiver that gets the message too early sends it again. Raises
        `Unavailable`.
        """
        if not self.url:
            return
        body = orjson.dumps(asdict(ContinueRun(organization, run_id, reason))).decode()
        await self._queue.send_one(body, round(delay * 1000), organization)


def to_continue_run(body: str) -> ContinueRun:
    """Parse the body of a queue message. Raises `InvalidRequest`."""
    try:
        return ContinueRun(**orjson.loads(body))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise InvalidRequest("The message names no run.", code="invalid_message") from error
