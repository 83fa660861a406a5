"""DynamoDB tables (`connection: dynamodb:`). The function's own role writes, so only tables of the caller's
organisation can be meant: `table: metrics` is the table `<prefix><organisation>.metrics`, where the operator
sets the prefix (and grants the role no other tables).
"""

import asyncio
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from millrace.destinations.fates import (
    DELIVERED,
    Dead,
    Failure,
    Fate,
    Retry,
    Sent,
    Unsendable,
    Wait,
    fate_of_error,
)
from millrace.destinations.sending import Turn
from millrace.errors import Unavailable
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.pipelines.event import Event

AT_ONCE = 16
_TABLE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_NUMBER_DIGITS = 38
Payload = dict[str, Any]


class DynamoSender:
    """Writes items to one table. A repeated insert, and a row staler than the one that is there, change
    nothing and count as delivered."""

    def __init__(self, config: DatabaseConfig, organization: str, prefix: str, aws: Any) -> None:
        self._config = config
        self._table = full_name(config.table, organization, prefix)
        self._aws = aws
        self._key: list[str] | None = None
        self._places = asyncio.Semaphore(AT_ONCE)

    async def send(self, events: Sequence[Event], turn: Turn) -> Sent:
        """One fate per event. Events with the same key are written one after the other, in their order."""
        wait = await turn()
        if wait:
            return Sent([Wait(wait)] * len(events))
        try:
            key = await self._look_up()
        except (Unavailable, ClientError) as error:
            return Sent([_refused(error)] * len(events), failed=1)
        except Unsendable as error:
            return Sent([fate_of_error(error)] * len(events), succeeded=1)
        return await self._write_all(events, key)

    async def check(self) -> None:
        """Looks the table up. Raises `Unsendable`, `Unavailable` or `ClientError`."""
        await self._look_up()

    async def _write_all(self, events: Sequence[Event], key: list[str]) -> Sent:
        chains: dict[str, list[int]] = {}
        for position, event in enumerate(events):
            chains.setdefault(repr([_same(event.payload.get(name)) for name in key]), []).append(position)
        fates: dict[int, Fate] = {}

        async def write(chain: list[int]) -> None:
            down: Fate | None = None
            for position in chain:
                async with self._places:
                    # What comes later is not written before what has to come again.
                    fates[position] = down or await self._write(events[position].payload, key)
                down = fates[position] if isinstance(fates[position], Retry) else None

        await asyncio.gather(*(write(chain) for chain in chains.values()))
        failed = any(isinstance(fate, Retry) for fate in fates.values())
        return Sent([fates[n] for n in range(len(events))], int(not failed), int(failed))

    async def _look_up(self) -> list[str]:
        """The names of the table's key attributes, which `conflictFields` have to be."""
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
                "no_unique_key", f"`conflictFields` are the table's key: {', '.join(self._key)}."
            )
        return self._key

    async def _write(self, payload: Payload, key: list[str]) -> Fate:
        try:
            operation, request = self._request(payload, key)
            await self._aws.call("dynamodb", operation, TableName=self._table, **request)
        except (Unavailable, ClientError) as error:
            return _refused(error)
        except Exception as error:
            return fate_of_error(error)
        return DELIVERED

    def _request(self, payload: Payload, key: list[str]) -> tuple[str, dict[str, Any]]:
        missing = [name for name in key if payload.get(name) in (None, "")]
        if missing:
            raise Unsendable(
                "incomplete", f"The event lacks {', '.join(missing)}, which identifies its item."
            )
        values = _Expression(payload)
        condition = self._condition(payload, key, values)
        if self._config.operation != "update":
            request: dict[str, Any] = {"Item": {name: _serialized(value) for name, value in payload.items()}}
        else:
            changed = [name for name in payload if name not in key]
            if not changed:
                raise Unsendable("incomplete", "An update needs an attribute to change.")
            sets = ", ".join(f"{values.name(name)} = {values.value(name)}" for name in changed)
            request = {
                "Key": {name: _serialized(payload[name]) for name in key},
                "UpdateExpression": f"SET {sets}",
            }
        operation = "update_item" if self._config.operation == "update" else "put_item"
        return operation, request | condition | values.parameters()

    def _condition(self, payload: Payload, key: list[str], values: "_Expression") -> dict[str, Any]:
        if self._config.operation == "insert":
            return {"ConditionExpression": f"attribute_not_exists({values.name(key[0])})"}
        parts: list[str] = []
        if self._config.operation == "update":
            parts.append(f"attribute_exists({values.name(key[0])})")
        version = self._config.version_field
        if version:
            if payload.get(version) is None:
                raise Unsendable("incomplete", f"The event lacks {version}, which says whether it is stale.")
            name = values.name(version)
            parts.append(f"(attribute_not_exists({name}) OR {name} < {values.value(version)})")
        return {"ConditionExpression": " AND ".join(parts)} if parts else {}


class _Expression:
    """Placeholders for names and values: users' attributes may be reserved words."""

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

    def parameters(self) -> dict[str, Any]:
        """What was named; DynamoDB refuses placeholders that nothing uses, and empty maps."""
        names = {short: name for name, short in self._names.items()}
        told = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": self._values}
        return {name: placeholders for name, placeholders in told.items() if placeholders}


def _same(value: Any) -> Any:
    """One form for numbers that DynamoDB takes for the same: 1 and 1.0."""
    return float(value) if type(value) in (int, float) else value


def full_name(table: str, organization: str, prefix: str) -> str:
    """The real table. Raises `Unsendable` for a name that could be another organisation's."""
    if not prefix:
        raise Unsendable("not_configured", "This deployment writes to no DynamoDB tables.")
    if not _TABLE.fullmatch(table):
        raise Unsendable("invalid_table", "A DynamoDB table's name here has only `A-Z a-z 0-9 _ -`.")
    return f"{prefix}{organization}.{table}"


def _serialized(value: Any) -> dict[str, Any]:
    try:
        return dict(TypeSerializer().serialize(_decimal(value)))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Unsendable("invalid_value", f"DynamoDB cannot hold a value: {error}") from None


def _decimal(value: Any) -> Any:
    """DynamoDB's numbers are decimal."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _decimal(each) for name, each in value.items()}
    return [_decimal(each) for each in value] if isinstance(value, list) else value


def _refused(error: Unavailable | ClientError) -> Fate:
    if isinstance(error, Unavailable):
        return Retry(Failure("unreachable", error.message))
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return DELIVERED
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code == "TransactionConflictException" or (status or 0) >= 500:
        return Retry(Failure("conflict", str(error), status))
    return Dead(Failure("refused", str(error), status))
