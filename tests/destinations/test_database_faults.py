"""A bad row affects no other, whatever error the server reports; sessions are the same on every server."""

import threading
from typing import Any

import pytest

from millrace.destinations.results import Dead
from millrace.pipelines.event import Event
from tests.destinations.sending import kinds
from tests.destinations.test_database import Database, database, opened, row

__all__ = ["database"]

ROWS = 20
BAD = 7


@pytest.fixture
def postgres(postgres_url: str) -> Any:
    with opened(postgres_url) as made:
        yield made


@pytest.fixture
def mariadb(mariadb_url: str) -> Any:
    with opened(mariadb_url) as made:
        yield made


async def check_one_refused(database: Database, bad: dict[str, Any], table: str = "") -> str:
    """Sends a bad row among good ones; returns what was said of it."""
    events = [row(id=n, note="fine") for n in range(ROWS)]
    events[BAD] = Event({"id": BAD, "note": "fine"} | bad, "bad")
    sent = await database.send(events, table=table or database.table)
    reported = kinds(sent)
    assert [n for n, kind in enumerate(reported) if kind != "delivered"] == [BAD]
    assert reported[BAD] == "dead:invalid_row"
    assert len(database.rows()) == ROWS - 1
    assert (sent.succeeded, sent.failed) == (1, 0), "a bad row must not open the circuit"
    result = sent.results[BAD]
    assert isinstance(result, Dead)
    return result.failure.message


POSTGRESQL = {
    "raise": """
        create function {t}_no() returns trigger language plpgsql as $$ begin
            if new.note = 'bad' then raise exception 'not this one'{code}; end if; return new;
        end $$;
        create trigger no before insert on {t} for each row execute function {t}_no()""",
    "policy": """
        alter table {t} enable row level security;
        alter table {t} force row level security;
        create policy fine on {t} using (true) with check (note <> 'bad');
        grant all on {t} to plain""",
    "index": """
        create function {t}_long(note text) returns text language sql immutable as $$
            select case when note = 'bad' then string_agg(md5(n::text), '') else note end
            from generate_series(1, 500) n
        $$;
        create index on {t} ({t}_long(note))""",
    "division": "alter table {t} add check (1 / (case when note = 'bad' then 0 else 1 end) = 1)",
    "deferred": """
        create table {t}_known (note varchar(20) primary key); insert into {t}_known values ('fine');
        alter table {t} add foreign key (note) references {t}_known deferrable initially deferred""",
}


@pytest.mark.postgres
@pytest.mark.parametrize("code", ["", " using errcode = 'XX000'", " using errcode = '42501'"])
async def test_row_that_a_trigger_of_postgresql_refuses_harms_no_other(postgres: Database, code: str) -> None:
    postgres.run(POSTGRESQL["raise"].format(t=postgres.table, code=code))
    assert "not this one" in await check_one_refused(postgres, {"note": "bad"})


@pytest.mark.postgres
@pytest.mark.parametrize("what", ["index", "division", "deferred"])
async def test_row_that_postgresql_refuses_harms_no_other(postgres: Database, what: str) -> None:
    postgres.run(POSTGRESQL[what].format(t=postgres.table))
    await check_one_refused(postgres, {"note": "bad"})


@pytest.mark.postgres
async def test_row_that_a_policy_refuses_harms_no_other(postgres: Database, postgres_url: str) -> None:
    postgres.run(
        "do $$ begin create role plain login password 'plain'; exception when others then null; end $$"
    )
    postgres.run(POSTGRESQL["policy"].format(t=postgres.table))
    address = postgres_url.split("@")[1]
    postgres.url = f"postgresql://plain:plain@{address}"
    said = await check_one_refused(postgres, {"note": "bad"})
    assert "row-level security" in said


@pytest.mark.mariadb
async def test_row_that_a_trigger_of_mysql_refuses_harms_no_other(mariadb: Database) -> None:
    mariadb.run(
        f"create trigger {mariadb.table}_no before insert on {mariadb.table} for each row if new.note = 'bad'"
        " then signal sqlstate '45000' set message_text = 'not this one'; end if"
    )
    assert "1644" in await check_one_refused(mariadb, {"note": "bad"})


