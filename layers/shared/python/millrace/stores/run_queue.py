"""The SQS queue of runs that another process is to continue.

A message names a run and nothing else, so it may come twice, late or for a run that goes on: whoever receives
it looks at the run's lease, and of many only one takes the run over.
"""

import orjson
from msgspec.structs import asdict

from millrace.domain.runs import ContinueRun
from millrace.errors import InvalidRequest
from millrace.stores.aws import Aws
from millrace.stores.queues import Queue


class RunQueue:
    """Sends messages. Without a queue's URL (tools that only read) nothing is sent, and the sweep notices."""

    def __init__(self, aws: Aws, url: str) -> None:
        self.url = url
        self._queue = Queue(aws, url)

    async def enqueue(self, organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        """Ask for a run to be continued in `delay` seconds (15 minutes at most; whoever receives it too early
        sends it again). Raises `Unavailable`."""
        if not self.url:
            return
        body = orjson.dumps(asdict(ContinueRun(organization, run_id, reason))).decode()
        await self._queue.send_one(body, round(delay * 1000), organization)


def to_continue_run(body: str) -> ContinueRun:
    """The message of a queue's body. Raises `InvalidRequest`."""
    try:
        return ContinueRun(**orjson.loads(body))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise InvalidRequest("The message names no run.", code="invalid_message") from error
