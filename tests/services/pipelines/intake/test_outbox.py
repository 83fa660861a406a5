"""The outbox of a real PostgreSQL: nothing is lost, whoever polls and whatever dies."""

import asyncio
import multiprocessing
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from millrace.errors import InvalidRequest, Unavailable
from millrace.services.pipelines.intake.change_capture import Capture, CaptureSettings
from millrace.services.pipelines.intake.outbox import database_url, drain_outbox
from millrace.stores.aws import Aws as AwsClients
from tests.aws import Aws
from tests.fakes.fixtures import postgres_url
from tests.services.pipelines.intake.capturing import DIED, SeenBus, die_after_bus, seen_bus

__all__ = ["postgres_url"]

SQL = Path(__file__).parents[4] / "docs" / "pipelines" / "outbox.sql"
Connection = psycopg.Connection[Any]
TABLE = """
CREATE TABLE orders (id int PRIMARY KEY, tenant text, total numeric, data jsonb);
CREATE TRIGGER capture AFTER INSERT OR UPDATE OR DELETE ON orders
FOR EACH ROW EXECUTE FUNCTION millrace_capture('tenant', 'id');
"""


@pytest.fixture
def bus(aws_environment: Aws) -> Iterator[SeenBus]:
    with seen_bus(aws_environment) as made:
        yield made


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """The URL of a database of the test's own, with the outbox of the documentation and a table."""
    name = f"outbox_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = postgres_url.replace("/postgres?", f"/{name}?")
        with psycopg.connect(url) as connection:
            connection.execute(SQL.read_bytes())
            connection.execute(TABLE)
        yield url
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def drain(bus: SeenBus, url: str, rows: int = 100) -> int:
    return asyncio.run(drain_outbox(bus.changes(), url, time.monotonic() + 30, rows))


def insert(connection: Connection, *ids: int, tenant: str | None = "acme") -> None:
    for id in ids:
        connection.execute("INSERT INTO orders VALUES (%s, %s, 1.10, '{}')", (id, tenant))


def ids(bus: SeenBus) -> list[int]:
    """Of the orders that came, as often as they came."""
    return [detail["keys"]["id"] for detail in bus.details()]


