"""Limits on an organization's resources hold for concurrent requests."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from millrace.domain.alerts import AlertRule
from millrace.domain.pipelines import Pipeline
from millrace.errors import Conflict, MillraceError
from millrace.stores import alerts, pipelines
from millrace.stores.alerts import AlertStore
from millrace.stores.dynamo import Dynamo
from millrace.stores.pipelines import PipelineStore
from tests.aws import Aws
from tests.strict_aws import StrictAws

MOST, AT_ONCE = 4, 12
TIME = "2027-01-15T08:00:00.000Z"
Create = Callable[[str, str], Coroutine[Any, Any, None]]


class Store:
    """One of the stores: how to create something in it, and what there is then."""

    def __init__(self, create: Create, count: Callable[[str], Coroutine[Any, Any, int]], full: str) -> None:
        self.create, self.count, self.full = create, count, full


@pytest.fixture(params=["alerts", "pipelines"])
def store(
    request: pytest.FixtureRequest, aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    clients = StrictAws(aws_environment.region)
    monkeypatch.setattr(alerts, "MAX_RULES", MOST)
    monkeypatch.setattr(pipelines, "MAX_PIPELINES", MOST)
    if request.param == "alerts":
        yield of_alerts(AlertStore(clients, aws_environment.tables["AlertsTable"]))
    else:
        yield of_pipelines(PipelineStore(Dynamo(clients), aws_environment.tables["PipelinesTable"]))
    clients.close()


def of_alerts(store: AlertStore) -> Store:
    async def create(organization: str, id: str) -> None:
        rule = {"name": "n", "metric": "cost", "threshold": 1, "window": 60_000}
        rule |= {"id": id, "createdAt": TIME, "updatedAt": TIME}
        await store.create(organization, AlertRule.model_validate(rule))

    async def count(organization: str) -> int:
        return len(await store.rules(organization))

    return Store(create, count, "too_many_rules")


def of_pipelines(store: PipelineStore) -> Store:
    async def create(organization: str, id: str) -> None:
        definition = {"name": "n", "source": {"type": "agent_execution"}, "transforms": []}
        made = Pipeline(id=id, definition=definition, created_at=TIME, updated_at=TIME, state_since=TIME)
        await store.create(organization, made, [])

    async def count(organization: str) -> int:
        return len(await store.all(organization))

    return Store(create, count, "too_many_pipelines")


async def outcome(work: Coroutine[Any, Any, None]) -> str:
    try:
        await work
    except MillraceError as error:
        return error.code
    return "created"


async def test_creations_at_once_do_not_pass_the_limit(store: Store) -> None:
    organization = f"org-{uuid.uuid4().hex[:12]}"
    outcomes = await asyncio.gather(
        *(outcome(store.create(organization, f"one-{n}")) for n in range(AT_ONCE))
    )
    assert Counter(outcomes) == {"created": MOST, store.full: AT_ONCE - MOST}
    assert await store.count(organization) == MOST


async def test_id_that_is_taken_is_a_conflict_and_no_contention(store: Store) -> None:
    organization = f"org-{uuid.uuid4().hex[:12]}"
    await store.create(organization, "one")
    with pytest.raises(Conflict):
        await store.create(organization, "one")
    assert await store.count(organization) == 1
