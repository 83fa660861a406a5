"""The life cycle of an execution environment: init, SnapStart, the `next` loops, shutdown."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from streaming_runtime import logs, snapstart
from streaming_runtime.asgi import ASGIApp
from streaming_runtime.errors import ErrorReport, RuntimeAPIError, SetupError, describe
from streaming_runtime.invocation import Exchange
from streaming_runtime.lifespan import Lifespan
from streaming_runtime.runtime_api import Invocation, RuntimeAPI
from streaming_runtime.sources import Mode, response_mode

NEXT_ATTEMPTS = 5
FIRST_DELAY_S = 0.1
# Lambda kills an environment 0.5 to 2 s after SIGTERM. Requests have this time, and then the lifespan.
GRACE_S = 0.25
MAX_CONCURRENCY = 1024
EXIT_OK, EXIT_FAILED, EXIT_BEFORE_SNAPSHOT, EXIT_AFTER_RESTORE = 0, 1, 64, 65


class Worker:
    """A `next` loop with its own connection. It ends when it is stopped, or with a `failure` of the host."""

    def __init__(
        self, app: ASGIApp, state: dict[str, Any], address: str, alone: bool, mode: Mode = "stream"
    ) -> None:
        self._app = app
        self._mode = mode
        self._state = state
        self._api = RuntimeAPI(address)
        self._alone = alone
        self._exchange: Exchange | None = None
        self._stopping = False
        self.failure: Exception | None = None
        self.task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Take no further invocations. The current one continues."""
        self._stopping = True
        # `next` may wait for hours, whereas a request in flight can end by itself.
        if self._exchange is None:
            self.task.cancel()

    def cut_short(self) -> None:
        """End the current invocation with an error."""
        if self._exchange is not None:
            self._exchange.cut_short()

    async def _run(self) -> None:
        try:
            while not self._stopping:
                await self._serve(await self._next())
        except (OSError, RuntimeAPIError) as error:
            self.failure = error
        finally:
            self._api.close()

    async def _serve(self, invocation: Invocation) -> None:
        if self._alone:
            # The process has one such variable. With concurrent invocations, it could belong to another one.
            set_trace_id(invocation.trace_id)
        self._exchange = Exchange(self._app, self._state, self._api, invocation, self._mode)
        await self._exchange.serve()
        self._exchange = None

    async def _next(self) -> Invocation:
        """Return the next invocation. If the connection breaks, it is retried a few times."""
        for attempt in range(NEXT_ATTEMPTS - 1):
            try:
                return await self._api.next()
            except OSError:
                await asyncio.sleep(FIRST_DELAY_S * 2**attempt)
        return await self._api.next()


def set_trace_id(trace_id: str | None) -> None:
    """Set the trace for X-Ray's SDKs and OpenTelemetry."""
    if trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id


def concurrency() -> int:
    """Return the number of concurrent invocations that the host sends. Raises SetupError."""
    text = os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1")
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= MAX_CONCURRENCY:
        message = f"AWS_LAMBDA_MAX_CONCURRENCY must be a number from 1 to {MAX_CONCURRENCY}, not {text!r}"
        raise SetupError("Runtime.InvalidConfiguration", message)
    return int(text)


async def serve(app: ASGIApp, address: str) -> int:
    """Serve invocations until a signal arrives or the host is lost, and return the exit status."""
    stop = stop_on_signals()
    lifespan = Lifespan(app)
    status = await initialize(lifespan, RuntimeAPI(address))
    if status == EXIT_OK:
        count, mode = concurrency(), response_mode()
        workers = [Worker(app, lifespan.state, address, count == 1, mode) for _ in range(count)]
        status = await first_end(workers, stop)
        await drain(workers)
    await end_lifespan(lifespan)
    return status


async def initialize(lifespan: Lifespan, api: RuntimeAPI) -> int:
    """Start the app and, with SnapStart, take the snapshot. Failures are logged and reported."""
    try:
        concurrency(), response_mode()
        await lifespan.startup()
    except SetupError as error:
        return await fail_init(api, error)
    finally:
        # A socket in the snapshot would be dead in every restored environment.
        api.close()
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        return await snapshot(api)
    return EXIT_OK


async def snapshot(api: RuntimeAPI) -> int:
    """Run the SnapStart hooks around the snapshot."""
    try:
        await snapstart.run_before_snapshot()
        await api.restore()
    except Exception as error:
        await report_start_failure(api.fail_init, error, "Runtime.BeforeSnapshotError")
        return EXIT_BEFORE_SNAPSHOT
    try:
        await snapstart.run_after_restore()
    except Exception as error:
        await report_start_failure(api.fail_restore, error, "Runtime.AfterRestoreError")
        return EXIT_AFTER_RESTORE
    return EXIT_OK


async def fail_init(api: RuntimeAPI, error: BaseException) -> int:
    """Log and report why the function cannot start, and return the exit status."""
    await report_start_failure(api.fail_init, error)
    return EXIT_FAILED


async def report_start_failure(
    report: Callable[[ErrorReport], Awaitable[None]], error: BaseException, kind: str = ""
) -> None:
    """Log an error and report it to the host, if it can still be reached."""
    failure = describe(error)
    failure = replace(failure, kind=kind) if kind else failure
    logs.failure(failure)
    try:
        await report(failure)
    except (OSError, RuntimeAPIError) as lost:
        logs.note(f"The error at start could not be reported: {lost}")


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and Ctrl-C set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def first_end(workers: list[Worker], stop: asyncio.Event) -> int:
    """Wait for the signal, or until a worker has lost the host."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *(worker.task for worker in workers)], return_when=asyncio.FIRST_COMPLETED)
    if stopped.done():
        return EXIT_OK
    stopped.cancel()
    failure = next(filter(None, (worker.failure for worker in workers)), RuntimeAPIError("a worker ended"))
    logs.failure(describe(failure))
    return EXIT_FAILED


async def drain(workers: list[Worker]) -> None:
    """Give requests in flight a moment to end, then end them with an error."""
    for worker in workers:
        worker.stop()
    tasks = [worker.task for worker in workers]
    _, late = await asyncio.wait(tasks, timeout=GRACE_S)
    for worker in workers:
        worker.cut_short()
    if late:
        await asyncio.wait(late, timeout=GRACE_S)


async def end_lifespan(lifespan: Lifespan) -> None:
    """Give the app a moment for its shutdown."""
    try:
        async with asyncio.timeout(GRACE_S):
            await lifespan.shutdown()
    except TimeoutError:
        logs.note(f"The app's lifespan shutdown took longer than {GRACE_S} s and was ended")
    except SetupError as error:
        logs.failure(describe(error))
