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
"""The package's name, since its loggers are children of the one with this name."""
LONGEST = 200

Handler = Callable[[Any, Any], Any]
Scope = dict[str, Any]
ASGI = Callable[[Scope, Any, Any], Awaitable[None]]

log = logging.getLogger(__name__)


@functools.cache
def configure() -> Logger:
    """Give the package's loggers their handler, level and sampling, as the environment says (`LOG_LEVEL`,
    `AWS_LAMBDA_LOG_LEVEL`, `POWERTOOLS_LOGGER_SAMPLE_RATE`)."""
    logger = Logger(
        service=SERVICE,
        utc=True,
        use_rfc3339=True,
        serialize_stacktrace=False,  # the same again beside `exception`
        location="%(name)s.%(funcName)s:%(lineno)d",
    )
    if not logger.sampling_rate:
        logger.remove_keys(["sampling_rate"])
        return logger
    # Lambda drops lines below its own level, so that is DEBUG where lines are sampled. It is not everybody's:
    # botocore's debug lines tell what is stored.
    usual = Settings.from_environment().log_level
    logging.getLogger().setLevel(usual)
    logger.initial_log_level = usual
    logger.refresh_sample_rate_calculation()
    return logger


def invocations(handler: Handler) -> Handler:
    """Configure logging for a handler of events, whose lines name the invocation. Events are never logged."""
    logged: Handler = configure().inject_lambda_context(handler, log_event=False)
    return logged


def requests(app: ASGI) -> ASGI:
    """Configure logging for a streamed app, whose lines name the request that they are about."""
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
    """Serve, and tell how it went in sampled processes. Queries are not told: they may hold a ticket."""
    begun, status = time.monotonic(), 0

    async def sent(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        await send(message)

    # Every token of a stream goes through `send`, so it is wrapped only where somebody reads the result.
    await app(scope, receive, sent if log.isEnabledFor(logging.DEBUG) else send)
    log.debug("%s %s: %d, %.3f s", scope["method"], scope["path"], status, time.monotonic() - begun)


def bind(**ids: str) -> None:
    """Name what the rest of this task is about."""
    set_context_keys(**_shortened(ids))


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Name what the block is about."""
    before = THREAD_LOCAL_KEYS.set({**THREAD_LOCAL_KEYS.get(), **_shortened(ids)})
    try:
        yield
    finally:
        THREAD_LOCAL_KEYS.reset(before)


def _shortened(ids: dict[str, str]) -> dict[str, Any]:
    """Ids that come from a caller may be as long as an address."""
    return {key: value[:LONGEST] for key, value in ids.items() if value}
