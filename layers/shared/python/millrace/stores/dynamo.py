"""DynamoDB in plain Python: flat items, conditional writes, transactions.

Values are `str`, `int`, `float`, `bool`, `bytes`, None or a `frozenset` of strings; stores keep nested values
as JSON text. `put`, `update` and `delete` build `TransactItem`s, and `Dynamo.transact` runs them.
"""

import asyncio
import random
from typing import Any
from uuid import uuid4

from millrace.errors import InvalidRequest, Unavailable
from millrace.stores.aws import Aws
from millrace.stores.batch_writes import write_all
from millrace.stores.repeated_writes import retries_of, was_applied
from millrace.stores.sizes import KEY_BYTES, check_transaction, check_write, text_bytes, too_large, valid_key

Item = dict[str, Any]
TransactItem = dict[str, dict[str, Any]]
_TRIES = 8


class ConditionFailed(Exception):
    """A conditional write was refused. `items` maps the position in the transaction of each write that was
    refused to the item as it is (None if it does not exist)."""

    def __init__(self, items: dict[int, Item | None]) -> None:
        super().__init__(f"refused by {sorted(items)}")
        self.items = items


class Contended(Unavailable):
    """Others kept writing the same items, so nothing was written."""


def to_attribute(value: Any) -> dict[str, Any]:
    """Return a Python value as DynamoDB's JSON."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if value is None:
        return {"NULL": True}
    if isinstance(value, frozenset):
        return {"SS": sorted(value)}
    if isinstance(value, str | bytes):
        return {"S" if isinstance(value, str) else "B": value}
    raise TypeError(f"no DynamoDB type for {type(value).__name__}: store it as JSON text")


def from_attribute(attribute: dict[str, Any]) -> Any:
    """Return the Python value of an attribute."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return int(value) if value.lstrip("-").isdigit() else float(value)
    if kind == "SS":
        return frozenset(value)
    return None if kind == "NULL" else value


def to_item(values: Item) -> dict[str, Any]:
    """Return a flat item as DynamoDB's JSON."""
    return {name: to_attribute(value) for name, value in values.items()}


def from_item(item: dict[str, Any]) -> Item:
    """Return a flat item from DynamoDB's JSON."""
    return {name: from_attribute(value) for name, value in item.items()}


def put(table: str, item: Item, *, new: bool = False) -> TransactItem:
    """Put an item; with `new`, refuse if the key is taken."""
    request: dict[str, Any] = {"TableName": table, "Item": to_item(item)}
    if new:
        request |= {"ConditionExpression": "attribute_not_exists(pk)"} | _OLD
    return {"Put": request}


def put_unless_alive(table: str, item: Item, now: int) -> TransactItem:
    """Put an item with a TTL, unless the key is taken by an item that has not expired. DynamoDB deletes
    expired items late. `now` is in seconds since the epoch."""
    return put_when(table, item, "attribute_not_exists(pk) OR expiresAt <= :now", now=now)


def put_when(table: str, item: Item, condition: str, **values: Any) -> TransactItem:
    """Put an item if the condition holds for the present one; `:name` as in `update`."""
    request = {"TableName": table, "Item": to_item(item), "ConditionExpression": condition}
    return {"Put": request | _values(values) | _OLD}


def put_version(table: str, item: Item, version: int) -> TransactItem:
    """Put an item with this `version` if the present one has the version before, or if there is none yet."""
    first = "version = :seen OR (:seen = :zero AND attribute_not_exists(pk))"
    return put_when(table, item, first, seen=version - 1, zero=0)


def check_that(table: str, key: Item, condition: str, **values: Any) -> TransactItem:
    """Refuse the transaction unless the condition holds, without a change; `:name` as in `update`."""
    request = {"TableName": table, "Key": to_item(key), "ConditionExpression": condition}
    return {"ConditionCheck": request | _values(values) | _OLD}


