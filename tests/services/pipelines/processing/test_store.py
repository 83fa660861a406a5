"""The engine's store: the same guarantees in memory and on DynamoDB."""

import threading
import uuid
from collections.abc import Iterator

import pytest

from millrace.pipelines.state.store import Key, MemoryStore, Store
from millrace.services.pipelines.window_store import WindowStore
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.windows import WindowTable
from tests.aws import Aws

FAR = 4_000_000_000_000


@pytest.fixture
def dynamo_store(aws_environment: Aws) -> Iterator[WindowStore]:
    clients = AwsClients(aws_environment.region)
    yield WindowStore(WindowTable(clients, aws_environment.tables["WindowsTable"]))
    clients.close()


@pytest.fixture(params=["memory", pytest.param("dynamo", marks=pytest.mark.aws)])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    found: WindowStore = request.getfixturevalue("dynamo_store")
    return found


@pytest.fixture
def key() -> Key:
    return Key(f"org#{uuid.uuid4().hex}", "pipe/line", "step", "-60000")


def test_appended_blocks_are_read_until_they_are_deleted(store: Store, key: Key) -> None:
    store.append(key, [b"one", b"two"], FAR)
    store.append(key, [b"three"], FAR)
    found = store.blocks(key)
    assert sorted(block for _, block in found) == [b"one", b"three", b"two"]
    assert len({reference for reference, _ in found}) == 3
    gone = next(reference for reference, block in found if block == b"two")
    store.delete(key, [gone, "0/B#unknown"])
    assert sorted(block for _, block in store.blocks(key)) == [b"one", b"three"]


def test_many_blocks_and_large_ones_come_back_whole(store: Store, key: Key) -> None:
    blocks = [bytes([number]) * 350_000 for number in range(8)] + [bytes([number]) for number in range(60)]
    store.append(key, blocks, FAR)
    found = store.blocks(key)
    assert sorted(block for _, block in found) == sorted(blocks)
    store.delete(key, [reference for reference, _ in found])
    assert store.blocks(key) == []


def test_keys_do_not_see_each_other(store: Store, key: Key) -> None:
    store.append(key, [b"one"], FAR)
    store.write(key, b"data", 0, FAR)
    for other in (
        key._replace(part="-6000"),
        key._replace(organization="org"),
        key._replace(pipeline="pipe"),
    ):
        assert store.blocks(other) == []
        assert store.read(other) is None


def test_register_is_written_only_over_the_version_that_was_read(store: Store, key: Key) -> None:
    assert store.read(key) is None
    assert not store.write(key, b"x", 3, FAR)
    assert store.write(key, b"first", 0, FAR, due=5)
    assert not store.write(key, b"other", 0, FAR)
    read = store.read(key)
    assert read is not None
    assert (read.data, read.version, read.due) == (b"first", 1, 5)
    assert store.write(key, b"second", 1, FAR)
    read = store.read(key)
    assert read is not None
    assert (read.data, read.version, read.due) == (b"second", 2, None)


def test_concurrent_writers_have_one_winner(store: Store, key: Key) -> None:
    if isinstance(store, MemoryStore):
        return  # one thread is all that it is for
    won: list[int] = []
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        if store.write(key, f"writer {number}".encode(), 0, FAR):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = store.read(key)
    assert read is not None
    assert [f"writer {number}".encode() for number in won] == [read.data]


def test_counter_counts(store: Store, key: Key) -> None:
    assert store.count(key, 3) == 3
    assert store.count(key, 4) == 7


def test_due_registers_are_listed_oldest_first_until_they_are_not_due(store: Store, key: Key) -> None:
    keys = [key._replace(part=str(number)) for number in range(12)]
    for number, one in enumerate(keys):
        store.write(one, b"x", 0, FAR, due=100 - number)
    store.write(key._replace(part="never"), b"x", 0, FAR)
    mine = [(due, one) for due, one in store.due(101, 10_000) if one.organization == key.organization]
    assert mine == [(100 - number, keys[number]) for number in reversed(range(12))]
    assert [due for due, one in store.due(95, 10_000) if one.organization == key.organization] == [
        89,
        90,
        91,
        92,
        93,
        94,
    ]
    store.write(keys[11], b"x", 1, FAR)
    assert [due for due, one in store.due(91, 10_000) if one.organization == key.organization] == [90]
    assert len(store.due(10**14, 3)) == 3


def test_due_times_are_listed_by_pipeline(dynamo_store: WindowStore, key: Key) -> None:
    dynamo_store.write(key, b"x", 0, FAR, due=7)
    dynamo_store.write(key._replace(pipeline="other"), b"x", 0, FAR, due=6)
    assert dynamo_store.due_of(key.organization, key.pipeline, 10) == [(7, key)]


def test_write_whose_answer_was_lost_is_known_as_its_own(
    dynamo_store: WindowStore, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK sends a request again when the answer does not come: it was written, and is now refused."""
    client = dynamo_store._table._client
    put = client.put_item

    def twice(**request: object) -> object:
        put(**request)
        return put(**request)

    monkeypatch.setattr(client, "put_item", twice)
    assert dynamo_store.write(key, b"mine", 0, FAR)
    assert not dynamo_store.write(key, b"mine", 0, FAR)
