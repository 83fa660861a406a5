"""Limits that DynamoDB enforces and emulators do not: sizes, counts and keys.

`strict` registers a check with every DynamoDB client that the product makes in this process. A request that
AWS would refuse raises the `ClientError` that AWS would answer, before it reaches the emulator. The sizes are
computed here by themselves, from DynamoDB's documentation, and not by the product's own code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError

from millrace.stores.aws import Aws
from tests.aws_calls import before_calls

ITEM = 409_600
TRANSACTION, TRANSACTION_WRITES = 4 * 1024 * 1024, 100
BATCH, BATCH_WRITES = 16 * 1024 * 1024, 25
KEYS = {"pk": 2048, "sk": 1024}


def size_of(value: Mapping[str, Any]) -> int:
    """Return the stored size of an attribute's value."""
    kind: str
    lease: Any
    ((kind, lease),) = value.items()
    match kind:
        case "S":
            return len(lease.encode())
        case "B":
            return len(lease)
        case "N":
            digits = lease.lstrip("-").replace(".", "").strip("0")
            return int((len(digits) + 1) // 2 + 1 + lease.startswith("-"))
        case "L":
            return 3 + sum(1 + size_of(one) for one in lease)
        case "M":
            return 3 + sum(1 + len(name.encode()) + size_of(one) for name, one in lease.items())
        case "SS" | "NS" | "BS":
            return sum(size_of({kind[0]: one}) for one in lease)
    return 1


def item_size(item: Mapping[str, Any]) -> int:
    """Return the stored size of an item."""
    return sum(len(name.encode()) + size_of(value) for name, value in item.items())


def check(operation: str, parameters: dict[str, Any]) -> None:
    """Raise `ClientError` for calls that DynamoDB would refuse."""
    match operation:
        case "PutItem":
            _check_item(operation, parameters["Item"])
        case "UpdateItem":
            _check_key(operation, parameters["Key"])
            _check_item(operation, parameters.get("ExpressionAttributeValues", {}))
        case "GetItem" | "DeleteItem":
            _check_key(operation, parameters["Key"])
        case "Query":
            _check_values(operation, parameters)
        case "TransactWriteItems":
            _check_transaction(operation, parameters["TransactItems"])
        case "BatchWriteItem":
            _check_batch(operation, parameters["RequestItems"])


def _check_item(operation: str, item: Mapping[str, Any]) -> None:
    if item_size(item) > ITEM:
        _refuse(operation, "Item size has exceeded the maximum allowed size")
    if "pk" in item:
        _check_key(operation, {name: item[name] for name in KEYS if name in item})


def _check_key(operation: str, key: Mapping[str, Any]) -> None:
    for name, limit in KEYS.items():
        value = key.get(name, {}).get("S")
        if value == "":
            _refuse(
                operation, f"The AttributeValue for a key attribute cannot contain an empty string: {name}"
            )
        if value is not None and len(value.encode()) > limit:
            _refuse(operation, f"Aggregated size of all keys has exceeded the size limit of {limit} bytes")


def _check_values(operation: str, parameters: dict[str, Any]) -> None:
    for value in parameters.get("ExpressionAttributeValues", {}).values():
        if size_of(value) > KEYS["pk"]:
            _refuse(operation, "Aggregated size of all keys has exceeded the size limit")
    if parameters.get("Limit", 1) < 1:
        _refuse(operation, "Limit must be greater than or equal to 1")


def _check_transaction(operation: str, writes: list[dict[str, Any]]) -> None:
    if not 1 <= len(writes) <= TRANSACTION_WRITES:
        _refuse(operation, f"Member must have length less than or equal to {TRANSACTION_WRITES}")
    total, keys = 0, set()
    for write in writes:
        ((kind, request),) = write.items()
        item = request.get("Item") or request["Key"] | request.get("ExpressionAttributeValues", {})
        check({"Put": "PutItem", "Update": "UpdateItem"}.get(kind, "DeleteItem"), request)
        total += item_size(item)
        key = request.get("Key") or {name: item[name] for name in KEYS if name in item}
        position = (request["TableName"], repr(sorted(key.items())))
        if position in keys:
            _refuse(operation, "Transaction request cannot include multiple operations on one item")
        keys.add(position)
    if total > TRANSACTION:
        _refuse(operation, "Collection size of items in transaction exceeded the maximum size")


def _check_batch(operation: str, tables: dict[str, list[dict[str, Any]]]) -> None:
    requests = [one for each in tables.values() for one in each]
    puts = [one["PutRequest"]["Item"] for one in requests if "PutRequest" in one]
    for item in puts:
        _check_item(operation, item)
    if not 1 <= len(requests) <= BATCH_WRITES or sum(map(item_size, puts)) > BATCH:
        _refuse(operation, "Too many items requested for the BatchWriteItem call")


def _refuse(operation: str, message: str) -> None:
    error = {"Error": {"Code": "ValidationException", "Message": message}}
    raise ClientError(error | {"ResponseMetadata": {"HTTPStatusCode": 400}}, operation)  # type: ignore[arg-type]


@contextmanager
def strict() -> Iterator[None]:
    """Make every DynamoDB client that the product creates during the block as strict as AWS."""
    make = Aws._make

    def made(aws: Aws, service: str) -> Any:
        client = make(aws, service)
        if service == "dynamodb":
            before_calls(client, check)
        return client

    with patch.object(Aws, "_make", made):
        yield