def delete_when(table: str, key: Item, condition: str, **values: Any) -> TransactItem:
    """Delete an item if the condition holds for it; `:name` as in `update`."""
    request = {"TableName": table, "Key": to_item(key), "ConditionExpression": condition}
    return {"Delete": request | _values(values) | _OLD}


def delete(table: str, key: Item, *, existing: bool = True) -> TransactItem:
    """Delete an item; with `existing`, refuse if it does not exist."""
    request: dict[str, Any] = {"TableName": table, "Key": to_item(key)}
    if existing:
        request |= {"ConditionExpression": "attribute_exists(pk)"} | _OLD
    return {"Delete": request}


def update(table: str, key: Item, expression: str, condition: str = "", **values: Any) -> TransactItem:
    """Update an item. In expressions, `:name` stands for the keyword argument `name`. Attribute names are
    written plainly, as none of ours is a reserved word of DynamoDB."""
    request = {"TableName": table, "Key": to_item(key), "UpdateExpression": expression} | _values(values)
    if condition:
        request |= {"ConditionExpression": condition} | _OLD
    return {"Update": request}


# A refusal includes the item that caused it: a read afterwards would cost a call and might see a later state.
_OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def _values(values: Item) -> dict[str, Any]:
    named = {f":{name}": to_attribute(value) for name, value in values.items()}
    return {"ExpressionAttributeValues": named} if named else {}


