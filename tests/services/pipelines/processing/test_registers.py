"""Many registers at once: in few calls, within DynamoDB's limits, each independent of the others."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from millrace.errors import Unavailable
from millrace.pipelines.event import Event
from millrace.pipelines.plan import compile_plan
from millrace.pipelines.state.store import Key, MemoryStore, Store, Write
from millrace.pipelines.transform import transform
from millrace.services.pipelines.window_store import WindowStore
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.windows import WindowTable
from tests.aws import Aws
from tests.aws_calls import before_calls
from tests.pipelines.definitions import definition, step

FAR = 4_000_000_000_000
MANY = 1_000
COUNT = {"groupBy": ["key"], "aggregations": [{"function": "count"}]}
TRANSACTION_BYTES, TRANSACTION_ITEMS = 4 * 1024 * 1024, 100


class Recorded(WindowStore):
    """A store that tells which calls of DynamoDB it made."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        super().__init__(WindowTable(clients, table))
        self.client = clients.client("dynamodb")
        self.calls: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        before_calls(self.client, self._record)

    def _record(self, operation: str, params: dict[str, Any]) -> None:
        self.calls[operation] += 1
        self.requests.append(params)


@pytest.fixture
def registers(aws_environment: Aws) -> Iterator[Recorded]:
    clients = AwsClients(aws_environment.region)
    yield Recorded(clients, aws_environment.tables["WindowsTable"])
    clients.close()


@pytest.fixture(params=["memory", pytest.param("dynamo", marks=pytest.mark.aws)])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    found: Recorded = request.getfixturevalue("registers")
    return found


@pytest.fixture
def key() -> Key:
    return Key(f"org#{uuid.uuid4().hex}", "pipe/line", "step", "0")


def writes(key: Key, many: int, data: bytes, version: int = 0) -> list[Write]:
    return [Write(key._replace(part=str(number)), data, version, FAR) for number in range(many)]


def test_changed_registers_are_not_written_and_all_others_are(store: Store, key: Key) -> None:
    made = writes(key, 230, b"first")
    changed = [made[number].key for number in (0, 5, 99, 100, 229)]
    for one in changed:
        assert store.write(one, b"other", 0, FAR)
    assert store.write_many(made) == changed
    found = store.read_many([each.key for each in made] + [key._replace(part="none")])
    assert {one: found[one].data for one in changed} == dict.fromkeys(changed, b"other")
    assert Counter(register.data for register in found.values()) == {b"first": 225, b"other": 5}
    assert store.write_many(writes(key, 230, b"second", version=1)) == []
    assert {each.version for each in store.read_many([each.key for each in made]).values()} == {2}


def test_empty_registers_take_no_call(registers: Recorded) -> None:
    assert (registers.read_many([]), registers.write_many([])) == ({}, [])
    assert registers.calls == {}


def test_large_registers_are_cut_into_transactions_that_dynamodb_takes(registers: Recorded, key: Key) -> None:
    made = writes(key, 20, b"x" * 350_000)
    assert registers.write_many(made) == []
    assert len(registers.read_many([each.key for each in made])) == 20
    transactions = [each["TransactItems"] for each in registers.requests if "TransactItems" in each]
    assert max(map(len, transactions)) <= TRANSACTION_ITEMS
    assert max(sum(_bytes(one) for one in each) for each in transactions) <= TRANSACTION_BYTES


def _bytes(put: dict[str, Any]) -> int:
    return len(put["Put"]["Item"]["registerData"]["B"]) + 1_000


@pytest.mark.parametrize(
    "stateful", [step("dedupe", {"key": "key", "ttl": 60_000}), step("aggregate", COUNT)]
)
def test_thousand_keys_take_two_calls_a_hundred(stateful: dict[str, Any], registers: Recorded) -> None:
    made = compile_plan(definition(stateful), f"org-{uuid.uuid4().hex}", "pipeline")
    events = [Event({"key": at}, f"e{at}", "s") for at in range(MANY)]
    assert len(transform(made, events, registers, FAR).outputs) == MANY
    assert registers.calls == {"BatchGetItem": MANY // 100, "TransactWriteItems": MANY // 100}
    registers.calls.clear()
    assert len(transform(made, events, registers, FAR).outputs) == MANY
    assert registers.calls == {"BatchGetItem": MANY // 100}, "what is delivered again writes nothing"


def test_registers_that_dynamodb_leaves_out_are_asked_for_again(
    registers: Recorded, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS does so where the answer has 16 MB, or a partition is busy."""
    made = writes(key, 10, b"x")
    registers.write_many(made)
    read = registers.client.batch_get_item

    def half(RequestItems: dict[str, Any]) -> Any:
        ((table, asked),) = RequestItems.items()
        keys, rest = asked["Keys"][:4], asked["Keys"][4:]
        answer = read(RequestItems={table: asked | {"Keys": keys}})
        return answer | {"UnprocessedKeys": {table: asked | {"Keys": rest}} if rest else {}}

    monkeypatch.setattr(registers.client, "batch_get_item", half)
    assert len(registers.read_many([each.key for each in made])) == 10


def _canceled(*codes: str) -> ClientError:
    reasons: Any = [{"Code": code} for code in codes]
    error: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
    return ClientError(error, "TransactWriteItems")


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_transaction_in_conflict_is_tried_again(
    code: str, registers: Recorded, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [_canceled("None", code), _canceled(code, "None")]
    write = registers.client.transact_write_items

    def busy(**request: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return write(**request)

    monkeypatch.setattr(registers.client, "transact_write_items", busy)
    assert registers.write_many(writes(key, 2, b"x")) == []
    assert refusals == []
    assert len(registers.read_many([each.key for each in writes(key, 2, b"x")])) == 2


def test_transaction_that_is_always_in_conflict_is_for_the_queue_to_repeat(
    registers: Recorded, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(**request: Any) -> Any:
        raise _canceled("TransactionConflict", "None")

    monkeypatch.setattr(registers.client, "transact_write_items", busy)
    monkeypatch.setattr("millrace.stores.registers.time.sleep", lambda seconds: None)
    with pytest.raises(Unavailable):
        registers.write_many(writes(key, 2, b"x"))


def test_single_write_that_meets_a_transaction_was_not_written(
    registers: Recorded, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conflict(**request: Any) -> Any:
        raise ClientError({"Error": {"Code": "TransactionConflictException"}}, "PutItem")

    monkeypatch.setattr(registers.client, "put_item", conflict)
    assert not registers.write(key, b"x", 0, FAR)


def test_workers_at_once_count_each_event_of_shared_groups_once(aws_environment: Aws) -> None:
    clients = AwsClients(aws_environment.region)
    store = WindowStore(WindowTable(clients, aws_environment.tables["WindowsTable"]))
    made = compile_plan(definition(step("aggregate", COUNT)), f"org-{uuid.uuid4().hex}", "pipeline")
    counts: list[int] = []

    def work(worker: int) -> None:
        events = [Event({"key": at % 10}, f"w{worker}-{at}", "s") for at in range(40)]
        counts.extend(each.payload["count"] for each in transform(made, events, store, FAR).outputs)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clients.close()
    assert Counter(counts) == dict.fromkeys(range(1, 17), 10)
