"""Batches from the record queue: EventBridge events, and the tick of every minute.

A batch is recorded with one transaction for each organization; a batch processor would pay for one for each
record. Failures are reported item by item, so that the queue repeats only those.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from millrace.domain.events import Event
from millrace.domain.record import check_event
from millrace.errors import InvalidRequest
from millrace.services.command_center.alerts import evaluate
from millrace.services.command_center.looks import LOOK, Portion, look_at, look_at_all
from millrace.services.command_center.record import Recorder, record
from millrace.services.erasures import sweep_erasures
from millrace.services.exports.sweep import sweep_exports
from millrace.services.forget_agents import sweep_forgotten
from millrace.services.retention import sweep_retention
from millrace.services.runs.delete import sweep_deletions
from millrace.services.runs.sweep_lost import sweep_lost
from millrace.services.runs.sweep_waiting import sweep_waiting
from millrace.stores.connect import Stores
from millrace.telemetry import logs

log = logging.getLogger(__name__)
TICK = "aws.events"
CHECK_RUNS = "millrace.check_runs"
"""The source of a message between two ticks, which only checks for lost runs."""
CHECKED_BETWEEN = (15, 30, 45)
"""Seconds after a tick at which lost runs are checked as well."""

Work = dict[str, list[tuple[str, Event]]]
"""The events of each organization, with the ids of the messages that contained them."""


async def record_batch(recorder: Recorder, batch: dict[str, Any]) -> dict[str, Any]:
    """Process an SQS event, and return `{"batchItemFailures": [{"itemIdentifier"}]}`."""
    failed: list[str] = []
    work: Work = defaultdict(list)
    ticks: list[str] = []
    for message in batch["Records"]:
        message_id = message["messageId"]
        try:
            event = _read(message["body"])
        except InvalidRequest as error:
            log.error("message %s cannot be recorded: %s", message_id, error.message)
            # After its last attempt it stays in the dead-letter queue, where people find it.
            failed.append(message_id)
            continue
        except Exception:
            log.exception("message %s cannot be read", message_id)
            failed.append(message_id)
            continue
        if event == TICK:
            ticks.append(message_id)
        elif isinstance(event, str):
            await _notice_lost_runs(recorder)
        elif isinstance(event, Portion):
            # Lost runs are checked again soon, so only a failed `check` is repeated.
            if not await look_at(recorder, event) and event.look == "check":
                failed.append(message_id)
        else:
            work[event["organization"]].append((message_id, event))
    for organization, events in work.items():
        with logs.bound(organization=organization):
            failed += await _record_all(recorder, organization, events)
    if ticks and not await _tick(recorder):
        failed += ticks
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}


def _read(body: str) -> Event | Portion | str:
    """Return the event of a message, a portion to check, or a source without an event: `TICK`, `CHECK_RUNS`.

    Raises `InvalidRequest`.
    """
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("The message is not JSON.", code="invalid_event") from error
    if not isinstance(envelope, dict):
        raise InvalidRequest("The message is not an EventBridge event.", code="invalid_event")
    source = envelope.get("source")
    if source == LOOK:
        return Portion.read(envelope)
    return source if source in (TICK, CHECK_RUNS) else check_event(envelope.get("detail"))


async def _record_all(recorder: Recorder, organization: str, events: list[tuple[str, Event]]) -> list[str]:
    """Return the ids of the messages that failed.

    If recording fails, the halves of a batch are tried separately.
    """
    try:
        await record(recorder, organization, [event for _, event in events])
    except Exception:
        log.exception("%d events of one organization were not recorded together", len(events))
        if len(events) == 1:
            return [events[0][0]]
        middle = len(events) // 2
        halves = (events[:middle], events[middle:])
        return [one for half in halves for one in await _record_all(recorder, organization, half)]
    await _evaluate_alerts(recorder, organization)
    return []


async def _evaluate_alerts(recorder: Recorder, organization: str) -> None:
    """Evaluate the alerts. If that fails, the next evaluation follows within a minute."""
    try:
        await evaluate(recorder, organization)
    except Exception:
        log.exception("the alerts of an organization could not be evaluated")


async def _tick(recorder: Recorder) -> bool:
    """Check every organization that has rules or runs. One that fails does not stop the others.

    AWS schedules run at most once a minute, so delayed messages check for lost runs in between.
    """
    await _check_runs_later(recorder)
    good = await _look_at_all(recorder)
    # Concurrently, because in sequence they might exceed the function's time.
    sweeps = (
        sweep_deletions,
        sweep_waiting,
        sweep_lost,
        sweep_forgotten,
        sweep_retention,
        sweep_erasures,
        sweep_exports,
    )
    swept = await asyncio.gather(*(_swept(sweep, recorder) for sweep in sweeps))
    return all(swept) and good


async def _look_at_all(recorder: Recorder) -> bool:
    try:
        return await look_at_all(recorder, "check")
    except Exception:
        log.exception("the organizations could not be checked")
        return False


async def _check_runs_later(recorder: Recorder) -> None:
    try:
        body = f'{{"source":"{CHECK_RUNS}"}}'
        checks = [(body, seconds, "") for seconds in CHECKED_BETWEEN]
        await asyncio.to_thread(recorder.queue.send_delayed, checks)  # one call, because calls are billed
    except Exception:
        log.exception("lost runs are not checked before the next minute")


async def _notice_lost_runs(recorder: Recorder) -> None:
    """Check for lost runs only. The next check covers anything that fails here."""
    try:
        await look_at_all(recorder, "notice_lost_runs")
    except Exception:
        log.exception("lost runs could not be checked")


async def _swept(sweep: Callable[[Stores], Awaitable[int]], recorder: Recorder) -> bool:
    """Finish interrupted work: deletions, and runs with answered or expired calls.

    Return False if that work cannot even be listed.
    """
    try:
        await sweep(recorder.stores)
    except Exception:
        log.exception("%s failed", sweep.__name__)
        return False
    return True
