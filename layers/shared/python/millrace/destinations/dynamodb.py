"""DynamoDB tables (`connection: dynamodb:`).

The function's own role writes, so only tables of the caller's organization are allowed: `table: metrics` is
the table `<prefix><organization>.metrics`. The operator sets the prefix (and grants the role no other
tables).
"""

import asyncio
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from millrace.destinations.operations import Change, change_of
from millrace.destinations.results import (
    DELIVERED,
    THROTTLED,
    Dead,
    DeliveryResult,
    Failure,
    Retry,
    SendReport,
    Unsendable,
    Wait,
    result_of_error,
)
from millrace.destinations.sending import WaitForSlot
from millrace.errors import Unavailable
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.pipelines.event import Event

AT_ONCE = 16
# No dot: the last one in a full name ends the organization, which may contain dots.
_TABLE = re.compile(r"[A-Za-z0-9_-]{1,200}")
ATTRIBUTES = 250
"""The maximum number of attributes: an expression is limited to 300 operators and 4 KB."""
MARKED_SECONDS = 30 * 86_400
"""A deletion mark is the time at which the item may be deleted, for the table's time to live."""
_KINDS = {"S": "text", "N": "a number", "B": "binary"}
Payload = dict[str, Any]


class DynamoSender:
    """Writes items to one table.

    A repeated insert, and a row older than the existing one, change nothing and count as delivered.
    """

    def __init__(self, config: DatabaseConfig, organization: str, prefix: str, aws: Any) -> None:
        self._config = config
        self._table = full_name(config.table, organization, prefix)
        self._aws = aws
        self._key: list[str] | None = None
        self._places = asyncio.Semaphore(AT_ONCE)

    async def send(self, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport:
        """Return a result for each event. Events with the same key are written one after the other."""
        wait = await wait_for_slot()
        if wait:
            return SendReport([Wait(wait)] * len(events))
        try:
            key = await self._look_up()
        except (Unavailable, ClientError) as error:
            return _report([_refused(error)] * len(events))
        except Unsendable as error:
            return SendReport([result_of_error(error)] * len(events), succeeded=1)
        return await self._write_all(events, key)

    async def check(self) -> None:
        """Look up the table. Raises `Unsendable`, `Unavailable` or `ClientError`."""
        await self._look_up()

    async def _write_all(self, events: Sequence[Event], key: list[str]) -> SendReport:
        chains: dict[str, list[int]] = {}
        for position, event in enumerate(events):
            chains.setdefault(repr([_same(event.payload.get(name)) for name in key]), []).append(position)
        results: dict[int, DeliveryResult] = {}

        async def write(chain: list[int]) -> None:
            down: DeliveryResult | None = None
            for position in chain:
                async with self._places:
                    # A later event is not written before an earlier one that has to be repeated.
                    results[position] = down or await self._write(events[position], key)
                down = results[position] if isinstance(results[position], Retry) else None

        await asyncio.gather(*(write(chain) for chain in chains.values()))
        return _report([results[n] for n in range(len(events))])

    async def _look_up(self) -> list[str]:
        """Return the names of the table's key attributes, which `conflictFields` must be equal to."""
        if self._key is None:
            try:
                answer = await self._aws.call("dynamodb", "describe_table", TableName=self._table)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    raise Unsendable("unknown_table", f"There is no table {self._table}.") from None
                raise
            self._key = [each["AttributeName"] for each in answer["Table"]["KeySchema"]]
        if self._config.conflict_fields and sorted(self._config.conflict_fields) != sorted(self._key):
            raise Unsendable(
                "no_unique_key", f"`conflictFields` must be the table's key: {', '.join(self._key)}."
            )
        return self._key

    async def _write(self, event: Event, key: list[str]) -> DeliveryResult:
        try:
            change = change_of(self._config, event)
            operation, request = self._request(change, event.time, key)
        except Exception as error:
            return result_of_error(error)
        try:
            await self._aws.call("dynamodb", operation, TableName=self._table, **request)
        except ClientError as error:
            return self._not_comparable(error, change) or _refused(error)
        except Exception as error:
            return _refused(error) if isinstance(error, Unavailable) else result_of_error(error)
        return DELIVERED

    def _not_comparable(self, error: ClientError, change: Change) -> DeliveryResult | None:
        """Return the failure if the versions have different types.

        To DynamoDB, no text is less than a number, so a version of a different type than the item's would be
        stale forever without anybody noticing.
        """
        version = self._config.version_field or ""
        answer: dict[str, Any] = {**error.response}
        there: dict[str, Any] = answer.get("Item", {}).get(version, {})
        given = _serialized(change.values.get(version))
        if not there or there.keys() == given.keys():
            return None
        said = f"{version} is {_kind(given)} here and {_kind(there)} in the item: they cannot be compared."
        return Dead(Failure("invalid_version", said))

    def _request(self, change: Change, time: int, key: list[str]) -> tuple[str, dict[str, Any]]:
        values = change.values
        missing = [name for name in key if values.get(name) in (None, "")]
        if missing:
            raise Unsendable(
                "incomplete", f"The event lacks {', '.join(missing)}, which identifies its item."
            )
        expression = _Expression(values)
        request = self._condition(change, key, expression)
        if change.operation == "insert":
            request["Item"] = {name: _serialized(value) for name, value in values.items()}
            return "put_item", request | expression.parameters()
        request["Key"] = {name: _serialized(values[name]) for name in key}
        if change.operation == "delete":
            return "delete_item", request | expression.parameters()
        request |= self._changes(change, time, key, expression)
        return "update_item", request | expression.parameters()

    def _changes(
        self, change: Change, time: int, key: list[str], expression: "_Expression"
    ) -> dict[str, Any]:
        """Return the changes of an event: its attributes are set, and all others of the item stay."""
        changed = [name for name in change.values if name not in key]
        if not changed and change.operation == "update":
            raise Unsendable("incomplete", "An update needs an attribute to change.")
        if len(changed) > ATTRIBUTES:
            raise Unsendable("too_large", f"An item must not exceed {ATTRIBUTES} attributes.")
        sets = [f"{expression.name(name)}={expression.value(name)}" for name in changed]
        mark, removes = self._config.deleted_field, ""
        if mark and change.deleted:
            sets.append(f"{expression.name(mark)}={expression.given(time // 1000 + MARKED_SECONDS)}")
        elif mark:
            removes = f"REMOVE {expression.name(mark)}"
        said = " ".join(filter(None, [f"SET {','.join(sets)}" if sets else "", removes]))
        return {"UpdateExpression": said} if said else {}

    def _condition(self, change: Change, key: list[str], expression: "_Expression") -> dict[str, Any]:
        if change.operation == "insert":
            return {"ConditionExpression": f"attribute_not_exists({expression.name(key[0])})"}
        parts: list[str] = []
        if change.operation == "update":
            parts.append(f"attribute_exists({expression.name(key[0])})")
        version = self._config.version_field
        if version:
            if change.values.get(version) is None:
                raise Unsendable(
                    "incomplete", f"The event lacks {version}, which is needed to tell whether it is stale."
                )
            name = expression.name(version)
            # A version of null compares with nothing, so without this the item could never be written again.
            none = f"attribute_not_exists({name}) OR attribute_type({name}, {expression.given('NULL')})"
            parts.append(f"({none} OR {name} < {expression.value(version)})")
        if not parts:
            return {}
        condition = " AND ".join(parts)
        return {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


class _Expression:
    """Placeholders for names and values, because users' attributes may be reserved words."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def name(self, attribute: str) -> str:
        return self._names.setdefault(attribute, f"#n{len(self._names)}")

    def value(self, attribute: str) -> str:
        placeholder = self.name(attribute).replace("#n", ":v")
        self._values[placeholder] = _serialized(self._payload[attribute])
        return placeholder

    def given(self, value: Any) -> str:
        """Add a value that is not from the event."""
        placeholder = f":g{len(self._values)}"
        self._values[placeholder] = _serialized(value)
        return placeholder

    def parameters(self) -> dict[str, Any]:
        """Return the placeholders in use. DynamoDB rejects unused placeholders and empty maps."""
        names = {short: name for name, short in self._names.items()}
        parameters = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": self._values}
        return {name: placeholders for name, placeholders in parameters.items() if placeholders}


def _same(value: Any) -> Any:
    """Return the same value for numbers that DynamoDB considers equal: 1 and 1.0."""
    return float(value) if type(value) in (int, float) else value


def full_name(table: str, organization: str, prefix: str) -> str:
    """Return the table's full name. Raises `Unsendable` for a name that could be another organization's."""
    if not prefix:
        raise Unsendable("not_configured", "This deployment may not write to DynamoDB tables.")
    if not _TABLE.fullmatch(table):
        raise Unsendable("invalid_table", "The name of a DynamoDB table must consist of `A-Z a-z 0-9 _ -`.")
    return f"{prefix}{organization}.{table}"


def _serialized(value: Any) -> dict[str, Any]:
    try:
        return dict(TypeSerializer().serialize(_decimal(value)))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Unsendable("invalid_value", f"DynamoDB cannot hold a value: {error}") from None


def _decimal(value: Any) -> Any:
    """Convert floats to decimals, as DynamoDB's numbers are decimal."""
    if isinstance(value, float):
        # repr is the shortest decimal for a float. Decimal(value) has all its binary digits, but DynamoDB
        # accepts at most 38.
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _decimal(each) for name, each in value.items()}
    return [_decimal(each) for each in value] if isinstance(value, list) else value


def _kind(value: dict[str, Any]) -> str:
    kind = next(iter(value))
    return _KINDS.get(kind, kind)


def _report(results: list[DeliveryResult]) -> SendReport:
    """Count a batch as one request. A table that throttles is available, so this is not a failure."""
    retries = [result for result in results if isinstance(result, Retry)]
    failed = any(result.failure.code != THROTTLED for result in retries)
    return SendReport(results, int(not retries), int(failed))


def _refused(error: Unavailable | ClientError) -> DeliveryResult:
    if isinstance(error, Unavailable):
        return result_of_error(error)
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return DELIVERED
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code == "TransactionConflictException" or (status or 0) >= 500:
        return Retry(Failure("conflict", str(error), status))
    return Dead(Failure("refused", str(error), status))
