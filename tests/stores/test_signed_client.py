"""Our own client sends, reads, raises and retries like botocore."""

import json
import os
import random
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from botocore.exceptions import ClientError
from botocore.retries.standard import ExponentialBackoff
from botocore.session import Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.errors import Throttled, Unavailable
from millrace.stores.aws import Aws, unavailable_when_down
from millrace.stores.aws_retries import ATTEMPTS
from millrace.stores.dynamo import ConditionFailed, Dynamo, delete, put
from millrace.stores.signed_client import JSON_SERVICES, SignedClient, signed_client
from tests.fakes.aws_json import CLOSE, JsonServer, answer, aws_json_server
from tests.net.servers import Authority

FOREIGN = [name for name in os.environ if name.startswith("AWS_") or name.upper().endswith("_PROXY")]
PUT = {"TableName": "t", "Item": {"pk": {"S": "a"}}}
GET = {"TableName": "t", "Key": {"pk": {"S": "a"}, "sk": {"S": "ü"}}, "ConsistentRead": True}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JsonServer]:
    for name in FOREIGN:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with aws_json_server() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{running.port}")
        yield running


@pytest.fixture
def aws(server: JsonServer) -> Iterator[Aws]:
    with closing(Aws("eu-west-1")) as made:
        yield made


def ours(aws: Aws, service: str = "dynamodb") -> SignedClient:
    """The client that the product uses, without the checks that tests add to it."""
    made = vars(aws).setdefault("of_ours", {})
    if service not in made:
        made[service] = signed_client(service, aws.region, lambda: botocores(aws, service))
        aws._clients[f"our {service}"] = made[service]  # to be closed with the others
    client: SignedClient | None = made[service]
    assert client is not None
    return client


def seen_by(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """The result of a call as its caller sees it: the answer, or the error."""
    try:
        with unavailable_when_down("dynamodb"):
            found = getattr(client, operation)(**parameters)
    except ClientError as error:
        found = error.response | {"message": str(error), "operation": error.operation_name}
    except (Unavailable, Throttled) as error:
        return type(error), str(error)
    metadata = found["ResponseMetadata"]
    kept = {name: metadata[name] for name in ("HTTPStatusCode", "RetryAttempts")}
    return {name: value for name, value in found.items() if name not in ("Error", "__type")} | {
        "ResponseMetadata": kept,
        "code": found.get("Error", {}).get("Code"),
    }


# --- requests --------------------------------------------------------------------------------------

NUMBERS = st.integers(-(10**38) + 1, 10**38 - 1).map(str) | st.decimals(
    allow_nan=False, allow_infinity=False, places=20
).map(str)
ATTRIBUTES: Any = st.recursive(
    st.fixed_dictionaries({"S": st.text(st.characters(exclude_categories=["Cs"]), max_size=20)})
    | st.fixed_dictionaries({"N": NUMBERS})
    | st.fixed_dictionaries({"NS": st.lists(NUMBERS, min_size=1, max_size=3)})
    | st.fixed_dictionaries({"SS": st.lists(st.text("aé", max_size=3), min_size=1, max_size=3)})
    | st.fixed_dictionaries({"NULL": st.just(True)})
    | st.fixed_dictionaries({"B": st.binary(max_size=20)})
    | st.fixed_dictionaries({"BS": st.lists(st.binary(max_size=9), min_size=1, max_size=3)})
    | st.fixed_dictionaries({"BOOL": st.booleans()}),
    lambda inner: (
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"M": st.dictionaries(st.sampled_from(["a", "B", "BS"]), inner, max_size=3)})
    ),
    max_leaves=6,
)
ITEMS = st.dictionaries(st.sampled_from(["pk", "B", "BS", "text"]), ATTRIBUTES, min_size=1, max_size=3)


def as_json(value: Any) -> Any:
    """A value with its bytes as the protocol has them."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    return [as_json(inner) for inner in value] if isinstance(value, list) else value


def botocores(aws: Aws, service: str = "dynamodb") -> Any:
    """botocore's client, with the settings that the product gives it."""
    made = vars(aws).setdefault("of_botocore", {})
    if service not in made:
        made[service] = aws._clients[f"their {service}"] = aws._with_botocore(service)
    return made[service]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(item=ITEMS)