@pytest.mark.mariadb
@pytest.mark.filterwarnings("ignore:Did not recognize type")
async def test_rows_that_mysql_refuses_with_any_code_harm_no_other(mariadb: Database) -> None:
    mariadb.run(
        f"alter table {mariadb.table} add double_cost float as (cost * 2), add place point,"
        " add small tinyint, add plain varchar(10) character set latin1"
    )
    refused: dict[int, dict[str, Any]] = {
        1906: {"double_cost": 3},  # a generated column
        1416: {"place": "no point"},
        1264: {"small": 1000},
        1366: {"plain": "日本"},
        1406: {"note": "x" * 21},
    }
    for code, bad in refused.items():
        mariadb.run(f"delete from {mariadb.table}")
        assert str(code) in await check_one_refused(mariadb, bad), code


@pytest.mark.mariadb
async def test_row_without_a_needed_column_harms_no_other(mariadb: Database) -> None:
    mariadb.run(f"alter table {mariadb.table} modify note varchar(20) not null")
    events = [row(id=n, note="fine") for n in range(ROWS)] + [row(id=99)]
    sent = await mariadb.send(events)
    assert kinds(sent) == ["delivered"] * ROWS + ["dead:invalid_row"]
    assert sent.failed == 0
    assert isinstance(sent.results[-1], Dead)
    assert "1364" in sent.results[-1].failure.message


@pytest.mark.mariadb
async def test_row_outside_of_a_view_harms_no_other(mariadb: Database) -> None:
    view = f"{mariadb.table}_view"
    mariadb.run(f"create view {view} as select * from {mariadb.table} where note <> 'bad' with check option")
    assert "1369" in await check_one_refused(mariadb, {"note": "bad"}, view)


@pytest.mark.mariadb
async def test_row_that_ends_the_connection_comes_again_alone(mariadb: Database) -> None:
    """A row beyond max_allowed_packet: the server hangs up, which looks as if it were down."""
    mariadb.run(f"alter table {mariadb.table} modify note longtext")
    mariadb.run("set global max_allowed_packet = 1048576")
    events = [row(id=n, note="fine") for n in range(ROWS)]
    events[BAD] = row(id=BAD, note="x" * 2_000_000)
    sent = await mariadb.send(events)
    reported = kinds(sent)
    mariadb.run("set global max_allowed_packet = 16777216")
    assert [n for n, kind in enumerate(reported) if kind != "delivered"] == [BAD]
    assert reported[BAD] in ("retry:unreachable", "dead:invalid_row")
    assert sent.failed == 0


async def test_names_with_a_percent_sign_are_names(database: Database) -> None:
    quote = database.engine.dialect.identifier_preparer.quote_identifier
    name = f"{database.table}%s"
    database.engine.connect().close()
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            f"create table {quote(name)} ({quote('id')} integer primary key, {quote('share%')} float,"
            f" {quote('%(x)s')} integer, {quote('a:b.c')} integer)"
        )
    for share in (1, 2):
        event = Event({"id": 1, "share%": share, "%(x)s": 3, "a:b.c": 4}, "e")
        sent = await database.send([event], "upsert", table=name, conflictFields=["id"])
        assert kinds(sent) == ["delivered"], sent
    sent = await database.send(
        [Event({"id": 1, "share%": 5}, "e")],
        "update",
        table=name,
        conflictFields=["id"],
        versionField="share%",
    )
    assert kinds(sent) == ["delivered"], sent
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql(f"select * from {quote(name)}").all() == [(1, 5, 3, 4)]


@pytest.mark.mariadb
async def test_times_are_stored_in_utc_on_a_server_that_is_elsewhere(mariadb: Database) -> None:
    await mariadb.send([row(id=1, at="2026-01-02T12:00:00Z")])
    assert mariadb.rows("unix_timestamp(at)") == [(1_767_355_200,)]


@pytest.mark.postgres
async def test_sessions_of_postgresql_are_in_utc(postgres: Database) -> None:
    postgres.run(f"alter table {postgres.table} add shown text default now()::timestamptz::text")
    postgres.run(f"alter table {postgres.table} add zone text default current_setting('timezone')")
    await postgres.send([row(id=1)])
    ((shown, zone),) = postgres.rows("shown, zone")
    assert (shown[-3:], zone) == ("+00", "UTC")


@pytest.mark.mariadb
async def test_text_that_is_too_long_is_never_cut_off(mariadb: Database) -> None:
    sent = await mariadb.send([row(id=1, note="x" * 30)])
    assert kinds(sent) == ["dead:invalid_row"]


