"""Registers in the table of windows, read and written one by one or up to a hundred at a time.

A register is written only if it still has the version that was read. The SDK may repeat a write after a lost
answer: a single write recognizes this by its `writer`, a transaction by the SDK's token.
"""

import random
import time
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from millrace.domain.ids import new_ulid
from millrace.domain.portions import portions
from millrace.errors import Unavailable
from millrace.stores.aws import Aws, unavailable_when_down
from millrace.stores.sizes import too_large

DUE_SHARDS = 4
_READ_TOGETHER = _WRITE_TOGETHER = 100
_WRITE_BYTES = 3_000_000  # of a transaction's 4 MB
_TRIES = 8


class StoredRegister(NamedTuple):
    """A stored register. `due` is in epoch milliseconds, or None if it is never due."""

    data: bytes
    version: int
    due: int | None


class RegisterWrite(NamedTuple):
    """A register to set; see `Registers.write`."""

    store_key: str
    owner: str
    data: bytes
    version: int
    expires: int
    due: int | None = None


class Registers:
    """One register for each key."""

    def __init__(self, aws: Aws, table: str) -> None:
        self._aws = aws
        self._table = table

    @property
    def _client(self) -> Any:
        return self._aws.client("dynamodb")

    def read(self, store_key: str) -> StoredRegister | None:
        """Return the key's register, or None."""
        with unavailable_when_down("dynamodb"):
            answer = self._client.get_item(
                TableName=self._table, Key=_register_key(store_key), ConsistentRead=True
            )
        item = answer.get("Item")
        return _to_register(item) if item else None

    def write(
        self, store_key: str, owner: str, data: bytes, version: int, expires: int, due: int | None = None
    ) -> bool:
        """Set the register to version + 1 if it is still at `version` (0: absent).

        Return whether it was set.
        """
        return self._put_if(RegisterWrite(store_key, owner, data, version, expires, due))

    def _put_if(self, write: RegisterWrite) -> bool:
        from botocore.exceptions import ClientError

        put = self._put(write, writer := new_ulid())
        try:
            with unavailable_when_down("dynamodb"):
                self._client.put_item(**put)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # another transaction holds the item and may well succeed
            if code == "TransactionConflictException":
                time.sleep(random.uniform(0, 0.02))
                return False
            if code != "ConditionalCheckFailedException":
                raise
            return _is_by(writer, error.response)
        return True

    def _put(self, write: RegisterWrite, writer: str) -> dict[str, Any]:
        """Return the request that sets a register."""
        item = _register_key(write.store_key) | {
            "registerData": {"B": write.data},
            "registerVersion": {"N": str(write.version + 1)},
            "writer": {"S": writer},
            "expiresAt": {"N": str(write.expires // 1000)},
        }
        if write.due is not None:
            item |= {
                # crc32, because Python's hash of a string differs between processes.
                "duePk": {"S": due_shard(zlib.crc32(write.store_key.encode()))},
                "ownerPk": {"S": write.owner},
                "dueAt": {"N": str(write.due)},
            }
        request = {
            "TableName": self._table,
            "Item": item,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return request | _still_at(write.version)

    def read_many(self, store_keys: list[str]) -> dict[str, StoredRegister]:
        """Return the registers that exist for different keys."""
        found: dict[str, StoredRegister] = {}
        for start in range(0, len(store_keys), _READ_TOGETHER):
            for item in self._read_together(store_keys[start : start + _READ_TOGETHER]):
                found[item["pk"]["S"].rpartition("#")[0]] = _to_register(item)
        return found

    def _read_together(self, store_keys: list[str]) -> Iterator[dict[str, Any]]:
        asked = {self._table: {"Keys": list(map(_register_key, store_keys)), "ConsistentRead": True}}
        for attempt in range(_TRIES):
            with unavailable_when_down("dynamodb"):
                answer = self._client.batch_get_item(RequestItems=asked)
            yield from answer["Responses"].get(self._table, [])
            asked = answer.get("UnprocessedKeys", {})
            if not asked:
                return
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise Unavailable("DynamoDB does not answer these reads now.", retry_after=1)

    def write_many(self, writes: list[RegisterWrite]) -> set[str]:
        """Set registers of different keys, each if it is still at its version. Return the keys that were not
        set.

        Uses transactions to make fewer calls, although their writes cost twice as much.
        """
        return {
            store_key
            for portion in portions(writes, lambda write: len(write.data), _WRITE_BYTES, _WRITE_TOGETHER)
            for store_key in self._write_together(portion)
        }

    def _write_together(self, writes: list[RegisterWrite]) -> Iterator[str]:
        """Leave out a register that is no longer at its version, and retry the others."""
        if len(writes) == 1:
            if not self._put_if(writes[0]):
                yield writes[0].store_key
            return
        for attempt in range(_TRIES):
            outdated = self._transact(writes)
            if outdated is None:
                return
            yield from outdated
            if not outdated:  # others hold some of them, or capacity is exhausted
                time.sleep(random.uniform(0, 0.02 * 2**attempt))
            writes = [each for each in writes if each.store_key not in outdated]
            if not writes:
                return
        raise Unavailable("DynamoDB does not take these writes now.", retry_after=1)

    def _transact(self, writes: list[RegisterWrite]) -> set[str] | None:
        """Return None if all are written.

        Otherwise nothing is; return the keys no longer at their version.
        """
        from botocore.exceptions import ClientError

        puts = [{"Put": self._put(each, new_ulid())} for each in writes]
        try:
            with unavailable_when_down("dynamodb"):
                self._client.transact_write_items(TransactItems=puts)
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            return _outdated(writes, error.response.get("CancellationReasons", []))  # type: ignore[arg-type]
        return None


def _register_key(store_key: str) -> dict[str, Any]:
    return {"pk": {"S": f"{store_key}#0"}, "sk": {"S": "META"}}


def _still_at(version: int) -> dict[str, Any]:
    """Return the condition of a write: nobody has set the register since it was read."""
    if version == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "registerVersion = :seen",
        "ExpressionAttributeValues": {":seen": {"N": str(version)}},
    }


def _is_by(writer: str, refusal: Any) -> bool:
    """Return whether the write was refused because of our own earlier attempt, whose answer was lost."""
    return bool(refusal.get("Item", {}).get("writer", {}).get("S") == writer)


def _outdated(writes: list[RegisterWrite], reasons: list[dict[str, Any]]) -> set[str]:
    """Return the keys whose condition failed. Raises `TooLarge` if one can never be written."""
    codes = [why.get("Code") for why in reasons]
    if "ValidationError" in codes:
        raise too_large()
    pairs = zip(writes, codes, strict=True)
    return {write.store_key for write, code in pairs if code == "ConditionalCheckFailed"}


def due_shard(number: int) -> str:
    """Return the partition of an index that lists registers by their due times."""
    return f"DUE#{number % DUE_SHARDS}"


def _to_register(item: dict[str, Any]) -> StoredRegister:
    due = item.get("dueAt", {}).get("N")
    version = int(item["registerVersion"]["N"])
    return StoredRegister(bytes(item["registerData"]["B"]), version, int(due) if due else None)
