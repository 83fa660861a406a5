"""The history that a model is sent, of what is stored: the newest summary and what follows it."""

import asyncio

from millrace.domain.content import plain_text
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.summaries import Summary, summarized
from millrace.stores.connect import Stores
from millrace.stores.conversations import ConversationSnapshot

FIRST_QUESTION_BYTES = 4_000
LEFT_OUT = "(Older messages are left out, and nothing sums them up.)"


async def model_history(stores: Stores, slot: Slot, snapshot: ConversationSnapshot) -> list[StoredMessage]:
    """The history for a model. Reads as much for a long conversation as for a short one: the contents of
    large messages, and beside them what the snapshot does not reach back to."""
    recent = summarized(snapshot.history, snapshot.summary)
    older, recent = await asyncio.gather(
        _older(stores, slot, snapshot), stores.messages.for_model(slot, recent, snapshot.parts)
    )
    if snapshot.summary is None:
        return [*older, *recent]
    # The first of the recent ones is the summary, which stands for what was said before the older ones.
    return [recent[0], *older, *recent[1:]]


async def _older(stores: Stores, slot: Slot, snapshot: ConversationSnapshot) -> list[StoredMessage]:
    """The messages before those of the snapshot, back to its summary. A conversation that is older than
    summaries gets its first question."""
    if snapshot.first <= 1:
        return []
    if snapshot.summary is None:
        return await _first_question(stores, slot)
    first_kept = snapshot.summary.first_kept
    if any(message.id == first_kept for message in snapshot.history):
        return []
    return await stores.messages.back_to(slot, snapshot.first, first_kept)


async def _first_question(stores: Stores, slot: Slot) -> list[StoredMessage]:
    found = await stores.messages.heads(slot, 1, 1)
    asked = "\n".join(plain_text(message.content) for message in found)
    if not asked:
        return []
    first = asked.encode(errors="replace")[:FIRST_QUESTION_BYTES].decode(errors="ignore")
    return [Summary(LEFT_OUT, "", first).message()]
