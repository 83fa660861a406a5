"""Schedules of the emulator in their own time zones, as in EventBridge Scheduler.

The emulator reads every expression as UTC, and reports the time of its check instead of the scheduled time. A
time that a zone's clocks skip in spring is skipped, and one that occurs twice in autumn fires only the first
time. Rates have no zones. Times that passed while the emulator was not running are not made up for, except
`at(...)`.
"""

import logging
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

log = logging.getLogger(__name__)

Json = dict[str, Any]
Key = tuple[str, str, str]
CronNext = Callable[[datetime], datetime | None]
"""Maps a time to the next one of a cron expression, on clocks that are never put back or forward."""

_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
_fired: dict[Key, float] = {}
_reported: set[Key] = set()
_started = time.time()


def tick(now: float) -> None:
    """Fire each schedule that is due, once; further due times follow at the next ticks."""
    from ministack.services import scheduler

    caller = scheduler.get_account_id(), scheduler.get_region()
    try:
        for key, schedule in list(scheduler._schedules._data.items()):
            _fire_if_due(key, schedule, now)
    finally:
        scheduler.set_request_account_id(caller[0])
        scheduler.set_request_region(caller[1])


def _fire_if_due(key: Key, schedule: Json, now: float) -> None:
    """Fire a schedule if it is due. One that is invalid, or whose target fails, does not stop the others."""
    try:
        due = next_time(schedule, _last(key, schedule))
        if due is not None and due <= now:
            # Recorded first, so that a target that fails is not called again at each tick.
            _fired[key] = due
            _fire(key, schedule, due)
    except Exception:
        if key not in _reported:
            _reported.add(key)
            log.exception("the schedule %s does not fire", key[2])


def _last(key: Key, schedule: Json) -> float | None:
    """Return the time at which a schedule last fired, or None for a new one, even with an old name."""
    last = _fired.get(key)
    return last if last is not None and last >= schedule["CreationDate"] else None


def next_time(schedule: Json, last: float | None) -> float | None:
    """Return the time at which a schedule fires next (epoch seconds) after `last`, or None for never."""
    expression, created = schedule["ScheduleExpression"], schedule["CreationDate"]
    zone = ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC")
    after = last if last is not None else max(created, _started)
    if schedule.get("State") != "ENABLED":
        return None
    if found := _AT.fullmatch(expression):
        return datetime.fromisoformat(found[1]).replace(tzinfo=zone).timestamp() if last is None else None
    if seconds := _rate_seconds(expression):
        return float(created + ((after - created) // seconds + 1) * seconds)
    return on_clocks(_cron(expression), zone, after)


def on_clocks(following: CronNext, zone: ZoneInfo, after: float) -> float | None:
    """Return the first time after another that a zone's clocks show for the first time."""
    shown: datetime | None = datetime.fromtimestamp(after, zone).replace(tzinfo=UTC, fold=0)
    while shown is not None and (shown := following(shown)) is not None:
        moment = shown.replace(tzinfo=zone).timestamp()
        if moment > after and datetime.fromtimestamp(moment, zone).replace(tzinfo=UTC, fold=0) == shown:
            return moment
    return None


def _rate_seconds(expression: str) -> int:
    from ministack.services import eventbridge

    return eventbridge._parse_rate_seconds(expression) or 0


def _cron(expression: str) -> CronNext:
    from ministack.services import eventbridge

    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        raise ValueError(f"The emulator cannot read {expression}.")
    return lambda after: eventbridge._cron_next_fire(fields, after)


def _fire(key: Key, schedule: Json, due: float) -> None:
    from ministack.services import eventbridge, scheduler

    account, region, _ = key
    scheduler.set_request_account_id(account)
    scheduler.set_request_region(region)
    event = {
        "EventId": str(uuid.uuid4()),
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": due,
        "Resources": [schedule["Arn"]],
        "Account": account,
        "Region": region,
    }
    eventbridge._invoke_target(schedule["Target"], event, schedule)
    if _AT.fullmatch(schedule["ScheduleExpression"]) and schedule.get("ActionAfterCompletion") == "DELETE":
        scheduler._schedules._data.pop(key, None)
