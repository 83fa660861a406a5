"""Stored items as records for people and programs: JSON objects without secrets, and with whole texts."""

import base64
import zlib
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import orjson

from millrace.domain.agents import HIDDEN, QUERY
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.stores.connect import Stores
from millrace.stores.dynamo import Dynamo, Item
from millrace.stores.log_items import parts_missing, unpack, whole
from millrace.stores.message_items import Parts, part_keys, parts_of

SECRET = frozenset(("sealed", "secretHash", "previousHash"))
"""Attributes that are never exported."""
JSON_TEXTS = frozenset(
    (
        "answer",
        "blocks",
        "body",
        "branches",
        "calls",
        "details",
        "hosts",
        "metadata",
        "seen",
        "sharedWith",
        "shown",
        "target",
        "texts",
        "totals",
        "unannounced",
    )
)
"""Attributes whose text is JSON."""
_SERVERS = frozenset(("mcpServers", "a2aAgents"))
_AT_ONCE = 100
Record = dict[str, Any]


async def records_of(stores: Stores, table: str, items: Iterable[Item]) -> AsyncGenerator[Record, None]:
    """Yield the records of a table's items.

    There is one record for each item. An item of the event log has several, and parts belong to their first
    item.
    """
    for item in items:
        if str(item.get("pk")).startswith("SECRET#") or _is_part(item):
            continue
        if isinstance(item.get("data"), bytes) and "first" in item:
            for record in _logged(await _with_parts(stores, table, item)):
                yield record
        else:
            yield await _record(stores, table, item)


def _is_part(item: Item) -> bool:
    """Return whether an item is a part of another one."""
    if not isinstance(item.get("data"), bytes):
        return False
    return item["sk"].startswith("C#") or ("first" in item and "." in item["sk"])


async def _with_parts(stores: Stores, table: str, head: Item) -> list[Item]:
    keys = [{"pk": head["pk"], "sk": f"{head['sk']}.{n:04d}"} for n in range(1, parts_missing([head]) + 1)]
    return [head, *await _items(stores, table, keys)]


async def _items(stores: Stores, table: str, keys: list[Item]) -> list[Item]:
    dynamo, found = Dynamo(stores.aws), list[Item]()
    for start in range(0, len(keys), _AT_ONCE):
        found += await dynamo.get_many(table, keys[start : start + _AT_ONCE])
    return sorted(found, key=lambda item: str(item["sk"]))


def _logged(items: list[Item]) -> Iterable[Record]:
    for head, data in whole(items):
        for event in unpack(head, data):
            yield {
                "pk": head["pk"],
                "sk": items[0]["sk"],
                "seq": event.seq,
                "at": iso(event.at) if event.at else None,
                "event": event.event,
            }


async def _record(stores: Stores, table: str, item: Item) -> Record:
    record = {name: _value(name, value) for name, value in item.items() if name not in SECRET}
    if isinstance(record.get("body"), dict) and (parts := _parts(item)):
        record["body"] |= await _content(stores, table, item, parts)
        record = {name: value for name, value in record.items() if name not in _ABOUT_PARTS}
    hidden: Record = without_headers(record)
    return hidden


_ABOUT_PARTS = ("contentId", "parts", "contentBytes", "shortened")


def _parts(item: Item) -> Parts | None:
    return parts_of(item) if all(name in item for name in _ABOUT_PARTS) else None


async def _content(stores: Stores, table: str, head: Item, parts: Parts) -> Record:
    slot = Slot(*head["pk"].split("#", 2))
    found = await _items(stores, table, part_keys(slot, parts))
    if len(found) != parts.count:
        return {}  # it is being replaced or deleted
    content: Record = orjson.loads(zlib.decompress(b"".join(one["data"] for one in found)))
    return content


def _value(name: str, value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return _of_bytes(value)
    if isinstance(value, str) and name in JSON_TEXTS:
        return _json(value, value)
    return value


def _of_bytes(value: bytes) -> Any:
    """Return the JSON in bytes, compressed or not; otherwise the text, or base64."""
    try:
        return orjson.loads(zlib.decompress(value))
    except (ValueError, zlib.error):
        pass
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
    return _json(text, text)


def _json(text: str, otherwise: Any) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return otherwise


def without_headers(value: Any) -> Any:
    """Return a value in which MCP servers and A2A agents have only the names of their headers, and no
    query."""
    if isinstance(value, list):
        return [without_headers(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: [_server(one) for one in each]
        if name in _SERVERS and isinstance(each, list)
        else without_headers(each)
        for name, each in value.items()
    }


def _server(server: Any) -> Any:
    if not isinstance(server, dict):
        return server
    headers = server.get("headers")
    url = server.get("url")
    changed: Record = {}
    if isinstance(headers, dict):
        changed["headers"] = {name: HIDDEN for name in headers if name != QUERY}
    if isinstance(url, str) and "?" in url:
        changed["url"] = f"{url.partition('?')[0]}?{HIDDEN}"
    return server | changed