def test_changes_are_told_once_with_both_images_exactly(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as application:
        insert(application, 1)
        application.execute(
            """UPDATE orders SET total = 12345678901234567890.123, data = '{"n": [1, 2.5]}'"""
        )
        application.execute("DELETE FROM orders")
    assert (drain(bus, database), drain(bus, database)) == (3, 0)
    inserted, updated, deleted = bus.details()
    old = {"id": 1, "tenant": "acme", "total": 1.10, "data": {}}
    new = old | {"total": "12345678901234567890.123", "data": {"n": [1, 2.5]}}
    assert (inserted["operation"], inserted["old"], inserted["new"]) == ("insert", None, old)
    assert (updated["operation"], updated["old"], updated["new"]) == ("update", old, new)
    assert (deleted["operation"], deleted["old"], deleted["new"]) == ("delete", new, None)
    assert {one["organization"] for one in (inserted, updated, deleted)} == {"acme"}
    assert {one["table"] for one in (inserted, updated, deleted)} == {"orders"}
    assert inserted["keys"] == {"id": 1}
    assert inserted["sequence"] < updated["sequence"] < deleted["sequence"]


def test_rolled_back_row_is_never_delivered(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as application:
        insert(application, 1)
        application.rollback()
    assert drain(bus, database) == 0


def test_rows_that_are_committed_out_of_the_order_of_their_ids_all_come(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as slow, psycopg.connect(database) as fast:
        insert(slow, 1)
        insert(fast, 2)
        fast.commit()
        drain(bus, database)
        assert ids(bus) == [2]
        slow.commit()
        drain(bus, database)
        assert ids(bus) == [1]


def test_crash_between_bus_and_commit_sends_again_with_the_same_ids(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as application:
        insert(application, *range(5))
    arguments = (bus.clients.region, bus.name, bus.dead_letters_url, database)
    dying = multiprocessing.get_context("spawn").Process(target=die_after_bus, args=arguments)
    dying.start()
    dying.join(60)
    assert dying.exitcode == DIED
    first = bus.details(5)
    assert drain(bus, database) == 5
    assert bus.details() == first
    assert drain(bus, database) == 0


def test_two_pollers_share_the_rows_and_take_each_once(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as application:
        insert(application, *range(200))

    async def both() -> list[int]:
        until = time.monotonic() + 60
        polls = (drain_outbox(bus.changes(), database, until, rows=7) for _ in range(2))
        return await asyncio.gather(*polls)

    counts = asyncio.run(both())
    while (more := drain(bus, database)) > 0:  # where one met only rows that the other had, it ended early
        counts.append(more)
    assert sum(counts) == 200
    assert min(counts[:2]) > 0
    assert sorted(ids(bus)) == list(range(200))


def test_poll_ends_with_its_time(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as application:
        insert(application, 1)
    assert asyncio.run(drain_outbox(bus.changes(), database, time.monotonic() - 1)) == 0
    assert drain(bus, database) == 1


def test_row_that_moves_leaves_one_organization_and_comes_to_the_other(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as application:
        insert(application, 1)
        application.execute("UPDATE orders SET tenant = 'zeta'")
        application.execute("UPDATE orders SET tenant = NULL")
        application.execute("UPDATE orders SET total = 3")
    drain(bus, database)
    found = [(one["organization"], one["operation"]) for one in bus.details()]
    assert found == [("acme", "insert"), ("acme", "delete"), ("zeta", "insert"), ("zeta", "delete")]


def test_rows_that_cannot_be_events_are_letters_and_hold_up_nothing(bus: SeenBus, database: str) -> None:
    deep = "[" * 500 + "]" * 500
    with psycopg.connect(database) as application:
        insert(application, 1, tenant="no organization")
        application.execute("INSERT INTO orders VALUES (2, 'acme', 1, %s)", (deep,))
        insert(application, 3)
    assert drain(bus, database) == 3
    assert ids(bus) == [3]
    dead_letters = bus.dead_letters()
    assert [dead_letter["code"] for dead_letter in dead_letters] == ["organization_missing", "invalid_event"]
    assert '"tenant": "no organization"' in dead_letters[0]["new"]


def test_images_that_are_too_large_stay_where_they_are(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as application:
        insert(application, 1)
        application.execute("UPDATE orders SET data = jsonb_build_object('x', repeat('x', 2000000))")
    drain(bus, database)
    _, update = bus.details()
    assert (update["leftOut"], update["new"], update["old"]["id"]) == (["new"], None, 1)


@pytest.mark.parametrize(
    "moment", ["infinity", "-infinity", "0044-03-15 BC", "12000-01-01", "9999-12-31 23:59:59.9999"]
)
def test_row_of_a_time_that_no_event_can_have_holds_up_nothing(
    bus: SeenBus, database: str, moment: str
) -> None:
    with psycopg.connect(database) as owner:
        insert(owner, 1)
        owner.execute("UPDATE millrace_outbox SET changed_at = %s", (moment,))
        insert(owner, 2)
    assert drain(bus, database) == 2
    if moment.startswith("9999"):
        assert sorted(ids(bus)) == [1, 2]
        return
    assert ids(bus) == [2]
    (dead_letter,) = bus.dead_letters()
    assert (dead_letter["code"], dead_letter["time"]) == ("invalid_time", None)
    assert '"id": 1' in dead_letter["new"]


@pytest.mark.parametrize("column", ["tenant", "id"])
@pytest.mark.parametrize(
    "change",
    ["INSERT INTO orders VALUES (2, 'acme')", "UPDATE orders SET total = 2", "DELETE FROM orders"],
)
def test_change_of_a_table_whose_columns_were_renamed_fails_and_says_why(
    bus: SeenBus, database: str, column: str, change: str
) -> None:
    with psycopg.connect(database) as application:
        insert(application, 1)
        application.execute(sql.SQL("ALTER TABLE orders RENAME {} TO renamed").format(sql.Identifier(column)))
        application.commit()
        with pytest.raises(psycopg.errors.UndefinedColumn, match=f"orders has no column {column}"):
            application.execute(change)
        application.rollback()
    drain(bus, database)
    assert ids(bus) == [1]


def test_trigger_without_columns_and_truncate_are_refused(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "CREATE TABLE plain (id int); CREATE TRIGGER capture AFTER INSERT ON plain"
            " FOR EACH ROW EXECUTE FUNCTION millrace_capture();"
            " CREATE TRIGGER no_truncate BEFORE TRUNCATE ON orders"
            " FOR EACH STATEMENT EXECUTE FUNCTION millrace_capture('tenant', 'id')"
        )
        for statement in ("INSERT INTO plain VALUES (1)", "TRUNCATE orders"):
            with pytest.raises(psycopg.errors.RaiseException, match="millrace_capture: "):
                owner.execute(statement)


def test_row_whose_key_changes_leaves_and_comes(bus: SeenBus, database: str) -> None:
    """Else a copy would keep it under the old key for ever."""
    with psycopg.connect(database) as application:
        insert(application, 1)
        application.execute("UPDATE orders SET id = 2")
    drain(bus, database)
    found = [(one["operation"], one["keys"]["id"]) for one in bus.details()]
    assert found == [("insert", 1), ("delete", 1), ("insert", 2)]


def test_outbox_is_brought_up_to_date_by_running_its_file_again(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as owner:
        insert(owner, 1)
        owner.execute(SQL.read_bytes())
        insert(owner, 2)
    drain(bus, database)
    assert ids(bus) == [1, 2]


def test_row_whose_keys_fill_more_than_a_message_holds_up_nothing(bus: SeenBus, database: str) -> None:
    with psycopg.connect(database) as owner:
        owner.execute(
            "INSERT INTO millrace_outbox (organization, table_name, operation, keys) VALUES"
            " ('acme', 'orders', 'insert', jsonb_build_object('k', repeat('ü', 199000)))"
        )
        insert(owner, 3)
    assert drain(bus, database) == 2
    assert ids(bus) == [3]
    (dead_letter,) = bus.dead_letters()
    assert (dead_letter["code"], dead_letter["keys"], dead_letter["table"]) == ("too_large", None, "orders")


def test_application_can_neither_write_the_outbox_nor_borrow_its_trigger(database: str) -> None:
    """Else it could speak for organizations whose rows it may not write."""
    role = f"application_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(database, autocommit=True) as owner:
        name = sql.Identifier(role)
        owner.execute(sql.SQL("CREATE ROLE {}; GRANT CREATE ON SCHEMA public TO {}").format(name, name))
        owner.execute(sql.SQL("GRANT ALL ON orders TO {}; SET ROLE {}").format(name, name))
        insert(owner, 1)
        for statement in (
            "INSERT INTO millrace_outbox (organization, table_name, operation) VALUES ('z', 'a', 'insert')",
            "CREATE TABLE mine (tenant text); CREATE TRIGGER mine AFTER INSERT ON mine"
            " FOR EACH ROW EXECUTE FUNCTION millrace_capture('tenant')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(statement)
        owner.execute("RESET ROLE")
        owner.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(name, name))


def test_database_that_does_not_answer_is_told_without_its_password(bus: SeenBus, database: str) -> None:
    wrong = database.replace("tester:", "tester:wrong-")
    with pytest.raises(Unavailable) as error:
        drain(bus, wrong)
    assert "wrong-" not in error.value.message


@pytest.mark.parametrize("text", ["postgresql://db/x", '{"url": "postgresql://db/x", "more": 1}'])
def test_url_is_the_secret_or_stands_in_its_json(text: str) -> None:
    assert database_url(text) == "postgresql://db/x"


@pytest.mark.parametrize("text", ["mysql://db/x", "{}", "x"])
def test_secret_without_a_url_says_what_to_write(text: str) -> None:
    with pytest.raises(InvalidRequest, match="postgresql://"):
        database_url(text)


def test_rotated_password_is_used_at_once_without_reading_the_secret_each_tick(
    aws_environment: Aws, database: str
) -> None:
    name = f"outbox-{uuid.uuid4().hex[:12]}"
    secrets = aws_environment.client("secretsmanager")
    secrets.create_secret(Name=name, SecretString=database.replace("tester:", "tester:old-"))
    environment = aws_environment.environment("ChangeCaptureFunction") | {"OUTBOX_SECRET": name}
    clients = AwsClients(aws_environment.region)
    capture = Capture(CaptureSettings.from_environment(environment), clients)
    reads: list[str] = []
    clients.client("secretsmanager").meta.events.register(
        "before-call", lambda model, **_: reads.append(model.name)
    )
    with pytest.raises(Unavailable):
        asyncio.run(capture({}, 60))
    secrets.put_secret_value(SecretId=name, SecretString=database)
    with psycopg.connect(database) as owner:
        insert(owner, 1)
    reads.clear()
    assert asyncio.run(capture({}, 60)) == {"rows": 1}
    assert asyncio.run(capture({}, 60)) == {"rows": 0}
    assert reads == ["GetSecretValue"]
    clients.close()
