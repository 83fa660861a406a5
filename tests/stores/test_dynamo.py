"""Writes to DynamoDB: their sizes, and temporary and permanent refusals."""

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from millrace.errors import InvalidRequest, TooLarge, Unavailable
from millrace.stores import dynamo
from millrace.stores.aws import Aws, unavailable_when_down
from millrace.stores.dynamo import ConditionFailed, Dynamo, delete, put, to_item, update
from millrace.stores.sizes import ITEM_BYTES, item_bytes, request_bytes
from tests.fakes.strict_dynamo import check, item_size

KEY = {"pk": "p", "sk": "s"}


class Answers:
    """DynamoDB that answers with these errors (None: success), call by call."""

    def __init__(self, *errors: ClientError | None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._errors = list(errors)

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self.calls.append((operation, parameters))
        with unavailable_when_down(service):
            if self._errors and (error := self._errors.pop(0)):
                raise error
        return {}


def refusal(code: str, status: int = 400, message: str = "", **more: Any) -> ClientError:
    error = {"Error": {"Code": code, "Message": message}}
    return ClientError(error | {"ResponseMetadata": {"HTTPStatusCode": status}} | more, "op")  # type: ignore[arg-type]


def canceled(*codes: str, message: str = "") -> ClientError:
    reasons = [{"Code": code, "Message": message} for code in codes]
    return refusal("TransactionCanceledException", CancellationReasons=reasons)


def store(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> Dynamo:
    async def at_once(attempt: int) -> None: ...

    monkeypatch.setattr(dynamo, "_back_off", at_once)
    return Dynamo(cast(Aws, answers))


async def test_write_repeats_conflict_with_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    conflict = refusal("TransactionConflictException")
    answers = Answers(conflict, conflict, None)
    await store(answers, monkeypatch).write(put("t", KEY))
    assert [operation for operation, _ in answers.calls] == ["put_item"] * 3


async def test_write_that_always_conflicts_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(*[refusal("TransactionConflictException")] * 50)
    with pytest.raises(Unavailable):
        await store(answers, monkeypatch).write(update("t", KEY, "SET a = :a", a=1))


@pytest.mark.parametrize(
    "passing", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
async def test_transaction_repeats_what_passes_before_it_believes_a_condition(
    passing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(canceled("ConditionalCheckFailed", passing), None)
    await store(answers, monkeypatch).transact(put("t", KEY), put("t", KEY | {"sk": "2"}))
    assert len(answers.calls) == 2


async def test_transaction_names_the_writes_that_were_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(canceled("None", "ConditionalCheckFailed"))
    with pytest.raises(ConditionFailed) as error:
        await store(answers, monkeypatch).transact(put("t", KEY), put("t", KEY | {"sk": "2"}))
    assert error.value.items == {1: None}


@pytest.mark.parametrize(
    "error",
    [
        canceled("ValidationError", message="Item size to update has exceeded the maximum allowed size"),
        refusal("ValidationException", message="Item size has exceeded the maximum allowed size"),
    ],
)
async def test_size_that_dynamodb_refuses_is_too_large_at_once(
    error: ClientError, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(error)
    with pytest.raises(TooLarge):
        await store(answers, monkeypatch).transact(update("t", KEY, "SET a = :a", a=1))
    assert len(answers.calls) == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalServerError", 500),
        ("ProvisionedThroughputExceededException", 400),
        ("ThrottlingException", 400),
        ("RequestLimitExceeded", 400),
        ("SomethingNew", 503),
    ],
)
async def test_outage_is_unavailable(code: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable):
        await store(Answers(refusal(code, status)), monkeypatch).write(put("t", KEY))


async def test_oversized_writes_are_refused_before_they_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers()
    tested = store(answers, monkeypatch)
    with pytest.raises(TooLarge) as error:
        await tested.write(put("t", KEY | {"body": "中" * 140_000}))
    assert error.value.details == {"limit": ITEM_BYTES}
    with pytest.raises(TooLarge):
        await tested.transact(*(put("t", KEY | {"sk": str(n)}) for n in range(101)))
    with pytest.raises(TooLarge):
        await tested.transact(*(put("t", {"pk": "p", "sk": str(n), "b": b"x" * 400_000}) for n in range(11)))
    with pytest.raises(InvalidRequest):
        await tested.write(put("t", {"pk": "p", "sk": "x" * 1025}))
    assert answers.calls == []


async def test_keys_of_items_are_within_dynamodbs_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers()
    tested = store(answers, monkeypatch)
    assert await tested.get("t", {"pk": "p", "sk": "x" * 3000}) is None
    with pytest.raises(InvalidRequest):
        await tested.write(delete("t", {"pk": "p", "sk": "x" * 3000}))
    with pytest.raises(InvalidRequest):
        await tested.query("t", "pk = :pk AND sk > :after", pk="p", after="x" * 3000)
    assert answers.calls == []


VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.binary(), st.integers(), st.booleans(), st.none()
)


@given(st.dictionaries(st.text(min_size=1, max_size=20).filter(str.isidentifier), VALUES))
def test_measured_size_is_never_below_the_stored_one(item: dict[str, Any]) -> None:
    stored = to_item(item)
    assert item_size(stored) <= item_bytes(stored) <= item_size(stored) + 21 * len(item)
    assert item_size(stored) <= request_bytes({"Put": {"Item": stored}})


@given(st.integers(ITEM_BYTES - 40, ITEM_BYTES + 40), st.sampled_from(["x", "é", "中", "😀"]))
async def test_item_that_passes_the_check_passes_dynamodb(size: int, character: str) -> None:
    item = KEY | {"body": character * (size // len(character.encode()))}
    try:
        await Dynamo(cast(Aws, Answers())).write(put("t", item))
    except TooLarge:
        assert item_size(to_item(item)) > ITEM_BYTES
    else:
        check("PutItem", {"Item": to_item(item)})