KEYS = "create table {t}_keys (id integer primary key, mail varchar(40) not null unique, plan varchar(10))"


@pytest.mark.parametrize("operation", ["upsert", "insert"])
async def test_another_unique_key_never_overwrites_another_row(database: Database, operation: str) -> None:
    database.run(KEYS.format(t=database.table))
    database.table += "_keys"
    given: Any = {"operation": operation, "conflictFields": ["id"]}
    first = row(id=1, mail="a@x", plan="one")
    assert kinds(await database.send([first], **given)) == ["delivered"]
    rest = [
        row(id=2, mail="a@x", plan="two"),
        row(id=3, mail="c@x", plan="three"),
        row(id=1, mail="a@x", plan="four"),
    ]
    reported = kinds(await database.send(rest, **given))
    assert reported == ["dead:invalid_row", "delivered", "delivered"]
    kept = "four" if operation == "upsert" else "one"
    assert database.rows("id, mail, plan") == [(1, "a@x", kept), (3, "c@x", "three")]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
async def test_stale_version_never_wins_beside_another_unique_key(
    database: Database, order: tuple[int, ...]
) -> None:
    database.run(KEYS.format(t=database.table).replace("plan", "version integer, plan"))
    database.table += "_keys"
    rows = [row(id=n % 2, mail=f"{n % 2}@x", plan=str(v), version=v) for v in order for n in (0, 1)]
    sent = await database.send(rows, "upsert", conflictFields=["id"], versionField="version")
    assert kinds(sent) == ["delivered"] * 6
    assert database.rows("id, plan, version") == [(0, "3", 3), (1, "3", 3)]


@pytest.mark.mariadb
async def test_counting_key_beside_the_unique_one_needs_one_statement_only(mariadb: Database) -> None:
    mariadb.run(
        f"create table {mariadb.table}_c (id integer auto_increment primary key,"
        " agent varchar(20) not null unique, runs integer)"
    )
    mariadb.table += "_c"
    for runs in (1, 2):
        sent = await mariadb.send([row(agent="a", runs=runs)], "upsert", conflictFields=["agent"])
        assert kinds(sent) == ["delivered"]
    assert mariadb.rows("agent, runs") == [("a", 2)]


@pytest.mark.parametrize(
    ("column", "versions", "reported"),
    [
        ("integer", ["9", "10"], "delivered"),
        ("integer", [9, "10"], "delivered"),
        ("numeric(40, 0)", [9, "10"], "delivered"),
        ("varchar(40)", ["09", "10"], "delivered"),
        ("varchar(40)", [9, 10], "dead:invalid_value"),
        ("integer", ["v9", "v10"], "dead:invalid_value"),
        ("double precision", ["9007199254740992", "9007199254740993"], "dead:invalid_value"),
    ],
)
async def test_version_is_compared_rightly_or_refused(
    database: Database, column: str, versions: list[Any], reported: str
) -> None:
    database.run(f"create table {database.table}_v (id integer primary key, plan varchar(10), v {column})")
    database.table += "_v"
    for number, version in enumerate(versions):
        event = row(id=1, plan=str(number), v=version)
        sent = await database.send([event], "upsert", conflictFields=["id"], versionField="v")
        assert kinds(sent) == [reported]
    assert database.rows("plan") == ([("1",)] if reported == "delivered" else [])


@pytest.mark.mariadb
@pytest.mark.parametrize("unique", ["", " unique"])
async def test_concurrent_upserts_of_mysql_leave_the_newest(mariadb: Database, unique: str) -> None:
    """In one statement, and in two where another unique key is beside."""
    mariadb.run(
        f"create table {mariadb.table}_n (id integer primary key, mail varchar(20) not null{unique},"
        " version integer)"
    )
    mariadb.table += "_n"
    sender = mariadb.sender("upsert", conflictFields=["id"], versionField="version")
    reported: list[str] = []

    def write(start: int) -> None:
        for version in range(start, 40, 4):
            rows = [row(id=n, mail=f"{n}@x", version=version) for n in (1, 2, 3)]
            reported.extend(kinds(sender._write(rows)))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert reported == ["delivered"] * 120
    assert mariadb.rows("id, version") == [(n, 39) for n in (1, 2, 3)]
