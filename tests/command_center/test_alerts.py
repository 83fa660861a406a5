"""Alerts: triggered once and resolved once, whatever arrives late or twice."""

import asyncio
import random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.access import Principal
from millrace.domain.alerts import AlertRule, AlertSettings, is_triggered
from millrace.domain.alerts_metrics import Bucket, bucket_of, count, value_of
from millrace.domain.command_center import center_stream
from millrace.domain.events import Event
from millrace.errors import Unavailable
from millrace.services.command_center.alerts import AlertRules, evaluate
from millrace.services.command_center.record import Recorder, record
from millrace.stores.bus import BusEvent
from tests.command_center.conftest import NOON, Clock
from tests.command_center.making import ended, run_event, started, whole_run
from tests.command_center.viewing import get

SECOND = 1000


def rule(**given: object) -> AlertSettings:
    settings = {"name": "A rule", "metric": "error_rate", "threshold": 0.5, "window": 60_000} | given
    return AlertSettings.model_validate(settings)


async def made(recorder: Recorder, organization: str, **given: object) -> AlertRule:
    return await AlertRules(recorder).create(Principal(organization, "user"), rule(**given))


async def alerts_of(recorder: Recorder, organization: str) -> list[Event]:
    logged = await recorder.records.log.read(center_stream(organization))
    return [one.event for one in logged if one.type.startswith("alert:")]


async def test_alert_triggers_once_and_resolves_once(
    recorder: Recorder, organization: str, clock: Clock
) -> None:
    await made(recorder, organization)
    for n in range(3):
        failed = ended(organization, f"run_{n}", clock.now, failed=True)
        await record(recorder, organization, [failed])
        await evaluate(recorder, organization)
    clock.now += 20 * SECOND
    for n in range(3, 9):
        await record(recorder, organization, [ended(organization, f"run_{n}", clock.now)])
        await evaluate(recorder, organization)
    found = await alerts_of(recorder, organization)
    assert [event["type"] for event in found] == ["alert:triggered", "alert:resolved"]
    first, second = (event["alert"] for event in found)
    assert first["id"] == second["id"]
    assert (first["value"], first["state"], first["resolvedAt"]) == (1.0, "triggered", None)
    assert second["value"] < 0.45
    assert second["resolvedAt"] == found[1]["time"]


