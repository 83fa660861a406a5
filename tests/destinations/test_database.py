"""Rows in real databases: PostgreSQL and SQLite."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from millrace.destinations.connections import Access, Databases
from millrace.destinations.database import DatabaseSender
from millrace.destinations.results import Dead, SendReport
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.pipelines.event import Event
from millrace.stores.aws import Aws
from tests.destinations.sending import always, event, kinds

_TABLE = """
create table {name} (
    id integer not null,
    day varchar(20) not null default 'today',
    cost float,
    version integer,
    note varchar(20),
    at timestamp null,
    detail {json},
    done boolean,
    primary key (id, day),
    check (cost >= 0)
)"""
_names = (f"metrics_{n}" for n in itertools.count())


def row(**payload: Any) -> Event:
    return Event(payload, "e")


class Database:
    """A database under test; `url` is what a user would write."""

    def __init__(self, url: str, engine: Engine, databases: Databases) -> None:
        self.url = url
        self.engine = engine
        self.databases = databases
        self.table = next(_names)
        json = "jsonb" if engine.dialect.name == "postgresql" else "json"
        self.run(_TABLE.format(name=self.table, json=json))

    def run(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def rows(self, columns: str = "id, cost") -> list[tuple[Any, ...]]:
        with self.engine.begin() as connection:
            found = connection.execute(text(f"select {columns} from {self.table} order by id"))
            return [tuple(row) for row in found]

    def sender(self, operation: str = "insert", **config: Any) -> DatabaseSender:
        given = {"table": self.table, "operation": operation, "connection": self.url} | config
        return DatabaseSender(DatabaseConfig.model_validate(given), "acme", self.databases)

    async def send(self, events: list[Event], operation: str = "insert", **config: Any) -> SendReport:
        return await self.sender(operation, **config).send(events, always)

    async def upsert(self, *events: Event, **config: Any) -> SendReport:
        return await self.send(list(events), "upsert", conflictFields=["id", "day"], **config)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database with a table, seen in UTC."""
    plain = make_url(url)
    drivers = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
    kind = plain.get_backend_name()
    is_mysql = kind == "mysql"
    engine = create_engine(
        plain.set(drivername=drivers.get(kind, kind), query={} if is_mysql else plain.query),
        connect_args={"init_command": "SET time_zone = '+00:00'"} if is_mysql else {},
    )
    databases = Databases(Access(loopback=True), Aws("eu-central-1"))
    yield Database(url, engine, databases)
    databases.close()
    engine.dispose()


SERVERS = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/test.db" if is_file else request.getfixturevalue(f"{request.param}_url")
    with opened(str(url)) as made:
        yield made


async def test_rows_are_inserted_as_the_columns_want_them(database: Database) -> None:
    sent = await database.send(
        [row(id=1, cost=1.5, note="a", at="2026-01-02T03:04:05Z", detail={"a": [1]}, done=True)]
    )
    assert kinds(sent) == ["delivered"]
    ((id, cost, note, at, detail, done),) = database.rows("id, cost, note, at, detail, done")
    assert (id, cost, note, bool(done)) == (1, 1.5, "a", True)
    assert str(at).startswith("2026-01-02 03:04:05")
    assert str(detail).replace("'", '"').replace(" ", "") == '{"a":[1]}'


async def test_time_in_milliseconds_is_a_time(database: Database) -> None:
    await database.send([row(id=1, at=1_767_323_045_000)])
    assert str(database.rows("at")[0][0]).startswith("2026-01-02 03:04:05")


async def test_columns_that_are_left_out_keep_their_default(database: Database) -> None:
    await database.send([row(id=1), row(id=2, day="other")])
    assert database.rows("day") == [("today",), ("other",)]


async def test_unknown_column_is_refused_not_dropped(database: Database) -> None:
    sent = await database.send([row(id=1), row(id=2, colour="red"), row(id=3)])
    assert kinds(sent) == ["delivered", "dead:unknown_column", "delivered"]
    assert isinstance(sent.results[1], Dead)
    assert "colour" in sent.results[1].failure.message
    assert len(database.rows()) == 2


