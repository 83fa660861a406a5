"""Stored sizes and limits of DynamoDB.

DynamoDB counts the UTF-8 bytes of an attribute's name and of its value. Emulators accept more, so every write
is measured here before it is sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from millrace.errors import InvalidRequest, TooLarge
from millrace.stores.aws_json import encoded

ITEM_BYTES = 400 * 1024
TRANSACTION_ITEMS = 100
TRANSACTION_BYTES = 4 * 1024 * 1024
ROOMY_BYTES = 3_000_000
"""The maximum size that we put into one transaction; the emulator counts bytes as base64."""
KEY_BYTES = {"pk": 2048, "sk": 1024}
_SMALL_BYTES = 4096
"""Writes up to this size are not measured attribute by attribute. Their JSON is never shorter than what
DynamoDB stores, and taking its length is much faster."""
_NUMBER_BYTES = 21
"""The maximum size of a number: 38 digits in pairs, a sign and an exponent."""

Attributes = Mapping[str, Mapping[str, Any]]


def text_bytes(text: str) -> int:
    """Return the length of a text in UTF-8, without encoding the common case of ASCII."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def item_bytes(item: Attributes) -> int:
    """Return the stored size of an item in DynamoDB's JSON; numbers count with their maximum size."""
    return sum(text_bytes(name) + _value_bytes(value) for name, value in item.items())


def _value_bytes(attribute: Mapping[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    if kind == "S":
        return text_bytes(value)
    if kind == "B":
        return len(value)
    if kind == "SS":
        return sum(map(text_bytes, value))
    return _NUMBER_BYTES if kind == "N" else 1


def request_bytes(request: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the stored size of a write: the item, or the key and the values of an update.

    For a small write, this is the length of its JSON, which is a little more.
    """
    if (size := len(encoded(request))) <= _SMALL_BYTES:
        return size
    ((_, parameters),) = request.items()
    item = parameters.get("Item") or parameters.get("Key", {})
    return item_bytes(item) + item_bytes(parameters.get("ExpressionAttributeValues", {}))


def valid_key(key: Attributes) -> bool:
    """Return whether DynamoDB can store an item under this key."""
    lengths = ((text_bytes(value["S"]), KEY_BYTES[name]) for name, value in key.items() if name in KEY_BYTES)
    return all(0 < length <= limit for length, limit in lengths)


def check_write(request: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the size of a write (see `request_bytes`). Raise `TooLarge` or `InvalidRequest` for a write that
    DynamoDB would reject because of its size."""
    size = request_bytes(request)
    if size > ITEM_BYTES:
        raise too_large(size)
    ((_, parameters),) = request.items()
    if not valid_key(parameters.get("Item") or parameters["Key"]):
        raise InvalidRequest("An id is empty or too long.", code="invalid_id")
    return size


def fits(requests: Sequence[Mapping[str, Mapping[str, Any]]]) -> bool:
    """Return whether these writes fit in one transaction, with room to spare."""
    return len(requests) <= TRANSACTION_ITEMS and sum(map(request_bytes, requests)) <= ROOMY_BYTES


def check_transaction(requests: Iterable[Mapping[str, Mapping[str, Any]]]) -> None:
    """Raise `TooLarge` or `InvalidRequest` for a transaction that DynamoDB would reject because of its
    size."""
    sizes = [check_write(request) for request in requests]
    count, total = len(sizes), sum(sizes)
    if count > TRANSACTION_ITEMS or total > TRANSACTION_BYTES:
        raise TooLarge(
            f"{count} items of {total:,} bytes must be stored together; the limit is {TRANSACTION_ITEMS} "
            f"items and {TRANSACTION_BYTES:,} bytes. Send less at once.",
            code="too_large",
        )


def too_large(size: int | None = None) -> TooLarge:
    """Return the error for an item that cannot be stored."""
    what = f"has {size:,} bytes as stored" if size else "is too large to be stored"
    return TooLarge(f"This {what}; it must not exceed {ITEM_BYTES:,} bytes.", limit=ITEM_BYTES)
