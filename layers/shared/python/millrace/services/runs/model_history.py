"""The history for a model: the newest summary and the messages after it."""

import asyncio
from collections.abc import Sequence

from millrace.domain.branches import WHOLE, Interval
from millrace.domain.content import plain_text
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.runs import Run
from millrace.domain.summaries import Summary, summarized
from millrace.stores.connect import Stores
from millrace.stores.conversations import HISTORY_MESSAGES, ConversationSnapshot
from millrace.stores.messages import Located

FIRST_QUESTION_BYTES = 4_000
LEFT_OUT = "(Older messages are left out, and nothing sums them up.)"
PAGE = 100
OLDER_PAGES = 8
"""The maximum number of 1 MB pages read before the latest messages; no model accepts more."""


async def model_history(
    stores: Stores, slot: Slot, snapshot: ConversationSnapshot, last: int | None = None
) -> list[StoredMessage]:
    """Return the history for a model: the active branch, or the messages up to the position `last`.

    Reads as much for a long conversation as for a short one: the contents of large messages, and concurrently
    the messages before the snapshot.
    """
    tree = snapshot.lease_record.tree
    if last is not None or not tree.is_line:
        path = [] if last == 0 else tree.path(last or 0)
        return await _branch_history(stores, slot, snapshot, path)
    recent = summarized(snapshot.history, snapshot.summary)
    older, recent = await asyncio.gather(
        _older(stores, slot, snapshot), stores.messages.for_model(slot, recent, snapshot.parts)
    )
    if snapshot.summary is None:
        return [*older, *recent]
    # The first of the recent ones is the summary, which stands for the messages before the older ones.
    return [recent[0], *older, *recent[1:]]


async def whole_run(stores: Stores, run: Run, first: int) -> list[StoredMessage]:
    """Return all messages of a run, of any number and size, from its first one at position `first` on."""
    found: list[StoredMessage] = []
    after, more = first - 1, True
    while more:
        page, more = await stores.messages.page(run.slot, after, PAGE)
        found += [message for _, message in page if message.run_id == run.id]
        after = page[-1][0] if page else after
    return found


def recent_history(snapshot: ConversationSnapshot) -> list[StoredMessage]:
    """Return the part of a model's history that the snapshot has."""
    if snapshot.lease_record.tree.is_line:
        return summarized(snapshot.history, snapshot.summary)
    return summarized(snapshot.history, _fitting(snapshot.summaries, snapshot.history))


async def _branch_history(
    stores: Stores, slot: Slot, snapshot: ConversationSnapshot, path: Sequence[Interval]
) -> list[StoredMessage]:
    """Return the messages of a path after the newest summary on it.

    Those in the snapshot may all belong to other branches.
    """
    older = await _older_on(stores, slot, snapshot, path)
    found = [*(message for _, message, _ in older), *snapshot.on(path)]
    whole = not path or snapshot.first <= path[0][0] or any(at == path[0][0] for at, _, _ in older)
    if summary := _fitting(snapshot.summaries, found):
        found = summarized(found, summary)
    elif not whole or len(found) > HISTORY_MESSAGES:
        found = [*await _first_question(stores, slot, path[0][0]), *found[-HISTORY_MESSAGES:]]
    # The latest messages of the branch may be older than everything in the snapshot.
    shortened = {message.id: parts for _, message, parts in older if parts and parts.shortened}
    return await stores.messages.for_model(slot, found, snapshot.parts | shortened)


async def _older_on(
    stores: Stores, slot: Slot, snapshot: ConversationSnapshot, path: Sequence[Interval]
) -> list[Located]:
    """Return the messages of a path before the snapshot, back to a summary.

    Without one, return as many as a new message finds in a conversation.
    """
    known = snapshot.on(path)
    found: list[Located] = []
    if snapshot.first <= 1 or _fitting(snapshot.summaries, known):
        return found
    pages = 0
    async for page in stores.messages.backwards(slot, path, snapshot.first):
        found = [*reversed(page), *found]
        pages += 1
        many = len(known) + len(found) >= HISTORY_MESSAGES and not snapshot.summaries
        if many or pages == OLDER_PAGES or _fitting(snapshot.summaries, [message for _, message, _ in found]):
            break
    return found


def _fitting(summaries: Sequence[Summary], messages: Sequence[StoredMessage]) -> Summary | None:
    """Return the newest summary that reaches one of the messages.

    The messages before a message are the same on every branch that it is on.
    """
    ids = {message.id: at for at, message in enumerate(messages)}
    fitting = [one for one in summaries if one.first_kept in ids]
    return max(fitting, key=lambda one: ids[one.first_kept], default=None)


async def _older(stores: Stores, slot: Slot, snapshot: ConversationSnapshot) -> list[StoredMessage]:
    """Return the messages before the snapshot, back to its summary.

    A conversation from before summaries existed gets its first question.
    """
    if snapshot.first <= 1:
        return []
    if snapshot.summary is None:
        return await _first_question(stores, slot, 1)
    first_kept = snapshot.summary.first_kept
    if any(message.id == first_kept for message in snapshot.history):
        return []
    return await _back_to(stores, slot, snapshot.first, first_kept)


async def _back_to(stores: Stores, slot: Slot, before: int, message_id: str) -> list[StoredMessage]:
    """Return the messages of a line from one on, up to the position `before`, as far back as a model can use
    them."""
    found: list[StoredMessage] = []
    pages = 0
    async for page in stores.messages.backwards(slot, WHOLE, before):
        found = [message for _, message, _ in reversed(page)] + found
        pages += 1
        ids = [message.id for message in found]
        if message_id in ids:
            return found[ids.index(message_id) :]
        if pages == OLDER_PAGES:
            break
    return found


async def _first_question(stores: Stores, slot: Slot, position: int) -> list[StoredMessage]:
    found = await stores.messages.at(slot, [position])
    asked = "\n".join(plain_text(message.content) for message in found.values())
    if not asked:
        return []
    first = asked.encode(errors="replace")[:FIRST_QUESTION_BYTES].decode(errors="ignore")
    return [Summary(LEFT_OUT, "", first).message()]