def test_items_are_sent_and_read_as_botocore_does(server: JsonServer, aws: Aws, item: dict[str, Any]) -> None:
    server.answers = [answer(json.dumps({"Item": as_json(item)}).encode())]
    mine = seen_by(ours(aws), "get_item", GET)
    assert mine["Item"] == item
    assert mine == seen_by(botocores(aws), "get_item", GET)
    for client in (ours(aws), botocores(aws)):
        client.put_item(TableName="t", Item=item)
    first, second = server.requests[-2:]
    assert json.loads(first.body) == json.loads(second.body)


MESSAGE = {"QueueUrl": "http://q/1/name", "MessageBody": "ü", "DelaySeconds": 3}
CALLS = [
    ("dynamodb", "get_item", GET),
    ("dynamodb", "query", {"TableName": "t", "KeyConditionExpression": "pk = :pk", "Limit": 3}),
    ("events", "put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]}),
    ("sqs", "send_message", MESSAGE),
    (
        "sqs",
        "delete_message_batch",
        {"QueueUrl": "http://q/1/name", "Entries": [{"Id": "1", "ReceiptHandle": "r"}]},
    ),
]


@pytest.mark.parametrize(("service", "operation", "parameters"), CALLS)
def test_request_is_botocores(
    server: JsonServer, aws: Aws, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    for client in (ours(aws, service), botocores(aws, service)):
        getattr(client, operation)(**parameters)
    first, second = server.requests
    for name in ("x-amz-target", "content-type", "host", "x-amz-security-token"):
        assert first.headers[name] == second.headers[name], name
    assert json.loads(first.body) == json.loads(second.body)


def test_each_operation_is_one_of_the_service_and_has_its_protocol() -> None:
    session = Session()
    for service in JSON_SERVICES.values():
        client = session.create_client(
            service.name, "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        model: Any = client.meta.service_model
        assert (model.metadata["jsonVersion"], model.metadata["targetPrefix"]) == (
            service.version,
            service.target,
        )
        names: dict[str, str] = client.meta.method_to_api_mapping
        assert service.operations <= names.keys()
        for name in service.operations:
            assert names[name] == "".join(word.capitalize() for word in name.split("_"))


@pytest.mark.parametrize("service", JSON_SERVICES)
def test_address_of_each_region_is_botocores_or_left_to_it(
    service: str, server: JsonServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    session = Session()
    left = set()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions(service, partition):
            with closing(Aws(region)) as aws:
                mine = signed_client(service, region, lambda: None)
                if mine is None:
                    left.add(partition)
                else:
                    assert f"https://{mine._host}" == botocores(aws, service).meta.endpoint_url
    assert left <= {"aws-cn", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"}


# --- answers and repetitions -----------------------------------------------------------------------

REFUSED = b'{"__type": "com.amazonaws.dynamodb.v20120810#%s", "message": "no"}'
CONFLICT = {
    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "Message": "canceled",
    "CancellationReasons": [
        {"Code": "None"},
        {"Code": "ConditionalCheckFailed", "Item": {"b": {"B": "YQ=="}}},
    ],
}
WAIT = "x-amz-retry-after: 99000\r\n"
ANSWERS = {
    "success": [answer(b"{}")],
    "condition": [answer(REFUSED % b"ConditionalCheckFailedException", 400)],
    "canceled": [answer(json.dumps(CONFLICT).encode(), 400)],
    "validation": [answer(REFUSED % b"ValidationException", 400)],
    "limit": [answer(REFUSED % b"LimitExceededException", 400)],
    "throttled": [answer(REFUSED % b"ThrottlingException", 400)],
    "throttled once": [answer(REFUSED % b"ProvisionedThroughputExceededException", 400), answer()],
    "in progress": [answer(REFUSED % b"TransactionInProgressException", 400), answer()],
    "conflict of a transaction": [answer(REFUSED % b"TransactionConflictException", 400)],
    "replicated": [answer(REFUSED % b"ReplicatedWriteConflictException", 400), answer()],
    "down": [answer(b"<html>down</html>", 503)],
    "down, then refused": [answer(b"", 500), answer(REFUSED % b"ConditionalCheckFailedException", 400)],
    "not implemented": [answer(b"", 501)],
    "429": [answer(b"", 429)],
    "cut off": [CLOSE],
    "cut off once": [CLOSE, answer()],
    "asked to wait": [answer(b"", 503, "x-amz-retry-after: 1500\r\n"), answer()],
    "asked to wait long": [answer(REFUSED % b"ThrottlingException", 400, WAIT), answer()],
    "asked to wait in words": [answer(b"", 503, "x-amz-retry-after: soon\r\n"), answer()],
    "code with an address": [answer(REFUSED % b"ResourceNotFoundException:http://a/b#c/", 400)],
    "no such code": [answer(b'{"message": "?"}', 400)],
    "expired": [answer(REFUSED % b"ExpiredTokenException", 400)],
}


@pytest.mark.parametrize(
    ("service", "given_answers"),
    [*(("dynamodb", name) for name in ANSWERS), ("sqs", "cut off once"), ("sqs", "throttled")],
)
def test_answer_attempts_and_waits_are_those_of_botocore(
    server: JsonServer, monkeypatch: pytest.MonkeyPatch, service: str, given_answers: str
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(random, "random", lambda: 1.0)
    monkeypatch.setattr(ExponentialBackoff.__init__, "__defaults__", (20, lambda: 1.0, None, None))
    operation, parameters = ("put_item", PUT) if service == "dynamodb" else ("send_message", MESSAGE)
    found = []
    with closing(Aws("eu-west-1")) as aws:
        for client in (ours(aws, service), botocores(aws, service)):
            server.answers, before = list(ANSWERS[given_answers]), len(server.requests)
            waits.clear()
            seen = seen_by(client, operation, parameters)
            found.append((seen, len(server.requests) - before, list(waits)))
    assert found[0] == found[1]


def test_answer_that_has_changed_on_its_way_is_asked_for_again(server: JsonServer, aws: Aws) -> None:
    body = b'{"Item": {"text": {"S": "a"}}}'
    sent = f"x-amz-crc32: {crc32(body)}\r\n"
    for client in (ours(aws), botocores(aws)):
        server.answers = [answer(body.replace(b"a", b"b"), 200, sent), answer(body, 200, sent)]
        found = client.get_item(**GET)
        assert found["Item"] == {"text": {"S": "a"}}
        assert found["ResponseMetadata"]["RetryAttempts"] == 1


def test_large_answer_is_read_whole(server: JsonServer, aws: Aws) -> None:
    """As large as one may be."""
    rows = [{"pk": {"S": str(number)}, "b": {"B": "YWJj" * 25_000}} for number in range(160)]
    body = json.dumps({"Responses": {"t": rows}}).encode()
    server.answers = [answer(body, 200, f"x-amz-crc32: {crc32(body)}\r\n")]
    found = ours(aws).batch_get_item(RequestItems={"t": {"Keys": [{"pk": {"S": "0"}}]}})
    assert [one["pk"]["S"] for one in found["Responses"]["t"]] == [str(number) for number in range(160)]
    assert {one["b"]["B"] for one in found["Responses"]["t"]} == {b"abc" * 25_000}


def test_half_an_answer_is_none(server: JsonServer, aws: Aws) -> None:
    """botocore takes it for an empty one."""
    server.answers, server.close_after_each = [answer(b'{"Item": {}}')[:-1], answer()], True
    found = ours(aws).get_item(**GET)
    assert found["ResponseMetadata"]["RetryAttempts"] == 1
    assert "Item" not in found


def test_error_of_a_queue_has_the_code_that_it_always_had(server: JsonServer, aws: Aws) -> None:
    old = "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n"
    server.answers = [answer(b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}', 400, old)]
    for client in (ours(aws, "sqs"), botocores(aws, "sqs")):
        with pytest.raises(ClientError) as caught:
            client.send_message(QueueUrl="http://q/1/name", MessageBody="a")
        assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_repeated_transaction_has_the_token_of_the_first_attempt(server: JsonServer, aws: Aws) -> None:
    items = [{"Delete": {"TableName": "t", "Key": {"pk": {"S": "a"}}}}]
    server.answers = [CLOSE, answer(), answer()]
    ours(aws).transact_write_items(TransactItems=items)
    ours(aws).transact_write_items(TransactItems=items)
    first, again, other = (json.loads(one.body)["ClientRequestToken"] for one in server.requests)
    assert first == again != other


async def test_transaction_that_may_still_be_under_way_is_asked_for_by_its_token(
    server: JsonServer, aws: Aws
) -> None:
    """DynamoDB then knows that it has carried it out; by another one, its own write would refuse it."""
    held = {
        "__type": "TransactionCanceledException",
        "CancellationReasons": [{"Code": "TransactionConflict"}],
    }
    under_way = answer(REFUSED % b"TransactionInProgressException", 400)
    server.answers = [*[under_way] * ATTEMPTS, answer(json.dumps(held).encode(), 400), answer()]
    await Dynamo(aws).transact(delete("t", {"pk": "a"}))
    first, *rest, last = (json.loads(one.body)["ClientRequestToken"] for one in server.requests)
    assert rest == [first] * ATTEMPTS
    assert last != first


@pytest.mark.parametrize("lost", [True, False])
async def test_write_whose_answer_was_lost_is_a_success_also_after_a_conflict(
    server: JsonServer, aws: Aws, lost: bool
) -> None:
    """Then it is a call of its own that the condition refuses."""
    conflict = answer(REFUSED % b"TransactionConflictException", 400)
    refused = {"__type": "ConditionalCheckFailedException", "Item": {"pk": {"S": "a"}, "sk": {"S": "b"}}}
    server.answers = [*[CLOSE] * lost, conflict, answer(json.dumps(refused).encode(), 400)]
    write = Dynamo(aws).write(put("t", {"pk": "a", "sk": "b"}, new=True))
    with nullcontext() if lost else pytest.raises(ConditionFailed):
        await write


def test_repetitions_end_when_most_calls_fail(server: JsonServer, aws: Aws) -> None:
    """botocore's quota: what is down for long is not asked five times by each call."""
    server.answers = [answer(b"", 500)]
    for _ in range(200):
        seen_by(ours(aws), "get_item", GET)
    before = len(server.requests)
    seen_by(ours(aws), "get_item", GET)
    assert len(server.requests) == before + 1
    assert before < 200 * ATTEMPTS
    server.answers = [answer()]
    for _ in range(20):
        ours(aws).get_item(**GET)
    server.answers = [answer(b"", 500), answer()]
    ours(aws).get_item(**GET)  # successes have earned a repetition


def test_half_of_a_surrogate_pair_is_sent_and_read(server: JsonServer, aws: Aws) -> None:
    server.answers = [answer(b'{"Item": {"text": {"S": "\\ud83d"}}}')]
    found = ours(aws).get_item(TableName="t", Key={"pk": {"S": "\ud83d"}})
    assert found["Item"] == {"text": {"S": "\ud83d"}}
    assert json.loads(server.requests[0].body)["Key"] == {"pk": {"S": "\ud83d"}}


def test_time_is_no_parameter(server: JsonServer, aws: Aws) -> None:
    """AWS wants seconds, and no text."""
    with pytest.raises(TypeError, match="datetime"):
        ours(aws, "events").put_events(Entries=[{"Time": datetime.now(UTC)}])
    assert not server.requests


def test_token_may_have_its_old_name(server: JsonServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECURITY_TOKEN", "old")
    with closing(Aws("eu-west-1")) as aws:
        for client in (ours(aws), botocores(aws)):
            client.get_item(**GET)
    assert [one.headers["x-amz-security-token"] for one in server.requests] == ["old", "old"]


def test_other_operations_are_botocores(server: JsonServer, aws: Aws) -> None:
    server.answers = [answer(b'{"TableNames": ["a"]}')]
    assert ours(aws).list_tables()["TableNames"] == ["a"]
    assert "Botocore" in server.requests[0].headers["user-agent"]


def test_call_of_a_function_tells_who_called_it(
    server: JsonServer, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this header Lambda stops functions that call themselves for ever."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2-3;Parent=4;Sampled=0;Lineage=1:a:0")
    for client in (ours(aws, "sqs"), botocores(aws, "sqs")):
        client.send_message(QueueUrl="http://q/1/name", MessageBody="a")
    first, second = (one.headers["x-amzn-trace-id"] for one in server.requests)
    assert first == second == "Root=1-2-3;Parent=4;Sampled=0;Lineage=1:a:0"


# --- connections -----------------------------------------------------------------------------------


def test_connection_is_kept_and_one_that_the_server_has_closed_is_not_used(
    server: JsonServer, aws: Aws
) -> None:
    for _ in range(3):
        ours(aws).get_item(**GET)
    assert {one.connection for one in server.requests} == {0}
    server.close_after_each = True
    ours(aws).get_item(**GET)
    server.closed.acquire()
    found = ours(aws).get_item(**GET)
    assert found["ResponseMetadata"]["RetryAttempts"] == 0
    assert server.requests[-1].connection == 1


def test_threads_share_a_client(server: JsonServer, aws: Aws) -> None:
    """Each of their calls gets its own answer."""
    together, client = threading.Barrier(8), ours(aws)

    def call(number: int) -> None:
        together.wait()
        for _ in range(20):
            client.put_item(TableName="t", Item={"pk": {"N": str(number)}})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(8)))
    assert len(server.requests) == 160
    assert len({one.connection for one in server.requests}) <= 8


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_certificate_is_checked(
    server: JsonServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    known, unknown = Authority(tmp_path), Authority(tmp_path)
    bundle = tmp_path / "authorities.pem"
    for authority, expected in ((known, "answered"), (unknown, "refused")):
        bundle = tmp_path / f"{expected}.pem"
        bundle.write_text(known.pem())
        monkeypatch.setenv(variable, str(bundle))
        with aws_json_server(authority.server_context("localhost")) as secure:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{secure.port}")
            with closing(Aws("eu-west-1")) as aws:
                seen = seen_by(ours(aws), "get_item", GET)
        assert (seen[0] is Unavailable if isinstance(seen, tuple) else False) == (expected == "refused")


# --- where botocore has to do ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "mine"),
        ("HTTPS_PROXY", "http://proxy:1"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_RETRY_MODE", "adaptive"),
        ("AWS_DEFAULT_PROFILE", "mine"),
        ("AWS_CREDENTIAL_EXPIRATION", "2026-01-01T00:00:00Z"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1/path"),
    ],
)
def test_botocore_does_what_only_it_understands(
    server: JsonServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert signed_client("dynamodb", "eu-west-1", lambda: None) is None


def test_configuration_file_is_botocores_business(
    server: JsonServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert signed_client("dynamodb", "eu-west-1", lambda: None) is None
    with closing(Aws("eu-west-1")) as aws:
        assert not isinstance(aws.client("dynamodb"), SignedClient)


def test_address_of_one_service_wins(server: JsonServer, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", f"http://127.0.0.1:{server.port}")
    ours(aws, "events").put_events(Entries=[])
    assert server.requests[0].headers["x-amz-target"] == "AWSEvents.PutEvents"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    elsewhere = signed_client("events", "eu-west-1", lambda: None)
    assert elsewhere is not None
    assert elsewhere._host == "events.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("get_item", GET | {"TableName": ""}),
        ("batch_get_item", {"RequestItems": {"t": {}, "": {}}}),
        ("transact_write_items", {"TransactItems": [{"Put": PUT}, {"Delete": {"TableName": "", "Key": {}}}]}),
    ],
)
def test_table_without_a_name_is_not_configured(
    server: JsonServer, aws: Aws, operation: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(Unavailable, match="lacks a table") as caught:
        getattr(ours(aws), operation)(**parameters)
    assert caught.value.code == "not_configured"
    assert not server.requests
