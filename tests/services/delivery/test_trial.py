"""Testing a destination: the real sender, a marked event, and the response without secrets."""

import sqlite3
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from starlette.responses import PlainTextResponse

from millrace.services.delivery.target import Targets
from millrace.services.delivery.trial import TrialRequest, try_out
from tests.aws import Aws
from tests.fakes.receivers import Receivers
from tests.services.delivery.delivering import World, event

SECRET = 'sk-"very/secret+value=='


async def tried(here: World, **asked: Any) -> dict[str, Any]:
    trial = TrialRequest.model_validate(
        {"organization": here.organization, "pipelineId": "pipe", "version": here.version, "destination": 0}
        | asked
    )
    return await try_out(here.deliverer.targets, trial, lambda: here.now)


async def test_trial_sends_a_marked_event_and_tells_the_answer(here: World, receivers: Receivers) -> None:
    await here.secret("API_KEY", SECRET, "127.0.0.1")
    await here.webhook(receivers.url + "/hook", headers={"Authorization": "Bearer ${secrets.API_KEY}"})
    receivers.answers.append(PlainTextResponse(f"hello {SECRET} " + "x" * 5_000, 201))
    reported = await tried(here)
    assert (reported["outcome"], reported["status"], reported["code"]) == ("delivered", 201, None)
    assert reported["body"].startswith("hello [secret API_KEY] ")
    assert len(reported["body"]) == 1024
    assert reported["durationMs"] >= 0
    await tried(here)
    sent = receivers.hook.taken[-1]
    assert sent.headers["webhook-id"].startswith("test_")
    assert b'"test":true' in sent.body


async def test_trial_sends_the_payload_that_is_given(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    assert (await tried(here, payload={"n": 1}))["outcome"] == "delivered"
    assert receivers.hook.taken[-1].body == b'{"n":1}'


async def test_trial_tells_what_is_refused_and_what_would_be_retried(
    here: World, receivers: Receivers
) -> None:
    await here.webhook(receivers.url + "/hook")
    receivers.answers.append(PlainTextResponse("no such key", 403))
    reported = await tried(here)
    assert (reported["outcome"], reported["code"], reported["status"], reported["body"]) == (
        "refused",
        "refused",
        403,
        "no such key",
    )
    receivers.answers.append(PlainTextResponse("busy", 503))
    assert (await tried(here))["outcome"] == "retried"
    await here.webhook("http://127.0.0.1:9/")
    reported = await tried(here)
    assert (reported["outcome"], reported["code"], reported["status"]) == ("retried", "unreachable", None)
    circuit = await here.state.circuit(
        (await here.deliverer.targets.of(here.job(event("a")))).destination_key
    )
    assert (circuit.succeeded, circuit.failed) == (0, 0)


async def test_trial_tells_of_a_missing_secret(here: World) -> None:
    await here.webhook("https://api.example.com/${secrets.GONE}")
    reported = await tried(here)
    assert (reported["outcome"], reported["code"]) == ("refused", "unknown_secret")


async def test_look_tells_the_columns_of_a_table_and_sends_nothing(here: World, tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE metrics (id TEXT PRIMARY KEY, cost REAL)")
    await here.secret("DATABASE_URL", f"sqlite:///{path}", "localhost")
    await here.define("database", {"table": "metrics"})
    assert (await tried(here, inspect=True))["columns"] == ["id", "cost"]
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM metrics").fetchone() == (0,)
    reported = await tried(here, payload={"id": "a", "cots": 1})
    assert reported["code"] == "unknown_column"
    await here.define("database", {"table": "other"})
    reported = await tried(here, inspect=True)
    assert (reported["code"], reported["message"]) == ("unknown_table", "The database has no table other.")


async def test_look_tells_what_will_go_wrong_with_a_table(here: World, tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE copy (id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL DEFAULT '',"
            " version FLOAT, gone TEXT, gone_at TIMESTAMP)"
        )
    await here.secret("DATABASE_URL", f"sqlite:///{path}", "localhost")
    config = {"table": "copy", "operation": "{{$meta.type}}", "conflictFields": ["id"]}
    config |= {"versionField": "version", "deletedField": "gone"}
    await here.define("database", config)
    reported = await tried(here, inspect=True)
    assert reported["needed"] == ["name"]
    assert [text.split()[0] for text in reported["problems"]] == ["version", "gone", "Deleted"]
    for wrong, code in (
        ({"versionField": "lost"}, "unknown_column"),
        ({"deletedField": "lost"}, "unknown_column"),
        ({"conflictFields": ["name"]}, "no_unique_key"),
    ):
        await here.define("database", config | wrong)
        assert (await tried(here, inspect=True))["code"] == code


async def test_look_tells_of_a_table_of_dynamodb(here: World, aws: Aws) -> None:
    name = f"tables-{here.organization}.copy"
    aws.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    config = {"connection": "dynamodb:", "table": "copy", "operation": "upsert", "conflictFields": ["id"]}
    await here.define("database", config)
    assert (await tried(here, inspect=True))["columns"] is None
    await here.define("database", config | {"conflictFields": ["name"]})
    assert (await tried(here, inspect=True))["code"] == "no_unique_key"
    await here.define("database", config | {"table": "other"})
    assert (await tried(here, inspect=True))["code"] == "unknown_table"


async def test_look_that_dynamodb_refuses_tells_why(here: World) -> None:
    await here.define("database", {"connection": "dynamodb:", "table": "copy"})

    def refuse(model: Any, **_: Any) -> Any:
        raise ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, "DescribeTable"
        )

    assert isinstance(here.deliverer.targets, Targets)
    events = here.deliverer.targets._catalog.aws.client("dynamodb").meta.events
    events.register("before-call.dynamodb.DescribeTable", refuse)
    reported = await tried(here, inspect=True)
    events.unregister("before-call.dynamodb.DescribeTable", refuse)
    assert reported["outcome"] == "unknown"
    assert "not authorized" in reported["message"]


async def test_look_tells_of_a_database_that_cannot_be_reached(here: World) -> None:
    url = "postgresql://u:averysecretword@127.0.0.1:9/x?sslmode=disable"
    await here.secret("DATABASE_URL", url, "127.0.0.1")
    await here.define("database", {"table": "metrics"})
    reported = await tried(here, inspect=True)
    assert (reported["outcome"], reported["code"]) == ("unknown", "unreachable")
    assert "averysecretword" not in reported["message"]
