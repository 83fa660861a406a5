"""A conversation's messages as a viewer may see them."""

import asyncio
from collections.abc import Collection, Iterator
from typing import Any

from msgspec import Struct, field

from millrace.domain.branches import BranchPoint, MessageTree
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.events import Detail
from millrace.domain.projection import capped, project_message
from millrace.errors import NotFound
from millrace.services.runs.branches import find_message
from millrace.stores.connect import Stores

Messages = list[tuple[int, StoredMessage]]
READ_AT_ONCE = 100


async def read_history(
    stores: Stores, slot: Slot, after: int, limit: int, detail: Detail, branch: str = ""
) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of the messages of the active branch, or of `branch`, oldest first, and the next
    position.

    `branch` is the id of a message on a branch, with its latest followers. The page has messages with
    positions above `after`; the next position is None if there are no more. Hidden messages are left out.
    Raises `NotFound`.
    """
    found, more, relatives = await _page(stores, slot, after, limit, branch)
    before = await _hidden_before(stores, slot, found, relatives)
    messages = [message for _, message in (*before, *found)]
    visibilities = await _visibilities(stores, slot.organization, messages)
    shown: list[tuple[int, dict[str, Any]]] = []
    siblings: list[str] = []
    for position, message in (*before, *found):
        visible = capped(detail, message.visibility or visibilities.get(message.run_id, "full"))
        # The alternatives to a hidden message are those of the message shown instead.
        siblings = relatives.siblings(position) or siblings
        if one := project_message(message, visible):
            others = {"siblings": siblings} if siblings else {}
            shown.append((position, one | relatives.parent(position) | others))
            siblings = []
    return [one for position, one in shown if position > after], found[-1][0] if found and more else None


async def _hidden_before(stores: Stores, slot: Slot, found: Messages, relatives: "_Relatives") -> Messages:
    """Return the messages before a page, from the latest one with alternatives on.

    If they are hidden, the first message of the page stands for them.
    """
    if not found:
        return []
    first = found[0][0]
    begin = relatives.tree.latest_with_siblings(first)
    read = await stores.messages.at(slot, range(max(begin, first - READ_AT_ONCE), first)) if begin else {}
    relatives.ids.update({position: one.id for position, one in read.items()})
    return sorted(read.items())


class _Relatives(Struct, frozen=True):
    """The messages that others on a page follow, and their alternatives on other branches, by id."""

    tree: MessageTree
    messages: int
    ids: dict[int, str] = field(default_factory=dict)

    def parent(self, position: int) -> dict[str, str | None]:
        return {"parentId": self.ids.get(self.tree.parent(position))}

    def siblings(self, position: int) -> list[str]:
        """Return the ids of all messages that follow the same one, including this one; empty if it is
        alone."""
        ids = [self.ids[one] for one in self._siblings(position) if one in self.ids]
        return ids if len(ids) > 1 else []

    def _siblings(self, position: int) -> list[int]:
        if not self.tree.branches:
            return []
        return self.tree.children(self.tree.parent(position), self.messages)

    def missing(self, positions: Collection[int]) -> Iterator[int]:
        """Yield the positions whose ids are needed to show a page."""
        for position in positions:
            wanted = {self.tree.parent(position), *self._siblings(position)}
            yield from wanted - {0, *self.ids}


async def _page(
    stores: Stores, slot: Slot, after: int, limit: int, branch: str
) -> tuple[Messages, bool, _Relatives]:
    if branch:
        snapshot = await stores.conversations.open(slot)
        lease = snapshot.lease_record
        position, _ = await find_message(stores, slot, snapshot, BranchPoint(branch))
        path = lease.tree.path(lease.tree.newest_below(position, lease.messages))
        found, more = await stores.messages.page(slot, after, limit, path)
    else:
        # Most conversations have one branch, for which one round trip is enough.
        lease, (found, more) = await asyncio.gather(
            stores.leases.peek(slot), stores.messages.page(slot, after, limit)
        )
        if not lease.tree.is_line:
            found, more = await stores.messages.page(slot, after, limit, lease.tree.path())
    relatives = _Relatives(lease.tree, lease.messages, {position: one.id for position, one in found})
    begin = lease.tree.latest_with_siblings(found[0][0]) if found else 0
    wanted = [*([begin] if begin else []), *(position for position, _ in found)]
    missing = sorted(set(relatives.missing(wanted)))
    for start in range(0, len(missing), READ_AT_ONCE):
        read = await stores.messages.at(slot, missing[start : start + READ_AT_ONCE])
        relatives.ids.update({position: one.id for position, one in read.items()})
    return found, more, relatives


async def _visibilities(
    stores: Stores, organization: str, messages: list[StoredMessage]
) -> dict[str | None, Detail]:
    """Return the visibility of runs for messages that do not store it.

    Of a run that is no longer stored, only the answer may be seen.
    """
    runs = sorted({message.run_id for message in messages if message.run_id and not message.visibility})
    found = await asyncio.gather(*(_visibility(stores, organization, run) for run in runs))
    return dict(zip(runs, found, strict=True))


async def _visibility(stores: Stores, organization: str, run_id: str) -> Detail:
    try:
        return (await stores.runs.get(organization, run_id)).visibility
    except NotFound:
        return "answer"
