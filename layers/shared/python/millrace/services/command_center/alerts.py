"""Alert rules of an organization: create, change, delete, evaluate."""

import logging
from typing import Any

import orjson
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.alerts import (
    AlertReplacement,
    AlertRule,
    AlertSettings,
    AlertState,
    alert_to_wire,
    is_triggered,
)
from millrace.domain.alerts_metrics import bucket_start, value_of
from millrace.domain.clock import iso, updated_time
from millrace.domain.events import Event
from millrace.domain.ids import new_id
from millrace.domain.replacement import PLAIN, WriteOptions, check_same, settings_of
from millrace.errors import NotFound, is_transient
from millrace.services.command_center.record import TRIES, Recorder
from millrace.stores.alerts import AlertStore
from millrace.stores.bus import BusEvent
from millrace.stores.dynamo import ConditionFailed

log = logging.getLogger(__name__)
SOURCE = "millrace.alert"
READ_ONLY = frozenset({"id", "createdAt", "updatedAt", "state"})


class AlertRules:
    """Operations on rules."""

    def __init__(self, recorder: Recorder) -> None:
        self._store: AlertStore = recorder.alerts
        self._clock = recorder.clock

    async def all(self, caller: Principal) -> list[dict[str, Any]]:
        """Return every rule with its state, oldest first."""
        rules, states = await self._store.standing(caller.organization)
        return [_with_state(rule, states.get(rule.id)) for rule in rules]

    async def get(self, caller: Principal, rule_id: str) -> dict[str, Any]:
        """Return a rule with its state. Raises `NotFound`."""
        rule = await self._store.rule(caller.organization, rule_id)
        states = await self._store.states(caller.organization)
        return _with_state(rule, states.get(rule_id))

    async def create(
        self, caller: Principal, given: AlertSettings, rule_id: str = "", dry_run: bool = False
    ) -> AlertRule:
        """Create a rule. Raises `TooManyRequests` beyond the limit, and `Conflict` for a taken id."""
        now = iso(self._clock())
        rule = AlertRule(id=rule_id or new_id("rule"), created_at=now, updated_at=now, **dict(given))
        if not dry_run:
            await self._store.create(caller.organization, rule)
        return rule

    async def change(self, caller: Principal, rule_id: str, changes: dict[str, Any]) -> AlertRule:
        """Merge the given fields. Raises pydantic's `ValidationError`, `NotFound` or `Conflict`."""
        old = await self._store.rule(caller.organization, rule_id)
        merged = old.to_wire() | {name: value for name, value in changes.items() if name not in READ_ONLY}
        kept = {name: value for name, value in merged.items() if name not in READ_ONLY}
        return await self._replace(caller, old, AlertSettings.model_validate(kept))

    async def put(
        self, caller: Principal, rule_id: str, given: AlertReplacement, options: WriteOptions = PLAIN
    ) -> tuple[AlertRule, bool]:
        """Replace the rule's settings, or create the rule. Return the rule and whether it is new.

        Raises as `create` and `change` do.
        """
        check_same("id", given.id, rule_id)
        settings = settings_of(AlertSettings, given)
        try:
            old = await self._store.rule(caller.organization, rule_id)
        except NotFound:
            options.check(None)
            return await self.create(caller, settings, rule_id, options.dry_run), True
        options.check(old.updated_at)
        return await self._replace(caller, old, settings, options.dry_run), False

    async def _replace(
        self, caller: Principal, old: AlertRule, given: AlertSettings, dry_run: bool = False
    ) -> AlertRule:
        now = updated_time(self._clock, old.updated_at)
        new = AlertRule(id=old.id, created_at=old.created_at, updated_at=now, **dict(given))
        if not dry_run:
            await self._store.replace(caller.organization, new, old.updated_at)
        return new

    async def delete(self, caller: Principal, rule_id: str, unchanged_since: str | None = None) -> None:
        """Delete a rule. A triggered alert ends without a notification.

        Raises `NotFound`, and `Conflict` if the rule was changed after `unchanged_since`.
        """
        await self._store.delete(caller.organization, rule_id, unchanged_since)


