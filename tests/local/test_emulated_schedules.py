"""Schedules on one machine: the emulator, in its own environment, with a clock of the test's."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.ministack import ZONES

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
SECONDS_BETWEEN_LOOKS = 10
PLAY = """
import json, sys

from local import emulated_schedules, emulator

emulator.complete()
from ministack.services import eventbridge, scheduler

asked = json.loads(sys.argv[1])
fired = []


def invoke(target, event, schedule, view=None):
    if schedule["Name"] == "fails":
        raise ConnectionError("the queue is gone")
    fired.append([schedule["Name"], event["Time"], now])


eventbridge._invoke_target = invoke
for name, schedule in asked["schedules"].items():
    target = {"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "RoleArn": "arn:aws:iam::000000000000:role/r"}
    made = schedule | {"Target": target, "FlexibleTimeWindow": {"Mode": "OFF"}}
    assert scheduler._create_schedule(name, made)[0] == 200
    scheduler._schedules["default/" + name]["CreationDate"] = asked["from"]
now = asked["from"]
while now < asked["until"]:
    emulated_schedules.tick(now)
    now += asked["step"]
print(json.dumps(fired))
"""


def seconds(text: str) -> int:
    """Epoch seconds of a time of UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def play(
    begin: str, end: str, step: int = SECONDS_BETWEEN_LOOKS, **schedules: tuple[str, str]
) -> dict[str, list[str]]:
    """Return the times (UTC) at which each schedule was to fire, as its target is told; each must be
    noticed in time."""
    asked: dict[str, Any] = {
        "from": seconds(begin),
        "until": seconds(end),
        "step": step,
        "schedules": {
            name: {"ScheduleExpression": expression, "ScheduleExpressionTimezone": zone}
            for name, (expression, zone) in schedules.items()
        },
    }
    arguments, environment = [str(PYTHON), "-c", PLAY, json.dumps(asked)], {"PYTHONTZPATH": ZONES}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    reported: dict[str, list[str]] = {name: [] for name in schedules}
    for name, due, looked in json.loads(done.stdout):
        assert due <= looked < due + step
        reported[name].append(datetime.fromtimestamp(due, UTC).strftime("%m-%dT%H:%M:%S"))
    return reported


NINE = "cron(0 9 * * ? *)"
HALF_PAST_TWO = "cron(30 2 * * ? *)"
HALF_PAST_ONE = "cron(30 1 * * ? *)"
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def test_spring_moves_nine_o_clock_and_skips_what_no_clock_shows() -> None:
    reported = play(
        "2027-03-13T00:00",
        "2027-03-30T00:00",
        60,
        berlin=(NINE, BERLIN),
        new_york=(NINE, NEW_YORK),
        utc=(NINE, "UTC"),
        berlin_gap=(HALF_PAST_TWO, BERLIN),
        new_york_gap=(HALF_PAST_TWO, NEW_YORK),
    )
    days = range(13, 30)
    assert reported["berlin"] == [f"03-{day}T{8 if day < 28 else 7:02}:00:00" for day in days]
    assert reported["new_york"] == [f"03-{day}T{14 if day < 14 else 13}:00:00" for day in days]
    assert reported["utc"] == [f"03-{day}T09:00:00" for day in days]
    assert reported["berlin_gap"] == [f"03-{day}T0{1 if day < 28 else 0}:30:00" for day in days if day != 28]
    assert reported["new_york_gap"] == [
        f"03-{day}T0{7 if day < 14 else 6}:30:00" for day in days if day != 14
    ]


def test_autumn_moves_nine_o_clock_and_repeats_nothing() -> None:
    reported = play(
        "2027-10-30T00:00",
        "2027-11-09T00:00",
        60,
        berlin=(NINE, BERLIN),
        new_york=(NINE, NEW_YORK),
        berlin_twice=(HALF_PAST_TWO, BERLIN),
        new_york_twice=(HALF_PAST_ONE, NEW_YORK),
    )
    days = ["10-30", "10-31", *(f"11-0{n}" for n in range(1, 9))]
    assert reported["berlin"] == [f"{day}T0{7 if day < '10-31' else 8}:00:00" for day in days]
    assert reported["new_york"] == [f"{day}T{13 if day < '11-07' else 14}:00:00" for day in days]
    assert reported["berlin_twice"] == [f"{day}T0{0 if day <= '10-31' else 1}:30:00" for day in days]
    assert reported["new_york_twice"] == [f"{day}T0{5 if day <= '11-07' else 6}:30:00" for day in days]


def test_quarters_of_an_hour_that_clocks_show_twice_fire_once() -> None:
    """As AWS has it: what falls into the repeated hour does not repeat."""
    reported = play("2027-10-31T00:00", "2027-10-31T02:20", quarters=("cron(0/15 * * * ? *)", BERLIN))
    before = [f"10-31T00:{minute:02}:00" for minute in (15, 30, 45)]
    assert reported["quarters"] == [*before, "10-31T02:00:00", "10-31T02:15:00"]


def test_rates_know_no_zones() -> None:
    reported = play("2027-03-27T06:30", "2027-03-29T12:00", 60, daily=("rate(1 day)", BERLIN))
    assert reported["daily"] == ["03-28T06:30:00", "03-29T06:30:00"]


def test_at_expression_fires_once_at_the_time_of_its_zone() -> None:
    reported = play(
        "2027-07-01T00:00",
        "2027-07-01T16:00",
        60,
        berlin=("at(2027-07-01T09:00:00)", BERLIN),
        new_york=("at(2027-07-01T09:00:00)", NEW_YORK),
    )
    assert reported == {"berlin": ["07-01T07:00:00"], "new_york": ["07-01T13:00:00"]}


def test_rate_does_not_drift_and_a_broken_schedule_holds_up_no_other() -> None:
    reported = play(
        "2027-07-01T00:00:03",
        "2027-07-01T01:00",
        7,
        fails=("rate(1 minute)", "UTC"),
        nowhere=("cron(0 0 * * ? *)", "Nowhere/Land"),
        works=("rate(5 minutes)", "UTC"),
    )
    assert reported["works"] == [f"07-01T00:{minute:02}:03" for minute in range(5, 60, 5)]
    assert reported["nowhere"] == reported["fails"] == []


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
def test_year_of_mornings_has_one_each_day(zone: str) -> None:
    reported = play("2027-01-01T12:00", "2028-01-01T12:00", 1_800, morning=("cron(30 9 * * ? *)", zone))
    assert len(reported["morning"]) == 365
