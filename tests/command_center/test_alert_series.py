"""The metrics of rules over time, and their past alerts."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from millrace.api.command_center_app import create_app
from millrace.domain.access import Principal
from millrace.domain.alerts import AlertSettings
from millrace.domain.clock import iso
from millrace.services.command_center.alerts import AlertRules, evaluate
from millrace.services.command_center.record import Recorder, record
from millrace.services.command_center.series import MOST_POINTS
from millrace.settings import Settings
from tests.command_center.conftest import NOON, Clock
from tests.command_center.making import ended, started
from tests.command_center.test_alerts import made
from tests.command_center.viewing import get
from tests.serving import served
from tests.tokens import Issuer

MINUTE = 60_000
METRICS = "/api/command-center/metrics"


@pytest.fixture
def center(
    settings: Settings, recorder: Recorder, issuer: Issuer, organization: str
) -> Iterator[httpx.Client]:
    """The app by the test's clock."""
    with served(create_app(settings, recorder)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


def series(center: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = get(center, METRICS, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def failures(recorder: Recorder, organization: str, clock: Clock) -> None:
    """A minute in which nothing failed, one in which everything did, and one without runs."""
    for minute, failed in ((0, False), (1, True)):
        for number in range(3):
            at = NOON + minute * MINUTE + number * 10_000
            run = f"run_{minute}_{number}"
            await record(recorder, organization, [ended(organization, run, at, failed=failed)])
    clock.now = NOON + 3 * MINUTE


async def test_metric_is_what_the_rule_saw_at_each_time(
    recorder: Recorder, center: httpx.Client, organization: str, clock: Clock
) -> None:
    clock.now = NOON + 2 * MINUTE
    await failures(recorder, organization, clock)
    query = {"metric": "error_rate", "window": MINUTE, "from": iso(NOON), "to": iso(clock.now)}
    points = {one["time"]: one["value"] for one in series(center, **query)["points"]}
    assert points[iso(NOON + 30_000)] == 0
    assert points[iso(NOON + MINUTE + 10_000)] == pytest.approx(2 / 3), "one good run was not too old yet"
    assert points[iso(NOON + 2 * MINUTE)] == 1
    assert points[iso(NOON + 3 * MINUTE)] is None
    assert len(points) <= MOST_POINTS


async def test_metric_is_of_the_agents_asked_for(
    recorder: Recorder, center: httpx.Client, organization: str, clock: Clock
) -> None:
    await record(recorder, organization, [ended(organization, "run_1", failed=True)])
    await record(recorder, organization, [ended(organization, "run_2", agent="other")])
    clock.now = NOON + 30_000

    def last(agents: str) -> float | None:
        points = series(center, metric="error_rate", agentIds=agents)["points"]
        value: float | None = points[-1]["value"]
        return value

    assert [last(agents) for agents in ("echo", "other", "none", "")] == [1, 0, None, 0.5]


async def test_stuck_runs_are_known_of_now_only(
    recorder: Recorder, center: httpx.Client, organization: str, clock: Clock
) -> None:
    await record(recorder, organization, [started(organization, "run_1")])
    clock.now = NOON + MINUTE
    points = series(center, metric="stuck_run")["points"]
    assert points == [{"time": iso(clock.now), "value": 60}]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"metric": "luck"},
        {"metric": "cost", "window": "1"},
        {"metric": "cost", "window": "many"},
        {"metric": "cost", "from": "yesterday"},
        {"metric": "cost", "from": iso(NOON - 25 * 3_600_000)},
        {"metric": "cost", "from": iso(NOON), "to": iso(NOON - 1)},
        {"metric": "cost", "agentIds": "a" * 200},
    ],
)
def test_metric_that_cannot_be_told_is_refused(center: httpx.Client, query: dict[str, str]) -> None:
    assert get(center, METRICS, **query).status_code == 422


async def test_alerts_of_a_rule_are_kept_and_paged(
    recorder: Recorder, center: httpx.Client, organization: str, clock: Clock
) -> None:
    rule = await made(recorder, organization)
    for number in range(3):
        at = clock.now
        await record(recorder, organization, [ended(organization, f"run_{number}", at, failed=True)])
        await evaluate(recorder, organization)
        clock.now += 2 * MINUTE
        if number < 2:
            await evaluate(recorder, organization)
    path = f"/api/command-center/alerts/{rule.id}/history"
    whole = get(center, path).json()
    assert [one["id"] for one in whole["items"]] == [f"{rule.id}:{number}" for number in (3, 2, 1)]
    assert whole["nextCursor"] is None
    newest, *older = whole["items"]
    assert (newest["resolvedAt"], newest["resolvedValue"]) == (None, None)
    assert newest["triggeredAt"] == iso(NOON + 4 * MINUTE)
    assert [one["triggeredValue"] for one in whole["items"]] == [1, 1, 1]
    assert [one["resolvedAt"] for one in older] == [iso(NOON + 4 * MINUTE), iso(NOON + 2 * MINUTE)]
    page = get(center, path, limit=2).json()
    rest = get(center, path, limit=2, cursor=page["nextCursor"]).json()
    assert page["items"] + rest["items"] == whole["items"]


async def test_alerts_of_another_organizations_rule_are_not_found(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    settings = AlertSettings(name="Theirs", metric="cost", threshold=1)
    other = await AlertRules(recorder).create(Principal(f"{organization}-b", "user"), settings)
    answer = get(center, f"/api/command-center/alerts/{other.id}/history")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "alert_rule_not_found")
