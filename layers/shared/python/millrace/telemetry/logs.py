"""Log lines as JSON objects, by Powertools' Logger, with the ids of what they are about.

Modules log with the standard library: `logging.getLogger(__name__)` is a child of the logger `millrace`,
which gets its handler in a function's init. Ids belong to a task and to the tasks and threads that it starts,
so requests that share a process never get each other's.
"""

import functools
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import THREAD_LOCAL_KEYS, set_context_keys

from millrace.settings import Settings

SERVICE = "millrace"
"""The package's name, since its loggers are children of the logger with this name."""
LONGEST = 200

Handler = Callable[[Any, Any], Any]
Scope = dict[str, Any]
ASGI = Callable[[Scope, Any, Any], Awaitable[None]]

log = logging.getLogger(__name__)


@functools.cache
def configure() -> Logger:
    """Give the package's loggers their handler, level and sampling from the environment (`LOG_LEVEL`,
    `AWS_LAMBDA_LOG_LEVEL`, `POWERTOOLS_LOGGER_SAMPLE_RATE`)."""
    logger = Logger(
        service=SERVICE,
        utc=True,
        use_rfc3339=True,
        serialize_stacktrace=False,  # a repetition of `exception`
        location="%(name)s.%(funcName)s:%(lineno)d",
    )
    if not logger.sampling_rate:
        logger.remove_keys(["sampling_rate"])
        return logger
    # Lambda drops lines below its own level, so that is DEBUG if lines are sampled. It must not apply to
    # other loggers, since botocore's debug lines contain stored data.
    usual = Settings.from_environment().log_level
    logging.getLogger().setLevel(usual)
    logger.initial_log_level = usual
    logger.refresh_sample_rate_calculation()
    return logger


def invocations(handler: Handler) -> Handler:
    """Configure logging for a handler of events, with the invocation in its lines. Events are never
    logged."""
    logged: Handler = configure().inject_lambda_context(handler, log_event=False)
    return logged


def requests(app: ASGI) -> ASGI:
    """Configure logging for a streamed app, with the request in its lines."""
    logger = configure()

    async def serve(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        if logger.sampling_rate:
            logger.refresh_sample_rate_calculation()
        with bound(function_request_id=getattr(scope.get("aws.context"), "aws_request_id", "")):
            await _watched(app, scope, receive, send)

    return serve


async def _watched(app: ASGI, scope: Scope, receive: Any, send: Any) -> None:
    """Serve, and log the outcome in sampled processes. The query is not logged, as it may contain a
    ticket."""
    begun, status = time.monotonic(), 0

    async def sent(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        await send(message)

    # Every token of a stream goes through `send`, so it is wrapped only if the result is logged.
    await app(scope, receive, sent if log.isEnabledFor(logging.DEBUG) else send)
    log.debug("%s %s: %d, %.3f s", scope["method"], scope["path"], status, time.monotonic() - begun)


def bind(**ids: str) -> None:
    """Add ids to the log lines of the rest of this task."""
    set_context_keys(**_shortened(ids))


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Add ids to the log lines of the block."""
    before = THREAD_LOCAL_KEYS.set({**THREAD_LOCAL_KEYS.get(), **_shortened(ids)})
    try:
        yield
    finally:
        THREAD_LOCAL_KEYS.reset(before)


def _shortened(ids: dict[str, str]) -> dict[str, Any]:
    """Return the ids with long ones cut: a caller may send ids as long as a URL."""
    return {key: value[:LONGEST] for key, value in ids.items() if value}
