"""A batch of rows has the same result as the same rows one by one."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url

from millrace.destinations import connections
from millrace.destinations.connections import Access, Databases
from millrace.destinations.results import Retry
from millrace.pipelines.event import Event
from millrace.stores.aws import Aws
from tests.destinations.sending import kinds
from tests.destinations.test_database import Database, database

__all__ = ["database"]

KEY = ["id", "day"]
COLUMNS = "id, day, cost, note, version, detail"
OPERATIONS: list[dict[str, Any]] = [
    {"operation": "insert"},
    {"operation": "insert", "conflictFields": KEY},
    {"operation": "upsert", "conflictFields": KEY},
    {"operation": "upsert", "conflictFields": KEY, "versionField": "version"},
    {"operation": "update", "conflictFields": KEY},
    {"operation": "update", "conflictFields": KEY, "versionField": "version"},
]
ROW = st.fixed_dictionaries(
    {"id": st.sampled_from([1, 2]), "day": st.sampled_from(["a", "b"])},
    optional={
        "cost": st.sampled_from([1, 2, 3.5, None, -1, "no number"]),  # -1 breaks the table's check
        "note": st.sampled_from(["x", "y", None, "too long for the column"]),
        "version": st.integers(1, 4),
        "detail": st.sampled_from([None, {"a": 1}, [1]]),
    },
)


def rows(database: Database) -> list[tuple[Any, ...]]:
    return sorted(database.rows(COLUMNS), key=str)


def write(database: Database, config: dict[str, Any], parts: list[list[dict[str, Any]]]) -> list[str]:
    sender = database.sender(**config)

    async def send() -> list[str]:
        found: list[str] = []
        for part in parts:
            found += kinds(await sender.send([Event(one, "e") for one in part], wait_for_slot))
        return found

    async def wait_for_slot(behind: int = 0) -> int:
        return 0

    return asyncio.run(send())


@pytest.mark.parametrize("config", OPERATIONS, ids=lambda one: "-".join(map(str, one.values())))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_rows=st.lists(ROW, min_size=1, max_size=8), cuts=st.sets(st.integers(1, 7), max_size=2))
def test_any_split_of_rows_gives_the_same_table(
    database: Database, config: dict[str, Any], given_rows: list[dict[str, Any]], cuts: set[int]
) -> None:
    ends = [0, *sorted(cut for cut in cuts if cut < len(given_rows)), len(given_rows)]
    parts = [given_rows[start:end] for start, end in pairwise(ends)]
    found = []
    for split in (parts, [[row] for row in given_rows]):
        database.run(f"delete from {database.table}")
        if config["operation"] == "update":
            database.run(f"insert into {database.table} (id, day, version) values (1, 'a', 2), (2, 'b', 1)")
        results = write(database, config, split)
        found.append((results, rows(database)))
    assert found[0] == found[1]


def test_upserts_of_different_columns_are_one_row(database: Database) -> None:
    key = {"id": 1, "day": "a"}
    given_rows = [key | {"cost": 2}, key | {"note": "n"}, key | {"version": 7}, key | {"cost": 3}]
    reported = write(database, OPERATIONS[2], [given_rows])
    assert reported == ["delivered"] * 4
    assert database.rows("cost, note, version") == [(3, "n", 7)]


def test_insert_with_conflict_fields_keeps_the_first(database: Database) -> None:
    key = {"id": 1, "day": "a"}
    write(database, OPERATIONS[1], [[key | {"note": "first"}, key | {"note": "second", "cost": 1}]])
    assert database.rows("note, cost") == [("first", None)]


def test_null_in_a_json_column_is_null(database: Database) -> None:
    write(database, OPERATIONS[0], [[{"id": 1, "detail": None}, {"id": 2, "detail": [None]}]])
    assert database.rows("detail is null") == [(True,), (False,)]


def test_rows_behind_one_that_has_to_come_again_wait_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LOCK_SECONDS", 0.05)
    sender = database.sender(**OPERATIONS[2])
    key = {"id": 1, "day": "a"}
    given_rows = [key | {"cost": 1}, key | {"note": "n"}, key | {"version": 1}]
    asyncio.run(
        sender.send([Event(given_rows[0], "e")], wait_for_slot=never_waits)
    )  # the table is known from here on
    if database.engine.dialect.name == "sqlite":
        with database.engine.connect() as other:
            other.exec_driver_sql("begin exclusive")
            sent = asyncio.run(
                sender.send([Event(one, "e") for one in given_rows], wait_for_slot=never_waits)
            )
        assert all(isinstance(result, Retry) for result in sent.results)
        assert (sent.succeeded, sent.failed) == (0, 1)


async def never_waits(behind: int = 0) -> int:
    return 0


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    databases = Databases(Access(loopback=True), Aws("eu-central-1"))
    yield Database(postgres_url, engine, databases)
    databases.close()
    engine.dispose()


TYPED = """
create table {name} (
    id integer primary key, tags text[], grid integer[][], times timestamp[], docs jsonb[], label varchar(20),
    host inet, ref uuid, span interval, at time, mood {name}_mood, pair point
)"""


@pytest.mark.postgres
@pytest.mark.filterwarnings("ignore:Did not recognize type")
@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        ("tags", ["a", 'b"c', "{d}", None], ["a", 'b"c', "{d}", None]),
        ("tags", [], []),
        ("grid", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ("docs", [{"a": [1]}], [{"a": [1]}]),
        ("host", "10.0.0.1", "10.0.0.1"),
        ("ref", "0f1b2c3d-0000-4000-8000-000000000001", "0f1b2c3d-0000-4000-8000-000000000001"),
        ("span", "1 day", "1 day, 0:00:00"),
        ("at", "10:20:30", "10:20:30"),
        ("mood", "fine", "fine"),
        ("pair", "(1,2)", "(1,2)"),
        ("pair", [1, 2], None),
        ("tags", "no list", None),
        ("grid", ["no number"], None),
        ("host", ["10.0.0.1"], None),
        ("host", {"a": 1}, None),
        ("ref", "no uuid", None),
        ("at", "soon", None),
        ("mood", "unknown", None),
        ("span", [1], None),
    ],
)
def test_postgresql_values_are_bound_rightly_or_refused(
    postgres: Database, column: str, value: Any, stored: Any
) -> None:
    name = f"{postgres.table}_typed"
    postgres.run(f"create type {name}_mood as enum ('fine', 'bad')")
    postgres.run(TYPED.format(name=name))
    postgres.table = name
    reported = write(postgres, {"operation": "insert"}, [[{"id": 1, column: value}, {"id": 2, "label": "x"}]])
    if stored is None:
        assert reported[0] in ("dead:invalid_value", "dead:invalid_row")
        assert reported[1] == "delivered"
    else:
        assert reported == ["delivered"] * 2
        found = postgres.rows(column)[0][0]
        assert (found if isinstance(stored, list) else str(found)) == stored
