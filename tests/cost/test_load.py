"""The AWS limits that a load reaches, compared with the real functions and the docs."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.api.conversation_app import create_app
from millrace.cost import __main__ as command
from millrace.cost import load, usage
from millrace.cost.bill import bill, total
from millrace.cost.load import Load, needs, queue_concurrency
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.api.conftest import issuer, keys_url, organization, settings
from tests.bench._metering import Meter, counting, hooked
from tests.cost.test_cost import aws
from tests.serving import served
from tests.tokens import Issuer

__all__ = ["aws", "issuer", "keys_url", "organization", "settings"]

ROOT = Path(__file__).parents[2]
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


def keys_of(model: Any, params: dict[str, Any]) -> list[tuple[str, str]]:
    """The tables and partitions that a call writes to."""
    requests = [params]
    if model.name == "TransactWriteItems":
        requests = [one for item in params["TransactItems"] for kind, one in item.items()]
    return [(one["TableName"], (one.get("Key") or one["Item"])["pk"]["S"]) for one in requests]


def test_runs_of_an_organization_share_one_partition_with_the_counted_units(
    settings: Settings, issuer: Issuer, organization: str
) -> None:
    """The number of its runs is limited by what all of them write to."""
    written: list[set[tuple[str, str]]] = []
    in_runs: list[int] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        keys = keys_of(model, params)
        written[-1].update(keys)
        twice = 2 if model.name == "TransactWriteItems" else 1
        in_runs[-1] += twice * sum(key == (settings.runs_table, organization) for key in keys)

    hooks = [(f"before-parameter-build.dynamodb.{name}", note) for name in WRITES]
    with hooked(*hooks), talking(settings, issuer, organization) as client:
        for number in range(3):
            written.append(set())
            in_runs.append(0)
            _ask(client, f"c{number}")
    assert set.intersection(*written) == {(settings.runs_table, organization)}
    assert in_runs == [load.RUNS_UNITS] * 3


def test_tables_take_at_most_the_counted_part_of_a_turn(
    settings: Settings, issuer: Issuer, organization: str
) -> None:
    units: Counter[str] = Counter()

    def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name in WRITES:
            found = parsed["ConsumedCapacity"]
            for one in found if isinstance(found, list) else [found]:
                units[one["TableName"]] += one["CapacityUnits"]

    with hooked(("after-call.dynamodb", note)), counting(Meter()):
        with talking(settings, issuer, organization) as client:
            _ask(client, "c1")
    assert max(units.values()) <= load.TABLE_PART * sum(units.values())


def test_events_in_batches_cost_what_the_docs_say() -> None:
    row = re.search(r"webhooks of 40 events, filter, map.*\*\*([\d.]+)\*\*", _docs("pipelines/cost.md"))
    assert row
    assert total(bill(usage.of_batches(1e6), free=False)) == pytest.approx(float(row[1]), rel=0.2)


def test_scarcest_need_comes_first_and_grows_with_the_load() -> None:
    small, large = (Load(streams=count, organizations=10) for count in (100, 100_000))
    assert all(need.part <= 1 for need in needs(small))
    parts = [need.part for need in needs(large)]
    assert parts == sorted(parts, reverse=True)
    assert parts[0] > 1
    assert queue_concurrency(large) == pytest.approx(1000 * queue_concurrency(small))
    assert large.dollars() == pytest.approx(1000 * small.dollars())


@pytest.mark.parametrize(
    "arguments", re.findall(r"millrace\.cost (--(?:streams|rate).*)", (ROOT / "docs/scale.md").read_text())
)
def test_docs_show_what_the_command_prints(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments.split()) == 0
    assert capsys.readouterr().out in _docs("scale.md")


@pytest.mark.parametrize("given", [["--seconds", "0"], ["--organizations", "0"]])
def test_load_that_cannot_be_is_refused(given: list[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--streams", "1", *given])


@contextmanager
def talking(settings: Settings, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with served(create_app(settings, Platform.make(settings))) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=60) as client:
            yield client


def _ask(client: httpx.Client, conversation: str) -> None:
    body = {"agentId": "echo", "content": "hi"}
    client.post(f"/api/conversations/{conversation}/messages", json=body).raise_for_status().json()


def _docs(name: str) -> str:
    return (ROOT / "docs" / name).read_text()