async def test_column_that_was_added_meanwhile_is_known(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace.destinations.database.UNKNOWN_SECONDS", 0.0)
    assert kinds(await database.send([row(id=1)])) == ["delivered"]
    database.run(f"alter table {database.table} add colour varchar(10)")
    assert kinds(await database.send([row(id=2, colour="red")])) == ["delivered"]
    assert database.rows("id, colour") == [(1, None), (2, "red")]


@pytest.mark.parametrize(
    "wrong", [{"cost": "much"}, {"done": 1}, {"at": "soon"}, {"note": "a\x00b"}, {"version": 1.5}]
)
async def test_value_that_does_not_fit_is_refused(database: Database, wrong: dict[str, Any]) -> None:
    if database.engine.dialect.name == "mysql" and wrong == {"done": 1}:
        wrong = {"done": "yes"}  # its booleans are numbers
    sent = await database.send([row(id=1), Event({"id": 2, **wrong}, "e2")])
    assert kinds(sent) == ["delivered", "dead:invalid_value"]


async def test_row_that_the_database_refuses_is_found_and_the_others_are_written(
    database: Database,
) -> None:
    events = [row(id=n, cost=-1 if n in (4, 40) else n) for n in range(50)]
    sent = await database.send(events)
    assert [n for n, kind in enumerate(kinds(sent)) if kind == "dead:invalid_row"] == [4, 40]
    assert len(database.rows()) == 48
    assert sent.failed == 0


async def test_upsert_writes_the_last_row_of_each_key(database: Database) -> None:
    first = await database.upsert(*(row(id=n % 3, day="d", cost=n) for n in range(10)))
    assert kinds(first) == ["delivered"] * 10
    assert database.rows() == [(0, 9), (1, 7), (2, 8)]
    await database.upsert(row(id=1, day="d", cost=100), row(id=5, day="d", cost=5))
    assert database.rows() == [(0, 9), (1, 100), (2, 8), (5, 5)]


async def test_upsert_keeps_the_columns_that_an_event_leaves_out(database: Database) -> None:
    await database.upsert(row(id=1, day="d", cost=1, note="kept"))
    await database.upsert(row(id=1, day="d", cost=2))
    assert database.rows("cost, note") == [(2, "kept")]


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
async def test_stale_version_never_wins(database: Database, order: tuple[int, ...]) -> None:
    for version in (*order, *order):
        sent = await database.upsert(
            row(id=1, day="d", cost=version, version=version), versionField="version"
        )
        assert kinds(sent) == ["delivered"]
    assert database.rows("cost, version") == [(3, 3)]


async def test_stale_version_does_not_win_within_a_batch_either(database: Database) -> None:
    events = [row(id=1, day="d", cost=v, version=v) for v in (1, 3, 2)]
    await database.upsert(*events, versionField="version")
    assert database.rows("cost") == [(3,)]


async def test_stale_update_changes_nothing(database: Database) -> None:
    await database.send([row(id=1, day="d", cost=5, version=5)])
    for version, cost in ((4, 4), (6, 6), (5, 5)):
        sent = await database.send(
            [row(id=1, day="d", cost=cost, version=version)],
            "update",
            conflictFields=["id", "day"],
            versionField="version",
        )
        assert kinds(sent) == ["delivered"]
    assert database.rows("cost, version") == [(6, 6)]


async def test_update_makes_no_rows(database: Database) -> None:
    await database.send([row(id=1, day="d", cost=1)], "update", conflictFields=["id", "day"])
    assert database.rows() == []


async def test_insert_with_conflict_fields_is_written_once(database: Database) -> None:
    for cost in (1, 2):
        sent = await database.send([row(id=1, day="d", cost=cost)], "insert", conflictFields=["id", "day"])
        assert kinds(sent) == ["delivered"]
    assert database.rows() == [(1, 1)]


async def test_insert_is_written_once_where_the_table_keeps_the_events_id(database: Database) -> None:
    database.run(f"create table {database.table}_log (millrace_id varchar(64) primary key, cost float)")
    for _ in range(2):
        sent = await database.send(
            [event("a", cost=1), event("b", cost=2)], "insert", table=f"{database.table}_log"
        )
        assert kinds(sent) == ["delivered"] * 2
    with database.engine.begin() as connection:
        found = connection.execute(text(f"select millrace_id from {database.table}_log order by 1"))
        assert [row[0] for row in found] == ["a", "b"]


async def test_upsert_without_a_unique_key_is_refused(database: Database) -> None:
    sent = await database.send([row(id=1, cost=1)], "upsert", conflictFields=["cost"])
    assert kinds(sent) == ["dead:no_unique_key"]


async def test_row_without_its_key_is_refused(database: Database) -> None:
    assert kinds(await database.upsert(row(id=1), row(id=1, day="d"))) == [
        "dead:incomplete",
        "delivered",
    ]


async def test_unknown_table_is_refused(database: Database) -> None:
    assert kinds(await database.send([row(id=1)], table="nowhere")) == ["dead:unknown_table"]


async def test_names_and_values_are_never_read_as_sql(database: Database) -> None:
    note = "'; drop table x; --"
    await database.send([row(id=1, note=note)])
    assert database.rows("note") == [(note,)]
    sent = await database.send([row(id=2)], table=f'{database.table}"; drop table x; --')
    assert kinds(sent) == ["dead:unknown_table"]
    sent = await database.send([Event({"id": 2, 'note") values (1); --': 1}, "e")])
    assert kinds(sent) == ["dead:unknown_column"]


async def test_key_out_of_range_is_the_rows_fault(database: Database) -> None:
    sent = await database.send([Event({"id": 2**70}, "big"), row(id=1)])
    assert kinds(sent) == ["dead:invalid_value", "delivered"]


@pytest.mark.postgres
async def test_serialization_conflict_is_tried_again(postgres_url: str) -> None:
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    databases = Databases(Access(loopback=True), Aws("eu-central-1"))
    database = Database(postgres_url, engine, databases)
    database.run(
        f"""
        create sequence {database.table}_tries;
        create function {database.table}_refuse() returns trigger language plpgsql as $$
        begin
            if nextval('{database.table}_tries') < 3 then
                raise exception 'could not serialize' using errcode = '40001';
            end if;
            return new;
        end $$;
        create trigger refuse before insert on {database.table}
            for each row execute function {database.table}_refuse()"""
    )
    assert kinds(await database.send([row(id=1)])) == ["delivered"]
    assert len(database.rows()) == 1
    databases.close()
    engine.dispose()


@pytest.mark.postgres
async def test_concurrent_upserts_leave_the_newest(postgres_url: str) -> None:
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    databases = Databases(Access(loopback=True), Aws("eu-central-1"))
    database = Database(postgres_url, engine, databases)
    sender = database.sender("upsert", conflictFields=["id", "day"], versionField="version")

    def write(start: int) -> None:
        for version in range(start, 60, 4):
            sender._write([row(id=n, day="d", cost=version, version=version) for n in (1, 2, 3)])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert database.rows("cost, version") == [(59, 59)] * 3
    databases.close()
    engine.dispose()


@pytest.mark.postgres
async def test_database_that_is_down_is_tried_again_and_says_no_password(postgres_url: str) -> None:
    url = make_url(postgres_url)
    assert url.port
    closed = url.set(port=1).render_as_string(hide_password=False)
    wrong = url.set(password="another-password").render_as_string(hide_password=False)
    databases = Databases(Access(loopback=True), Aws("eu-central-1"))
    for bad in (closed, wrong):
        config = DatabaseConfig.model_validate({"table": "t", "connection": bad})
        sent = await DatabaseSender(config, "acme", databases).send([row(id=1)], always)
        assert kinds(sent) == ["retry:unreachable"]
        assert sent.failed == 1
        assert "password" not in repr(sent).replace("password authentication failed", "")
    databases.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:pw@127.0.0.1:5432/x",
        "postgresql://u:pw@localhost:5432/x",
        "postgresql://u:pw@169.254.169.254:5432/x",
        "postgresql://u:pw@10.0.0.1/x",
        "mysql://u:pw@192.168.0.1:3306/x",
        "postgresql://u:pw@[::1]/x",
        "postgresql://u:pw@2130706433/x",
        "postgresql://u:pw@0177.0.0.1/x",
        "postgresql://u:pw@[::ffff:127.0.0.1]/x",
        "postgresql://u:pw@1.1.1.1:22/x",
        "postgresql://u:pw@1.1.1.1/x?sslmode=disable",
        "postgresql://u:pw@1.1.1.1/x?hostaddr=127.0.0.1",
        "postgresql://u:pw@1.1.1.1/x?host=/tmp",
        "postgresql://u:pw@1.1.1.1/x?sslkey=/etc/passwd",
        "postgresql:///x",
        "sqlite:////etc/passwd",
        "oracle://u:pw@1.1.1.1/x",
        "dsql://u:pw@1.1.1.1/x",
        "nonsense",
    ],
)
async def test_forbidden_addresses_are_refused(url: str) -> None:
    databases = Databases(Access(), Aws("eu-central-1"))
    secret = DatabaseConfig.model_validate({"table": "t", "connection": "${secrets.URL}"})
    config = secret.model_copy(update={"connection": url})  # what is written out is checked before
    sent = await DatabaseSender(config, "acme", databases).send([row(id=1)], always)
    assert kinds(sent)[0].startswith("dead:"), sent
    assert "pw" not in repr(sent)
    databases.close()
