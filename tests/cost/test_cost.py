"""`python -m millrace.cost`: its counts against the real functions, the template and the docs."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.ministack import MiniStack
from local.template import Template, read_template
from millrace.api.conversation_app import create_app
from millrace.cost import __main__ as command
from millrace.cost import usage
from millrace.cost.bill import bill, together, total
from millrace.cost.prices import FREE, UNITS
from millrace.cost.usage import Resting, at_rest, of_events, of_turns, of_viewers
from millrace.services.command_center import view
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.api.conftest import issuer, keys_url, organization, settings
from tests.aws import TEMPLATE, Aws, deployed
from tests.bench._metering import Meter, counting, hooked
from tests.invoking import CONTEXT
from tests.serving import served
from tests.test_template_alarms import ALARMS, USUAL, metrics
from tests.tokens import Issuer

__all__ = ["issuer", "keys_url", "organization", "settings"]

ROOT = Path(__file__).parents[2]
CLOSE = 1.35
"""A count of the table may be so much above what was counted: batches differ."""


@pytest.fixture(scope="module")
def aws(ministack: MiniStack, template: Template) -> Aws:
    """An account where nothing is that other tests have left."""
    return deployed(ministack, template, f"{os.getpid():012d}")


def test_stack_at_rest_costs_less_than_a_dollar_with_the_templates_defaults() -> None:
    template = read_template(TEMPLATE)
    defaults = {name: one.get("Default") for name, one in template.body["Parameters"].items()}
    resources = template.body["Resources"]
    mappings = template.of_type("AWS::Lambda::EventSourceMapping")
    assert mappings["NotifyTasksFunctionQueue"]["Enabled"]["Fn::If"][0] == "HasPushNotifications"
    assert mappings["RecordFunctionTraceQueue"]["Enabled"]["Fn::If"][0] == "HasTraces"
    off = {name for name, default in defaults.items() if default == "false"}
    assert {"PushNotifications", "CreateDashboard", "DetailedAlarms", "Tracing"} <= off
    polled = {name for name, one in resources.items() if one["Type"] == "AWS::Lambda::EventSourceMapping"}
    assert defaults["OtlpEndpoint"] == defaults["OtlpSecretArn"] == ""
    polled -= {"NotifyTasksFunctionQueue", "RecordFunctionTraceQueue", "ChangeStreamMapping"}
    counted = Resting(
        queues=len(polled),
        dead_letter_queues=len([one for one in template.of_type("AWS::SQS::Queue") if "Dead" in one]),
        alarm_metrics=sum(metrics(ALARMS[name]) for name in USUAL),
        dashboards=0,
        keys=len(template.of_type("AWS::KMS::Key")),
    )
    assert counted == Resting()
    assert total(bill(at_rest(counted))) < 1.00


def test_each_schedule_is_counted() -> None:
    """A schedule costs at rest; a further one must be added to the table."""
    resources = read_template(TEMPLATE).body["Resources"]
    scheduled = [
        name
        for name, one in resources.items()
        if one["Type"] == "AWS::Events::Rule" and "ScheduleExpression" in one["Properties"]
    ]
    own = {name for name in scheduled if resources[name]["Properties"].get("State") is None}
    assert own == {"RecordTickRule", "SweepFunctionMinute"}


def test_viewer_who_never_sleeps_costs_less_than_nine_dollars() -> None:
    resources = read_template(TEMPLATE).body["Resources"]
    function = resources["CommandCenterFunction"]["Properties"]
    assert function["MemorySize"] == usage.VIEWER_GB * 1024
    assert function["Timeout"] == usage.VIEWER_SECONDS
    assert view.SLOW_POLL == usage.VIEWER_POLL_SECONDS
    assert total(bill(of_viewers(1, 730), free=False)) < 9.00


@contextmanager
def metered() -> Iterator[tuple[Meter, list[int]]]:
    """A meter, and how many entries each call to the bus had, but for progress: a slow machine tells more."""
    entries: list[int] = []

    def count(params: dict[str, Any], **_: Any) -> None:
        entries.append(sum(one["DetailType"] != "run:progress" for one in params["Entries"]))

    with hooked(("provide-client-params.events.PutEvents", count)), counting(meter := Meter()):
        yield meter, entries


def test_turn_costs_what_the_table_says(settings: Settings, issuer: Issuer, organization: str) -> None:
    with metered() as (meter, entries):
        platform = Platform.make(settings)
        with served(create_app(settings, platform)) as url:
            with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=60) as client:
                _turn(client, "hi")  # the first one of a process reads more

                def count(text: str) -> tuple[float, ...]:
                    meter.clear()
                    entries.clear()
                    _turn(client, text)
                    return meter.write_units, meter.read_units, sum(entries)

                table = (usage.TURN["write_units"], usage.TURN["read_units"], usage.TURN["bus_events"])
                least = _least(lambda: count("hi"), table)
                for expected, counted in zip(table, least, strict=True):
                    _assert_close(expected, counted)
                most = usage.TOKEN_WRITE_UNITS * 498 + least[0]
                (written,) = _least(lambda: count("word " * 500)[:1], (most,))
                _assert_close(usage.TOKEN_WRITE_UNITS, (written - least[0]) / 498)


def _least(count: Callable[[], tuple[float, ...]], table: tuple[float, ...]) -> tuple[float, ...]:
    """Return the least of several counts, which is what a turn costs by itself.

    A slow machine writes the tokens of a run more often, repeats events whose first request took too long,
    and counts the end of a turn with the next one. So count until no number is above the table, at most ten
    times.
    """
    least = count()
    for _ in range(9):
        if all(one <= expected for one, expected in zip(least, table, strict=True)):
            break
        least = tuple(map(min, least, count()))
    return least


def _turn(client: httpx.Client, text: str) -> None:
    body = {"agentId": "echo", "content": text}
    assert client.post("/api/conversations/c1/messages", json=body).raise_for_status().json()


def _assert_close(table: float, counted: float) -> None:
    assert counted <= table <= counted * CLOSE


@pytest.fixture
def handler(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    from tests.services.pipelines.processing import test_functions as functions

    def load(name: str, logical_id: str) -> Any:
        monkeypatch.setitem(functions.LOGICAL_IDS, name, logical_id)
        return functions.handler_of(name, aws_environment, monkeypatch)

    return load


def test_minute_at_rest_costs_what_the_table_says(
    handler: Callable[[str, str], Any], aws_environment: Aws
) -> None:
    sent: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        sent.append(params["QueueUrl"])

    with hooked(("provide-client-params.sqs.SendMessageBatch", note)), counting(meter := Meter()):
        record, sweep = handler("record", "RecordFunction"), handler("sweep", "SweepFunction")
        tick = json.loads((ROOT / "events/record/tick.json").read_text())
        record(tick, CONTEXT)
        sweep({}, CONTEXT)
    checks = aws_environment.environment("RecordFunction")["RECORD_QUEUE_URL"]
    assert sent == [checks], "the checks between two ticks are sent together"
    assert meter.read_units <= usage.TICK["read_units"] * 2, "the other tests here have made organizations"
    assert meter.write_units == 0


def test_recorded_event_costs_what_the_table_says(handler: Callable[[str, str], Any]) -> None:
    with counting(meter := Meter()):
        record = handler("record", "RecordFunction")
        text = (ROOT / "events/record/run.json").read_text().replace("acme", f"acme-{time.time_ns()}")
        batch = json.loads(text)
        record(batch, CONTEXT)
        events = len(batch["Records"])
    assert meter.write_units / events <= usage.RECORDED["write_units"] * 1.5
    assert meter.read_units / events <= usage.RECORDED["read_units"]


def test_free_tier_is_deducted_once() -> None:
    used = together([of_turns(1e6, 500, 10), at_rest()])
    difference = total(bill(used, free=False)) - total(bill(used))
    most = sum(amount * UNITS[name][1] for name, amount in FREE.items())
    assert 0 < difference <= most
    assert total(bill(of_turns(0, 500, 10))) == 0


@pytest.mark.parametrize("more", [{"turns": 2e4}, {"tokens": 1000}, {"seconds": 20}])
def test_more_of_anything_costs_more(more: dict[str, float]) -> None:
    given = {"turns": 1e4, "tokens": 500.0, "seconds": 10.0}
    assert total(bill(of_turns(**given | more), False)) > total(bill(of_turns(**given), False))
    assert total(bill(of_events(2), False)) == pytest.approx(2 * total(bill(of_events(1), False)))


def test_command_says_what_each_part_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--turns", "10,000", "--viewers", "1"]) == 0
    said = capsys.readouterr().out
    for part in ("at rest", "turns", "viewers", "Lambda", "DynamoDB", "together"):
        assert part in said
    assert command.main(["--idle"]) == 0
    assert "turns" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["--turns", "-1"])


def figures() -> dict[str, str]:
    """The sentences of README and docs/deploy.md that name a price."""
    rest, without = total(bill(at_rest())), total(bill(at_rest(), free=False))
    thousand = of_turns(1000, 500, 10)
    parts = bill(thousand, free=False)
    return {
        "rest": f"${rest:.2f} a month",
        "without": f"${without:.2f}",
        "lambda": f"${parts['Lambda']:.2f}",
        "together": f"${total(parts):.2f} per 1,000 runs",
        "viewer": f"${total(bill(of_viewers(1, 730), free=False)):.2f}",
        "events": f"${total(bill(of_events(1e6), free=False)):.0f}",
    }


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("README.md", ("rest", "lambda", "together")),
        ("docs/deploy.md", ("rest", "without", "lambda", "together", "viewer", "events")),
    ],
)
def test_docs_say_what_the_command_says(path: str, names: tuple[str, ...]) -> None:
    text = re.sub(r"\s+", " ", (ROOT / path).read_text())
    for name in names:
        assert figures()[name] in text, (name, figures()[name])