async def test_rules_and_states_are_one_read(
    recorder: Recorder, organization: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made for each organization and minute, and for each batch of its events."""
    on, _ = await made(recorder, organization), await made(recorder, organization, threshold=0.9)
    await record(recorder, organization, [ended(organization, "run_1", clock.now, failed=True)])
    await evaluate(recorder, organization)
    expected = await recorder.alerts.rules(organization), await recorder.alerts.states(organization)
    assert on.id in expected[1]
    dynamo = recorder.alerts._dynamo
    query, reads = dynamo.query, list[str]()

    async def counting(table: str, condition: str, **values: Any) -> Any:
        reads.append(table)
        return await query(table, condition, **values)

    monkeypatch.setattr(dynamo, "query", counting)
    assert await recorder.alerts.standing(organization) == expected
    assert reads == [recorder.alerts.table]


async def test_late_and_repeated_events_do_not_trigger_again(
    recorder: Recorder, organization: str, clock: Clock
) -> None:
    await made(recorder, organization, metric="cost", threshold=1.2)
    runs = [whole_run(organization, f"run_{n}", clock.now - 30 * SECOND) for n in range(3)]
    events = [event for run in runs for event in run]
    shuffled = random.Random(5).sample(events * 3, len(events) * 3)
    for at in range(0, len(shuffled), 7):
        await record(recorder, organization, shuffled[at : at + 7])
        await evaluate(recorder, organization)
    clock.now += 300 * SECOND
    await evaluate(recorder, organization)
    await record(recorder, organization, whole_run(organization, "late", NOON - 30 * SECOND))
    await evaluate(recorder, organization)
    assert [event["type"] for event in await alerts_of(recorder, organization)] == [
        "alert:triggered",
        "alert:resolved",
    ]


async def test_two_who_look_at_once_trigger_one_alert(recorder: Recorder, organization: str) -> None:
    await made(recorder, organization)
    await record(recorder, organization, [ended(organization, "run_1", failed=True)])
    await asyncio.gather(*(evaluate(recorder, organization) for _ in range(6)))
    assert [event["type"] for event in await alerts_of(recorder, organization)] == ["alert:triggered"]


async def test_announcement_that_failed_is_made_up_for(
    recorder: Recorder, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(recorder, organization)
    await record(recorder, organization, [ended(organization, "run_1", failed=True)])
    put: list[BusEvent] = []

    async def down(events: list[BusEvent]) -> None:
        raise Unavailable("The bus is down.")

    async def up(events: list[BusEvent]) -> None:
        put.extend(events)

    monkeypatch.setattr(recorder.bus, "put", down)
    with pytest.raises(Unavailable):
        await evaluate(recorder, organization)
    monkeypatch.setattr(recorder.bus, "put", up)
    for _ in range(2):
        await evaluate(recorder, organization)
    assert [(event.source, event.kind) for event in put] == [("millrace.alert", "alert:triggered")]
    assert len(await alerts_of(recorder, organization)) == 1


async def test_rule_made_anew_under_its_id_goes_on_counting_its_alerts(
    recorder: Recorder, organization: str
) -> None:
    rules, caller = AlertRules(recorder), Principal(organization, "user")
    await record(recorder, organization, [ended(organization, "run_1", failed=True)])
    for _ in range(3):
        await rules.create(caller, rule(), "mine")
        assert (await rules.get(caller, "mine"))["state"]["triggered"] is False
        await evaluate(recorder, organization)
        await rules.delete(caller, "mine")
    found = await alerts_of(recorder, organization)
    assert [event["alert"]["id"] for event in found] == ["mine:1", "mine:2", "mine:3"]
    assert len({event["id"] for event in found}) == 3


async def test_stuck_run_is_noticed_and_its_end_resolves_it(
    recorder: Recorder, organization: str, clock: Clock
) -> None:
    await made(recorder, organization, metric="stuck_run", threshold=10)
    await record(recorder, organization, [started(organization, "run_1")])
    clock.now += 5 * SECOND
    assert await evaluate(recorder, organization) == []
    clock.now += 6 * SECOND
    (triggered,) = await evaluate(recorder, organization)
    assert triggered["alert"]["value"] == 11
    await record(recorder, organization, [ended(organization, "run_1", clock.now)])
    (resolved,) = await evaluate(recorder, organization)
    assert resolved["type"] == "alert:resolved"


def filled(events: list[Event], now: int = NOON) -> list[Bucket]:
    buckets: dict[int, Bucket] = {}
    for event in events:
        start = bucket_of(event, now)
        if start is not None:
            count(buckets.setdefault(start, {}), event)
    return list(buckets.values())


@pytest.mark.parametrize(
    ("metric", "value"),
    [("error_rate", 0.25), ("cost", 2.0), ("tokens", 40), ("latency_p95", pytest.approx(4000, rel=0.03))],
)
def test_metrics_are_what_they_say(metric: str, value: float) -> None:
    runs = [whole_run("org", f"run_{n}", failed=n == 3, ms=n * 1000 + 1000) for n in range(4)]
    buckets = filled([event for run in runs for event in run], NOON + 10_000)
    assert value_of(rule(metric=metric), buckets, [], NOON) == value


def test_unknown_costs_and_durations_are_no_zeros() -> None:
    call: dict[str, Any] = {"model": "m", "tokens": {"input": 3, "output": 7}}
    unpriced = run_event("org", "run_1", 2, "llm_call", cost=None, **call)
    lost = ended("org", "run_1", failed=True) | {"durationMs": None}
    buckets = filled([unpriced, lost])
    assert value_of(rule(metric="cost"), buckets, [], NOON) is None
    assert value_of(rule(metric="latency_p95"), buckets, [], NOON) is None
    assert value_of(rule(metric="tokens"), buckets, [], NOON) == 10
    priced = run_event("org", "run_2", 2, "llm_call", cost=0.5, **call)
    assert value_of(rule(metric="cost"), filled([unpriced, priced]), [], NOON) == 0.5
    assert value_of(rule(metric="cost"), filled([ended("org", "run_3")]), [], NOON) == 0.0


def test_rule_for_some_agents_sees_only_theirs() -> None:
    buckets = filled([ended("org", "run_1", agent="one", failed=True), ended("org", "run_2", agent="two")])
    assert value_of(rule(agentIds=["two"]), buckets, [], NOON) == 0
    assert value_of(rule(agentIds=["three"]), buckets, [], NOON) is None


def test_backpressure_is_the_highest_that_was_told() -> None:
    reported = [run_event("org", "pipe", n, "x") for n in (1, 2)]
    events = [
        event | {"type": "pipeline:backpressure", "backpressure": level}
        for event, level in zip(reported, (0.9, 0.4), strict=True)
    ]
    assert value_of(rule(metric="backpressure"), filled(events), [], NOON) == 0.9


@given(st.lists(st.floats(0.46, 0.5), min_size=1, max_size=20))
def test_metric_that_hovers_below_the_threshold_does_not_flap(values: list[float]) -> None:
    assert all(is_triggered(rule(), value, triggered=True) for value in values)
    assert not any(is_triggered(rule(), value, triggered=False) for value in values)


@pytest.mark.parametrize(
    ("given_rule", "value", "triggered", "on"),
    [
        (rule(op="lt", threshold=10), 9, False, True),
        (rule(op="lt", threshold=10), 10.5, True, True),
        (rule(op="lt", threshold=10), 11.5, True, False),
        (rule(metric="cost", op="gte", threshold=10), 10, False, True),
        (rule(threshold=0), 0, True, False),
        (rule(metric="cost", threshold=10, resolveThreshold=2), 3, True, True),
        (rule(metric="cost", threshold=10, resolveThreshold=2), 2, True, False),
        (rule(), None, True, False),
    ],
)
def test_crossing_and_settling(
    given_rule: AlertSettings, value: float | None, triggered: bool, on: bool
) -> None:
    assert is_triggered(given_rule, value, triggered) == on


def test_rules_are_made_read_changed_and_deleted(center: httpx.Client) -> None:
    base = "/api/command-center/alerts"
    given = {"name": "Costs", "metric": "cost", "threshold": 5, "agentIds": ["one"]}
    made = center.post(base, json=given)
    assert made.status_code == 201
    path = made.headers["location"]
    assert center.get(path).json()["state"] == {"triggered": False, "triggeredAt": None, "alerts": 0}
    changed = center.patch(path, json={"threshold": 7}).json()
    assert (changed["threshold"], changed["agentIds"]) == (7, ["one"])
    assert [item["id"] for item in center.get(base).json()["items"]] == [changed["id"]]
    assert center.delete(path).status_code == 204
    for response in (center.get(path), center.delete(path), center.patch(path, json={})):
        assert (response.status_code, response.json()["error"]["code"]) == (404, "alert_rule_not_found")


@pytest.mark.parametrize(
    "wrong",
    [
        {"metric": "luck"},
        {"threshold": -1},
        {"window": 5},
        {"resolveThreshold": 6},
        {"extra": 1},
        {"op": "!="},
    ],
)
def test_rule_that_makes_no_sense_is_refused(center: httpx.Client, wrong: dict[str, object]) -> None:
    given = {"name": "Costs", "metric": "cost", "threshold": 5} | wrong
    response = center.post("/api/command-center/alerts", json=given)
    assert response.status_code == 422
    assert response.json()["error"]["fields"]


async def test_rule_of_another_organization_is_not_found(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    other = await made(recorder, f"{organization}-b")
    assert get(center, f"/api/command-center/alerts/{other.id}").status_code == 404


async def test_snapshot_tells_which_alerts_are_on(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    mine = await made(recorder, organization)
    await record(recorder, organization, [ended(organization, "run_1", failed=True)])
    await evaluate(recorder, organization)
    seen = get(center, "/api/command-center/snapshot").json()
    assert [alert["ruleId"] for alert in seen["alerts"]] == [mine.id]