def _with_state(rule: AlertRule, state: AlertState | None) -> dict[str, Any]:
    state = state or AlertState()
    shown = {"triggered": state.triggered, "triggeredAt": state.triggered_at, "alerts": state.count}
    return rule.to_wire() | {"state": shown}


async def evaluate(recorder: Recorder, organization: str) -> list[Event]:
    """Evaluate every rule of an organization, and return the events of alerts triggered or resolved.

    The events are recorded and announced. The next evaluation repeats an announcement that failed.
    """
    rules, states = await recorder.alerts.standing(organization)
    # One after the other: every transition moves the same head, so concurrent ones would conflict.
    changed = [await _evaluated(recorder, organization, rule, states.get(rule.id)) for rule in rules]
    return [event for event in changed if event]


async def _evaluated(
    recorder: Recorder, organization: str, rule: AlertRule, state: AlertState | None
) -> Event | None:
    """Return one rule's transition.

    A rule that fails is logged and left for the next evaluation, so that the others are still evaluated.
    Raises transient errors, which are not the rule's fault.
    """
    try:
        return await _evaluate_rule(recorder, organization, rule, state or AlertState())
    except Exception as error:
        if is_transient(error):
            raise
        log.exception("the alert rule %s cannot be evaluated", rule.id)
        return None


async def _evaluate_rule(
    recorder: Recorder, organization: str, rule: AlertRule, state: AlertState
) -> Event | None:
    """Return one rule's transition.

    It is recorded only if nothing else was recorded since the metric was read, so that two concurrent
    evaluations cannot both trigger the alert.
    """
    if state.unannounced:
        await _announce(recorder, organization, rule, state)
    for _ in range(TRIES):
        seq = await recorder.records.head(organization)
        now = recorder.clock()
        value = await _measure(recorder, organization, rule, now)
        triggered = rule.enabled and is_triggered(rule, value, state.triggered)
        if triggered == state.triggered:
            return None
        event, moved = _transition(organization, rule, state, value, iso(now))
        kept = recorder.records.alert_write(organization, event["alert"], moved.count)
        writes = [*recorder.alerts.moves(organization, rule, moved), kept]
        try:
            await recorder.records.commit(organization, seq, [event], more=writes)
        except ConditionFailed as error:
            if 0 in error.items:
                continue  # events arrived in between, so measure again
            return None  # another process was faster, or the rule was changed; the next evaluation decides
        await _announce(recorder, organization, rule, moved)
        return event
    return None


async def _measure(recorder: Recorder, organization: str, rule: AlertRule, now: int) -> float | None:
    if rule.metric == "stuck_run":
        live = await recorder.records.live(organization)
        return value_of(rule, [], [subject.view for subject in live], now)
    first = bucket_start(now - rule.window) + 1  # leaves out a bucket that is partly too old
    found = await recorder.records.buckets(organization, first, now)
    return value_of(rule, found.values(), [], now)


def _transition(
    organization: str, rule: AlertRule, state: AlertState, value: float | None, at: str
) -> tuple[Event, AlertState]:
    on = not state.triggered
    moved = AlertState(
        triggered=on,
        count=state.count + on,
        version=state.version + 1,
        triggered_at=at if on else state.triggered_at,
    )
    kind = "alert:triggered" if on else "alert:resolved"
    event = {
        "id": f"{rule.id}:{moved.version}",
        "type": kind,
        "time": at,
        "organization": organization,
        "alert": alert_to_wire(rule, moved, value, at),
    }
    return event, replace(moved, unannounced=orjson.dumps(event).decode())


async def _announce(recorder: Recorder, organization: str, rule: AlertRule, state: AlertState) -> None:
    """Put the state's event on the bus for pipelines with the source `alert`: at least once, with one id.

    The state records the pending event, so it is not lost if this fails.
    """
    detail = state.unannounced or ""
    await recorder.bus.put([BusEvent(SOURCE, orjson.loads(detail)["type"], detail)])
    await recorder.alerts.announced(organization, rule.id, state)
