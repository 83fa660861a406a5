"""The engine's simulator (crashes, repetitions, zombies) over the real store: a few seeds of each kind."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.event import Event
from millrace.pipelines.plan import Plan, compile_plan
from millrace.pipelines.state.store import Key
from millrace.services.pipelines.window_store import WindowStore
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.windows import WindowTable
from tests.aws import Aws
from tests.pipelines.simulator import Simulation, Worker
from tests.pipelines.test_windows_simulated import (
    SIZE,
    SLIDE,
    Result,
    batch,
    batch_is_wrong,
    expected_sessions,
    expected_windows,
    found_results,
    made_events,
    session,
    sliding,
    tumbling,
    workers,
)

__all__ = ["workers"]

SEEDS = range(3)
FAR = 4_000_000_000_000


class SimulatedStore(WindowStore):
    """The simulation's clock begins at 0, long before any TTL; others' registers are none of its business."""

    def __init__(self, table: WindowTable, organization: str) -> None:
        super().__init__(table)
        self._organization = organization

    def append(self, key: Key, blocks: list[bytes], expires: int) -> None:
        super().append(key, blocks, FAR)

    def write(self, key: Key, data: bytes, version: int, expires: int, due: int | None = None) -> bool:
        return super().write(key, data, version, FAR, due)

    def due(self, before: int, limit: int) -> list[tuple[int, Key]]:
        found = self.due_of(self._organization, "pipeline", 1_000)
        return [entry for entry in found if entry[0] < before][:limit]


@pytest.fixture
def table(aws_environment: Aws) -> Iterator[WindowTable]:
    clients = AwsClients(aws_environment.region)
    yield WindowTable(clients, aws_environment.tables["WindowsTable"])
    clients.close()


def simulate(
    definition: PipelineDefinition, workers: list[Worker], table: WindowTable, seed: int
) -> tuple[list[Event], Simulation]:
    organization = f"org-{uuid.uuid4().hex}"
    made: Plan = compile_plan(definition, organization, "pipeline")
    events, simulation = made_events(seed), Simulation(made, workers, seed)
    simulation.store.inner = SimulatedStore(table, organization)
    simulation.run(list(events))
    return events, simulation


def windows(size: int, slide: int) -> Callable[[list[Event]], Result]:
    return lambda events: expected_windows(events, size, slide)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("made", "expect"),
    [(tumbling, windows(SIZE, SIZE)), (sliding, windows(SIZE, SLIDE)), (session, expected_sessions)],
)
def test_windows_are_exact_on_dynamodb(
    made: Callable[[], Plan],
    expect: Callable[[list[Event]], Result],
    seed: int,
    workers: list[Worker],
    table: WindowTable,
) -> None:
    events, simulation = simulate(made().definition, workers, table, seed)
    assert found_results(simulation.sink) == expect(events)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_item_is_in_exactly_one_batch_on_dynamodb(
    seed: int, workers: list[Worker], table: WindowTable
) -> None:
    events, simulation = simulate(batch().definition, workers, table, seed)
    assert not batch_is_wrong(events, simulation.sink)
