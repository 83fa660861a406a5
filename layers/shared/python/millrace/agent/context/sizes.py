"""The sizes of histories in tokens, and ways to shorten histories without a model."""

from collections.abc import Sequence

import orjson
from msgspec.structs import replace

from millrace.agent import attachments
from millrace.agent.estimate import tokens_in
from millrace.agent.history import unanswered
from millrace.agent.model import Block
from millrace.domain.content import attached
from millrace.domain.conversations import StoredMessage

SHORT_RESULT = 800
"""The bytes that are kept of an old tool result when space is needed."""
RECENT_ROUNDS = 2
"""The latest rounds of tool calls, whose results are kept whole as long as possible."""


def tokens_of(message: StoredMessage) -> int:
    """Return the estimated tokens of a message."""
    beside = sum(map(attachments.tokens_of, message.content))
    return tokens_in(orjson.dumps(message.content, default=str).decode()) + beside


def total(history: Sequence[StoredMessage]) -> int:
    """Return the estimated tokens of a history."""
    return sum(map(tokens_of, history))


def with_short_old_results(history: Sequence[StoredMessage]) -> list[StoredMessage]:
    """Return the history with all tool results but the latest cut to their beginning."""
    rounds = [at for at, message in enumerate(history) if _has(message, "toolUse")]
    recent = rounds[-RECENT_ROUNDS] if len(rounds) >= RECENT_ROUNDS else 0
    return [*with_short_results(history[:recent], SHORT_RESULT), *history[recent:]]


def with_short_results(history: Sequence[StoredMessage], limit: int) -> list[StoredMessage]:
    """Return the history with each tool result cut to `limit` bytes."""
    return [
        replace(message, content=[_short(block, limit) for block in message.content])
        if _has(message, "toolResult")
        else message
        for message in history
    ]


def fitting_results(history: Sequence[StoredMessage], surplus: int) -> list[StoredMessage]:
    """Return the history with tool results cut so that it has `surplus` tokens less, as far as possible."""
    sizes = sorted(len(text.encode(errors="replace")) for text in _results(history))
    wanted = sum(sizes) - 5 * surplus  # a token has about four bytes; the fifth is for the notes about cuts
    limit = SHORT_RESULT
    for at, size in enumerate(sizes):
        share = wanted // (len(sizes) - at)
        if share < size:
            limit = max(limit, share)
            break
        wanted -= size
    return with_short_results(history, limit)


def without_signed_thinking(history: Sequence[StoredMessage]) -> list[StoredMessage]:
    """Return the history without signed thinking, which servers accept only after exactly what it was signed
    with."""
    return [
        replace(one, content=[block for block in one.content if not _is_signed(block)])
        if _has(one, "reasoningContent")
        else one
        for one in history
    ]


def _is_signed(block: Block) -> bool:
    return "reasoningContent" in block and "providerData" not in block


def is_boundary(history: Sequence[StoredMessage], at: int) -> bool:
    """Return whether a history can be cut before the message `at`, so that no call is separated from its
    result."""
    return not _has(history[at], "toolResult") and not unanswered(history[:at])


def is_question(message: StoredMessage) -> bool:
    """Return whether a message starts a run, which live messages and results do not."""
    asks = any("text" in block or attached(block) for block in message.content)
    return message.role == "user" and not message.injected and asks


def _results(history: Sequence[StoredMessage]) -> list[str]:
    found = [block["toolResult"] for one in history for block in one.content if "toolResult" in block]
    return [part.get("text", "") for result in found for part in result["content"]]


def _has(message: StoredMessage, kind: str) -> bool:
    return any(kind in block for block in message.content)


def _short(block: Block, limit: int) -> Block:
    if "toolResult" not in block:
        return block
    result = block["toolResult"]
    content = [{**part, "text": shortened(part.get("text", ""), limit)} for part in result["content"]]
    return block | {"toolResult": result | {"content": content}}


def shortened(text: str, limit: int) -> str:
    """Return the text, or its beginning in about `limit` bytes with a note."""
    data = text.encode(errors="replace")
    if len(data) <= limit + 100:
        return text
    return f"{data[:limit].decode(errors='ignore')}\n[shortened here: the whole had {len(data):,} bytes]"
