"""The life of one execution environment: init, SnapStart, the `next` loops, shutdown."""

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
# Lambda kills an environment 0.5 to 2 s after SIGTERM: this long for requests, as long for the lifespan.
GRACE_S = 0.25
MAX_CONCURRENCY = 1024
EXIT_OK, EXIT_FAILED, EXIT_BEFORE_SNAPSHOT, EXIT_AFTER_RESTORE = 0, 1, 64, 65


class Worker:
    """One `next` loop with a connection of its own; it ends when stopped, or with a `failure` of the host."""

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
        """Take no further invocation; the present one goes on."""
        self._stopping = True
        # `next` may wait for hours, while a request in flight can end by itself.
        if self._exchange is None:
            self.task.cancel()

    def cut_short(self) -> None:
        """End the present invocation with an error."""
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
            # One variable for the process: with several invocations at once it would be another's.
            set_trace_id(invocation.trace_id)
        self._exchange = Exchange(self._app, self._state, self._api, invocation, self._mode)
        await self._exchange.serve()
        self._exchange = None

    async def _next(self) -> Invocation:
        """The next invocation; a connection that breaks is tried anew a few times."""
        for attempt in range(NEXT_ATTEMPTS - 1):
            try:
                return await self._api.next()
            except OSError:
                await asyncio.sleep(FIRST_DELAY_S * 2**attempt)
        return await self._api.next()


def set_trace_id(trace_id: str | None) -> None:
    """Tell X-Ray's SDKs and OpenTelemetry which trace this is."""
    if trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id


def concurrency() -> int:
    """Return the number of invocations that the host sends at once. Raises SetupError."""
    text = os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1")
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= MAX_CONCURRENCY:
        message = f"AWS_LAMBDA_MAX_CONCURRENCY must be a number from 1 to {MAX_CONCURRENCY}, not {text!r}"
        raise SetupError("Runtime.InvalidConfiguration", message)
    return int(text)


async def serve(app: ASGIApp, address: str) -> int:
    """Serve invocations until a signal ends it or the host is lost; the process's exit status."""
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
    """The app's startup and, with SnapStart, its snapshot; failures are logged and reported."""
    try:
        concurrency(), response_mode()
        await lifespan.startup()
    except SetupError as error:
        return await fail_init(api, error)
    finally:
        # A socket in the snapshot would be dead in every environment that is restored from it.
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
    """Log and report why the function cannot start; the exit status."""
    await report_start_failure(api.fail_init, error)
    return EXIT_FAILED


async def report_start_failure(
    report: Callable[[ErrorReport], Awaitable[None]], error: BaseException, kind: str = ""
) -> None:
    """Log an error and report it to the host, if that still listens."""
    failure = describe(error)
    failure = replace(failure, kind=kind) if kind else failure
    logs.failure(failure)
    try:
        await report(failure)
    except (OSError, RuntimeAPIError) as lost:
        logs.note(f"The error at start could not be reported: {lost}")


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def first_end(workers: list[Worker], stop: asyncio.Event) -> int:
    """Wait for the signal or for a worker that has lost the host."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *(worker.task for worker in workers)], return_when=asyncio.FIRST_COMPLETED)
    if stopped.done():
        return EXIT_OK
    stopped.cancel()
    failure = next(filter(None, (worker.failure for worker in workers)), RuntimeAPIError("a worker ended"))
    logs.failure(describe(failure))
    return EXIT_FAILED


async def drain(workers: list[Worker]) -> None:
    """Let requests in flight end by themselves for a moment, then end them with an error."""
    for worker in workers:
        worker.stop()
    tasks = [worker.task for worker in workers]
    _, late = await asyncio.wait(tasks, timeout=GRACE_S)
    for worker in workers:
        worker.cut_short()
    if late:
        await asyncio.wait(late, timeout=GRACE_S)


async def end_lifespan(lifespan: Lifespan) -> None:
    """The app's shutdown, for a moment."""
    try:
        async with asyncio.timeout(GRACE_S):
            await lifespan.shutdown()
    except TimeoutError:
        logs.note(f"The app's lifespan shutdown took longer than {GRACE_S} s and was ended")
    except SetupError as error:
        logs.failure(describe(error))