class Dynamo:
    """The DynamoDB operations that stores use."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def get(self, table: str, key: Item) -> Item | None:
        """Return an item with a consistent read, or None for a key that DynamoDB could not store."""
        if not valid_key(to_item(key)):
            return None
        answer = await self._aws.call(
            "dynamodb", "get_item", TableName=table, Key=to_item(key), ConsistentRead=True
        )
        item = answer.get("Item")
        return from_item(item) if item else None

    async def get_many(self, table: str, keys: list[Item]) -> list[Item]:
        """Return the existing items for at most 100 different keys, with consistent reads, in any order.
        Raises `Unavailable` if DynamoDB keeps leaving some unread."""
        found: list[Item] = []
        rest = [to_item(key) for key in keys]
        for attempt in range(_TRIES):
            if not rest:
                return found
            if attempt:
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))
            wanted = {table: {"Keys": rest, "ConsistentRead": True}}
            answer = await self._aws.call("dynamodb", "batch_get_item", RequestItems=wanted)
            found += [from_item(item) for item in answer["Responses"].get(table, [])]
            rest = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        raise Unavailable("The store is busy; try again.", retry_after=1)

    async def query(
        self, table: str, condition: str, *, limit: int = 0, newest_first: bool = False, **values: Any
    ) -> list[Item]:
        """Return the items of a partition that match the key condition, with consistent reads: all, reading
        1 MB at a time, or at most `limit`; fewer means that there are no more. Raises `InvalidRequest` for
        values that keys cannot have."""
        limits = {name: KEY_BYTES["pk" if f"pk = :{name}" in condition else "sk"] for name in values}
        if any(text_bytes(value) > limits[name] for name, value in values.items() if isinstance(value, str)):
            raise InvalidRequest("An id or a cursor is too long.", code="invalid_id")
        request: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": condition,
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
        } | _values(values)
        items: list[Item] = []
        while True:
            if limit:
                request["Limit"] = limit - len(items)
            answer = await self._aws.call("dynamodb", "query", **request)
            items += map(from_item, answer["Items"])
            if (limit and len(items) == limit) or "LastEvaluatedKey" not in answer:
                return items
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def query_page(self, **request: Any) -> tuple[list[Item], dict[str, Any] | None]:
        """Return one page of a query with boto3's parameters, and the key to continue from."""
        answer = await self._aws.call("dynamodb", "query", **request)
        return [from_item(item) for item in answer["Items"]], answer.get("LastEvaluatedKey")

    async def put_all(self, table: str, items: list[Item]) -> None:
        """Put items that nobody else writes, in batches as `delete_all`."""
        await write_all(self._aws, table, [{"PutRequest": {"Item": to_item(item)}} for item in items])

    async def delete_all(self, table: str, keys: list[Item]) -> None:
        """Delete items that nobody writes any more, in batches of 25 and at half the price of transactions.
        Raises `Unavailable` if DynamoDB keeps leaving some unprocessed."""
        await write_all(self._aws, table, [{"DeleteRequest": {"Key": to_item(key)}} for key in keys])

    async def write(self, request: TransactItem) -> None:
        """Make a single write at half the price of a transaction. Retries while a transaction holds the item.
        If botocore retried the write after a lost answer, a refusal by the write's own result is a success.
        (For transactions, DynamoDB recognizes the retry by its token.) Raises `ConditionFailed`, `TooLarge`
        or `Unavailable`."""
        check_write(request)
        ((kind, parameters),) = request.items()
        operation = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}[kind]
        retries = 0
        for attempt in range(_TRIES):
            code, response = await self._attempt(operation, parameters)
            if code is None:
                return
            retries += retries_of(response)
            if code == "ConditionalCheckFailedException":
                if retries and was_applied(request, response):
                    return
                raise ConditionFailed({0: from_item(response["Item"]) if response.get("Item") else None})
            await _back_off(attempt)
        raise _contended()

    async def update_each(self, updates: list[TransactItem]) -> list[Exception | None]:
        """Update items separately, and return the error of each update, or None. For items that are not in
        transactions."""
        return await self._aws.call_each("dynamodb", "update_item", [one["Update"] for one in updates])

    async def transact(self, *requests: TransactItem) -> None:
        """Make all writes or none, with retries while another transaction holds an item or capacity is
        exhausted. Raises `ConditionFailed`, `TooLarge` or `Unavailable`."""
        check_transaction(requests)
        request = {"TransactItems": list(requests), "ClientRequestToken": str(uuid4())}
        for attempt in range(_TRIES):
            code, response = await self._attempt("transact_write_items", request)
            if code is None:
                return
            if code != "TransactionInProgressException":  # the one in progress may be this one, by its token
                request["ClientRequestToken"] = str(uuid4())
            reasons = response.get("CancellationReasons", [])
            _check_sizes(reasons)
            codes = {why.get("Code") for why in reasons}
            # While another transaction holds one item, the state of the others may be about to change.
            if not codes & _PASSING and "ConditionalCheckFailed" in codes:
                raise _failed(reasons)
            await _back_off(attempt)
        raise _contended()

    async def _attempt(self, operation: str, parameters: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return the code and answer of a refusal that callers must handle; (None, {}) for a success."""
        from botocore.exceptions import ClientError

        try:
            await self._aws.call("dynamodb", operation, **parameters)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _EXPECTED:
                return code, dict(error.response)
            if code == "ValidationException" and "size" in error.response["Error"].get("Message", ""):
                raise too_large() from error
            raise
        return None, {}


def _failed(reasons: list[dict[str, Any]]) -> ConditionFailed:
    old = {n: why.get("Item") for n, why in enumerate(reasons) if why.get("Code") == "ConditionalCheckFailed"}
    return ConditionFailed({n: from_item(item) if item else None for n, item in old.items()})


def _check_sizes(reasons: list[dict[str, Any]]) -> None:
    """Raise `TooLarge` if an update would exceed an item's limit, since every attempt would fail."""
    failed = [why for why in reasons if why.get("Code") in _REFUSED]
    if any("size" in why.get("Message", "") for why in failed):
        raise too_large()
    if failed:
        raise ValueError(f"DynamoDB refuses a transaction: {failed[0].get('Message')}")


async def _back_off(attempt: int) -> None:
    # Full jitter: writers that have collided would collide again after equal waits.
    await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))


def _contended() -> Unavailable:
    return Contended("Conflicting concurrent writes; retry.", retry_after=1)


_EXPECTED = {
    "ConditionalCheckFailedException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
"""Reasons of a canceled transaction that a later attempt may not meet."""
_REFUSED = {"ValidationError", "ItemCollectionSizeLimitExceeded"}
"""Reasons that every attempt meets."""
