"""A message as items of its slot's partition: a head, and parts for large content.

  M#<position>           the head: the message, whole or with its content shortened or its steps left out
  C#<content id>#<part>  the content and the steps as compressed JSON, if the head is not complete

The content id is new with every writer and is stored only in the head, so parts may be written first. `C`
sorts before `M`, so the query that opens a slot reads no parts. Deleting the partition deletes the parts.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import asdict, replace

from millrace.domain.conversations import Slot, StoredMessage, WorkPosition
from millrace.stores.dynamo import Item

INLINE_BYTES = 64 * 1024
"""A larger message is stored in parts."""
TOOL_BYTES = 4_000
"""A message with a larger tool call or result is stored in parts, because old ones are read shortened."""
STEPS_BYTES = 4_000
"""Larger steps are stored in parts, because models do not read them."""
SHORT_BYTES = 1_000
# DynamoDB rejects items above 400 KB.
PART_BYTES = 300_000
_HEAD_BYTES = 24 * 1024
_FEWEST_BYTES = 100
_UNREADABLE = "[This message has too many parts to be shown in short.]"

Block = dict[str, Any]


class Parts(Struct, frozen=True):
    """The location of what a head leaves out: `count` parts with `size` bytes of JSON.

    `shortened` means that the head lacks some of the content, not only the steps.
    """

    content_id: str
    count: int
    size: int
    shortened: bool


def to_items(slot: Slot, position: int, message: StoredMessage, writer: str) -> tuple[Item, list[Item]]:
    """Return the head and the parts of a message; `writer` is unique to the process that writes them."""
    large, many = _is_large(message.content), len(orjson.dumps(message.steps)) > STEPS_BYTES
    if not (large or many):
        return _head(slot, position, message, None), []
    data = orjson.dumps({"content": message.content, "steps": message.steps})
    packed = zlib.compress(data, 1)
    chunks = [packed[at : at + PART_BYTES] for at in range(0, len(packed), PART_BYTES)]
    parts = Parts(f"{message.id}.{writer}", len(chunks), len(data), large)
    short = replace(message, content=shortened(message.content) if large else message.content, steps=[])
    items = [_part_key(slot, parts, n) | {"data": chunk} for n, chunk in enumerate(chunks)]
    return _head(slot, position, short, parts), items


def _is_large(content: Sequence[Block]) -> bool:
    size = len(orjson.dumps(content))
    if size <= TOOL_BYTES:
        return False
    tools = (block for block in content if "toolUse" in block or "toolResult" in block)
    return size > INLINE_BYTES or any(len(orjson.dumps(block)) > TOOL_BYTES for block in tools)


def _head(slot: Slot, position: int, message: StoredMessage, parts: Parts | None) -> Item:
    body = {
        "id": message.id,
        "role": message.role,
        "content": message.content,
        "createdAt": message.created_at,
        "runId": message.run_id,
        "injected": message.injected,
        "interrupted": message.interrupted,
        "extra": message.extra,
        "steps": message.steps,
        "visibility": message.visibility,
        "createdBy": message.created_by,
    }
    if message.position:
        body["place"] = asdict(message.position)
    item: Item = {"pk": slot.key, "sk": _sort_key(position, message), "body": orjson.dumps(body).decode()}
    if parts:
        item |= {"contentId": parts.content_id, "parts": parts.count, "contentBytes": parts.size}
        item["shortened"] = parts.shortened
    return item


def _sort_key(position: int, message: StoredMessage) -> str:
    if message.position is None:
        return message_key(position)
    return f"{nested_key(message.run_id or '')}M#{message.position.work}#{message.position.number:06d}"


def nested_key(run_id: str) -> str:
    """Return the prefix of sort keys for nested work in a run.

    `D` sorts before `M`, so the query that opens a slot does not read it.
    """
    return f"D#{run_id}#"


def message_key(position: int) -> str:
    """Return the sort key of the message at a position, counted from 1."""
    return f"M#{position:08d}"


def _part_key(slot: Slot, parts: Parts, part: int) -> Item:
    return {"pk": slot.key, "sk": f"C#{parts.content_id}#{part:04d}"}


def part_keys(slot: Slot, parts: Parts) -> list[Item]:
    """Return the keys of all parts, in order."""
    return [_part_key(slot, parts, n) for n in range(parts.count)]


def to_message(item: Item) -> StoredMessage:
    """Return the message in a head, with its content as it is there."""
    body = orjson.loads(item["body"])
    return StoredMessage(
        id=body["id"],
        role=body["role"],
        content=body["content"],
        created_at=body["createdAt"],
        run_id=body["runId"],
        injected=body["injected"],
        interrupted=body["interrupted"],
        extra=body["extra"],
        steps=body.get("steps", []),
        visibility=body.get("visibility"),
        created_by=body.get("createdBy", ""),
        position=WorkPosition(**body["place"]) if "place" in body else None,
    )


def parts_of(item: Item) -> Parts | None:
    """Return the parts of a head, or None if it has the whole content."""
    if "contentId" not in item:
        return None
    return Parts(item["contentId"], item["parts"], item["contentBytes"], item["shortened"])


def completed(message: StoredMessage, parts: Sequence[Item]) -> StoredMessage:
    """Return the message of a head with the content and the steps from its parts."""
    body = orjson.loads(zlib.decompress(b"".join(part["data"] for part in parts)))
    return replace(message, content=body["content"], steps=body["steps"])


def shortened(content: Sequence[Block]) -> list[Block]:
    """Truncate every text and argument of the content to a few bytes, with a note if something is missing.

    Calls and results stay, so that a model can make sense of the rest. Thinking is left out if a provider
    accepts it only unchanged; thinking that is returned as plain text is truncated.
    """
    room = max(_FEWEST_BYTES, min(SHORT_BYTES, _HEAD_BYTES // max(1, len(content))))
    short = [_short_block(block, room) for block in content if _is_plain(block)]
    return short if len(orjson.dumps(short)) <= PART_BYTES else [{"text": _UNREADABLE}]


def _is_plain(block: Block) -> bool:
    """Return whether a block is not thinking, or is thinking without a signature or encryption."""
    if "reasoningContent" not in block:
        return True
    wanted = block.get("providerData", {}).values()
    return bool(wanted) and all(one.keys() == {"field"} for one in wanted)


def _short_block(block: Block, room: int) -> Block:
    if "text" in block:
        return {"text": _cut(block["text"], room)}
    if "toolResult" in block:
        result = block["toolResult"]
        texts = [{"text": _cut(one.get("text", ""), room)} for one in result["content"]]
        return {"toolResult": result | {"content": texts}}
    if "reasoningContent" in block:
        text = {"text": _cut(block["reasoningContent"]["reasoningText"]["text"], room)}
        return block | {"reasoningContent": {"reasoningText": text}}
    if "toolUse" in block:
        use = block["toolUse"]
        given = orjson.dumps(use["input"])
        if len(given) > room:
            return {"toolUse": use | {"input": {"shortened": _cut(given.decode(), room)}}}
    return block


def _cut(text: str, room: int) -> str:
    data = text.encode()
    if len(data) <= room:
        return text
    # The cut may fall within a character, whose remaining bytes are dropped.
    return f"{data[:room].decode(errors='ignore')}\n[shortened here: the whole has {len(data):,} bytes]"
