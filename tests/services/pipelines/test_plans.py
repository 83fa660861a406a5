"""The pipelines that a process caches: current, and read again only after a change."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from millrace.services.pipelines import plans as plans_module
from millrace.services.pipelines.plans import Plans
from millrace.stores.dynamo import delete
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, pipeline, step


class Read:
    """The definitions that were read, and the calls that asked whether they have changed."""

    def __init__(self, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
        self.organizations: list[str] = []
        self.asked: list[list[str]] = []
        store = plant.context.pipelines
        everything, revisions = store.all, store.revisions

        async def all(organization: str) -> Any:
            self.organizations.append(organization)
            return await everything(organization)

        async def asking(organizations: list[str]) -> Any:
            self.asked.append(list(organizations))
            return await revisions(organizations)

        monkeypatch.setattr(store, "all", all)
        monkeypatch.setattr(store, "revisions", asking)


@pytest.fixture
def plans(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Plans:
    """Those of another process than the one that changes pipelines; no time passes for them, however busy
    the machine is."""
    for seconds in ("CACHE_SECONDS", "REREAD_SECONDS"):
        monkeypatch.setattr(plans_module, seconds, 3600.0)
    return Plans(plant.context.pipelines, plant.clock)


def changes(streaming: httpx.Client) -> list[Callable[[str], Any]]:
    other = pipeline(step("map", {"expression": {"m": "n"}}))
    return [
        lambda id: act(streaming, id, "start"),
        lambda id: streaming.put(f"/pipelines/{id}", json=other).raise_for_status(),
        lambda id: act(streaming, id, "pause"),
        lambda id: act(streaming, id, "resume"),
        lambda id: act(streaming, id, "stop"),
        lambda id: streaming.delete(f"/pipelines/{id}").raise_for_status(),
    ]


def test_change_of_any_kind_is_seen_at_once_and_nothing_else_is_read(
    streaming: httpx.Client, plant: Plant, plans: Plans, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known() -> Any:
        plant.clock.pass_time(1)
        return asyncio.run(plans.of(organization, plant.clock.now - 1))

    assert known() == {}
    id = streaming.post("/pipelines", json=pipeline()).json()["id"]
    for change in changes(streaming):
        assert known() == {one.id: one for one in asyncio.run(plant.context.pipelines.all(organization))}
        with monkeypatch.context() as patched:
            read = Read(plant, patched)
            assert known().keys() == {id}
        assert read.organizations == []
        assert read.asked == [[organization]]
        change(id)
    assert known() == {}


def test_hundred_organizations_are_reported_in_one_call(
    plant: Plant, plans: Plans, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{organization}-{number}" for number in range(150)]
    asyncio.run(plans.of_each(dict.fromkeys(names, plant.clock.now)))
    plant.clock.pass_time(10)
    read = Read(plant, monkeypatch)
    found = asyncio.run(plans.of_each(dict.fromkeys(names, plant.clock.now - 5)))
    assert found == {name: {} for name in names}
    assert read.organizations == []
    assert [len(asked) for asked in read.asked] == [100, 50]


def test_change_that_an_earlier_release_did_not_count_is_seen_within_a_minute(
    streaming: httpx.Client, plant: Plant, plans: Plans, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = streaming.post("/pipelines", json=pipeline()).json()["id"]
    assert id in asyncio.run(plans.of(organization, plant.clock.now - 1))
    table, key = plant.context.settings.pipelines_table, {"pk": organization, "sk": f"P#{id}"}
    asyncio.run(plant.context.dynamo.write(delete(table, key)))
    assert id in asyncio.run(plans.of(organization, plant.clock.now))
    monkeypatch.setattr(plans_module, "REREAD_SECONDS", 0.0)
    assert asyncio.run(plans.of(organization, plant.clock.now)) == {}
