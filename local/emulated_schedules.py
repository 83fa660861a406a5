"""Schedules of the emulator that fire by the clocks of their own time zones, as EventBridge Scheduler's do.

By itself the emulator reads every expression as UTC, and tells the time at which it looked instead of the
time at which a schedule was to fire. A time that a zone's clocks skip in spring is skipped, one that they
show twice in autumn fires the first time only. Rates know no zones. What was due while the emulator was not
running is not made up for, but for `at(...)`.
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
"""The first time after another that a cron expression names, on clocks that are never put back or forward."""

_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
_fired: dict[Key, float] = {}
_reported: set[Key] = set()
_started = time.time()


def tick(now: float) -> None:
    """Fire each schedule whose next time has come: one time of each, the others at the next ticks."""
    from ministack.services import scheduler

    caller = scheduler.get_account_id(), scheduler.get_region()
    try:
        for key, schedule in list(scheduler._schedules._data.items()):
            _fire_if_due(key, schedule, now)
    finally:
        scheduler.set_request_account_id(caller[0])
        scheduler.set_request_region(caller[1])


def _fire_if_due(key: Key, schedule: Json, now: float) -> None:
    """One that cannot be read, or whose target fails, holds up no other."""
    try:
        due = next_time(schedule, _last(key, schedule))
        if due is not None and due <= now:
            # Noted first, so that a target that fails is not called again at each tick.
            _fired[key] = due
            _fire(key, schedule, due)
    except Exception:
        if key not in _reported:
            _reported.add(key)
            log.exception("the schedule %s does not fire", key[2])


def _last(key: Key, schedule: Json) -> float | None:
    """Return the time at which a schedule last fired; None for one that is new, or another of the same
    name."""
    last = _fired.get(key)
    return last if last is not None and last >= schedule["CreationDate"] else None


def next_time(schedule: Json, last: float | None) -> float | None:
    """Return when a schedule fires next (epoch seconds) after it fired at `last`; None for never."""
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
    """Return the first time after another that the clocks of a zone show for the first time."""
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
