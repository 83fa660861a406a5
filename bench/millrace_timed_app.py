"""The app of `millrace_app.py`, which notes when it passes each point on the way to the first token.

`/points` answers with the median of the milliseconds from a request to each point."""

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from millrace.startup import starting

with starting():
    import uvicorn

    from app import app

from starlette.responses import JSONResponse

import millrace.net.transport
from millrace.stores.aws import Aws

passed: dict[str, float] = {}
taken: defaultdict[str, list[float]] = defaultdict(list)


def passing(point: str) -> None:
    """Note a point when it is passed for the first time in a request."""
    passed.setdefault(point, time.perf_counter())


def timed(method: Callable[..., Awaitable[Any]], name: Callable[..., str]) -> Callable[..., Awaitable[Any]]:
    """A method that notes when it begins and when it ends."""

    @wraps(method)
    async def call(*arguments: Any, **parameters: Any) -> Any:
        point = name(*arguments)
        passing(f"{point} begins")
        result = await method(*arguments, **parameters)
        passing(f"{point} ends")
        return result

    return call


Aws.call = timed(Aws.call, lambda _aws, _service, operation: operation)
transport = millrace.net.transport.Transport
transport.handle_async_request = timed(transport.handle_async_request, lambda *_: "model")


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """The app, and `/points`."""
    if scope["type"] != "http":
        return await app(scope, receive, send)
    if scope["path"] == "/points":
        points = {point: statistics.median(times) * 1000 for point, times in taken.items()}
        return await JSONResponse(points)(scope, receive, send)
    passed.clear()
    passing("request")

    async def receiving() -> Any:
        passing("body")
        return await receive()

    async def sending(message: Any) -> None:
        if b"token0" in message.get("body", b"") and "token" not in passed:
            passing("token")
            for point, moment in passed.items():
                taken[point].append(moment - passed["request"])
        await send(message)

    await app(scope, receiving, sending)


if __name__ == "__main__":
    uvicorn.run(serve, port=int(os.environ["PORT"]), log_level="warning")
