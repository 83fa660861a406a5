"""Texts of a run (its message, its answer) on its span, for endpoints that want them."""

from typing import Any

import orjson
from msgspec.structs import replace

from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.events import Event
from millrace.errors import NotFound
from millrace.services.traces.spans import Attributes, Span
from millrace.stores.connect import Stores

LONGEST = 30_000
"""The maximum characters of one message's texts. X-Ray rejects spans above 200 KB."""


async def with_texts(stores: Stores, event: Event, span: Span) -> Span:
    """Return the span of a run with its message, answer, user and error message. Other spans have no texts.

    Tool calls are left out, because their visibility depends on the agent.
    """
    view = event.get("run")
    if not view:
        return span
    slot = Slot(event["organization"], event["conversationId"], view.get("threadId"))
    said = await _said(stores, slot, event["runId"])
    texts = {
        "gen_ai.input.messages": _messages(said, "user"),
        "gen_ai.output.messages": _messages(said, "assistant"),
        "user.id": view.get("createdBy") or "",
        "millrace.error.message": (event.get("error") or {}).get("message", "")[:LONGEST],
    }
    found: Attributes = {name: text for name, text in texts.items() if text}
    return replace(span, attributes=span.attributes | found)


async def _said(stores: Stores, slot: Slot, run_id: str) -> list[StoredMessage]:
    """Return the latest messages of a run, or none if the conversation was deleted."""
    try:
        snapshot = await stores.conversations.open(slot)
    except NotFound:
        return []
    return [message for message in snapshot.history if message.run_id == run_id]


def _messages(said: list[StoredMessage], role: str) -> str:
    """Return the messages of one role in the conventions' format."""
    found: list[dict[str, Any]] = []
    for message in said:
        texts = [block["text"] for block in message.content if "text" in block]
        if message.role == role and texts:
            parts = [{"type": "text", "content": "\n".join(texts)[:LONGEST]}]
            found.append({"role": role, "parts": parts})
    return orjson.dumps(found[-1:]).decode() if found else ""
