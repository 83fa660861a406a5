"""The position of a message in its slot's tree, and the choice of the active branch."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from millrace.domain.branches import MOST_BRANCHES, WHOLE, BranchPoint, Interval
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.runs import LeaseRecord
from millrace.errors import Conflict, InvalidRequest, NotFound
from millrace.stores.connect import Stores
from millrace.stores.conversations import ConversationSnapshot
from millrace.stores.leases import SlotChanged

Positioned = tuple[int, StoredMessage]


async def find_parent(
    stores: Stores, slot: Slot, snapshot: ConversationSnapshot, point: BranchPoint | None
) -> int | None:
    """Return the position of the message that a run follows, or None for the end of the active branch.

    Reads nothing if the snapshot has the message. Raises `NotFound`, `InvalidRequest` or `Conflict`.
    """
    lease = snapshot.lease_record
    end = lease.tree.end(lease.messages)
    parent = None if point is None else await _position(stores, slot, snapshot, point, end)
    _check_room(lease, end if parent is None else parent)
    return parent


async def _position(
    stores: Stores, slot: Slot, snapshot: ConversationSnapshot, point: BranchPoint, end: int
) -> int | None:
    lease = snapshot.lease_record
    position, message = await find_message(stores, slot, snapshot, point) if _names_one(point) else (0, None)
    if point.again:
        position = await _question(stores, slot, snapshot, position or end)
    elif message is not None and not point.run_id and _is_within_a_turn(message):
        raise InvalidRequest(
            "The message is between a tool call and its result. Continue after the user's message or the "
            "end of the answer.",
            code="invalid_parent",
        )
    return None if position == end and lease.tree.is_line else position


def _check_room(lease: LeaseRecord, parent: int) -> None:
    """Raise `Conflict` if a message after `parent` would begin one branch too many.

    This includes the end of a branch that was selected again.
    """
    if len(lease.tree.follow(lease.messages + 1, parent).branches) > MOST_BRANCHES:
        raise Conflict(
            f"A conversation must not have more than {MOST_BRANCHES} branches; start a new conversation.",
            code="too_many_branches",
            limit=MOST_BRANCHES,
        )


def _names_one(point: BranchPoint) -> bool:
    return bool(point.message_id or point.run_id)


async def find_message(
    stores: Stores, slot: Slot, snapshot: ConversationSnapshot, point: BranchPoint
) -> Positioned:
    """Return a message with its position: the one with an id, or the last one of a run. Raises `NotFound`."""
    async for position, message in _backwards(stores, slot, snapshot, WHOLE):
        if message.id == point.message_id or (point.run_id and message.run_id == point.run_id):
            return position, message
    raise NotFound("The conversation has no message with this id.", code="message_not_found")


async def _question(stores: Stores, slot: Slot, snapshot: ConversationSnapshot, position: int) -> int:
    """Return the position of the user's message that led to the message at a position, or of that message."""
    path = snapshot.lease_record.tree.path(position) if position else ()
    async for found, message in _backwards(stores, slot, snapshot, path):
        if _is_question(message):
            return found
    raise Conflict("There is no message from the user to answer again.", code="nothing_to_regenerate")


def _is_question(message: StoredMessage) -> bool:
    return (
        message.role == "user"
        and not message.injected
        and not any("toolResult" in block for block in message.content)
    )


def _is_within_a_turn(message: StoredMessage) -> bool:
    """Return whether a message contains tool calls or results, after which an answer continues."""
    is_end = "finishReason" in message.extra
    return not is_end and any("toolUse" in block or "toolResult" in block for block in message.content)


async def _backwards(
    stores: Stores, slot: Slot, snapshot: ConversationSnapshot, path: Sequence[Interval]
) -> AsyncIterator[Positioned]:
    """Yield the messages of a path, newest first."""
    for position, message in reversed(snapshot.latest_on(path)):
        yield position, message
    if snapshot.first > 1:
        async for page in stores.messages.backwards(slot, path, snapshot.first):
            for position, message, _ in page:
                yield position, message


async def _anybody() -> None:
    """Allow everybody."""


async def select_branch(
    stores: Stores, slot: Slot, message_id: str, allow: Callable[[], Awaitable[object]] = _anybody
) -> str:
    """Activate the branch with a message and its latest followers, and return the id of its last message.

    `allow` raises if the caller may not do this. Raises `NotFound`, or `Conflict` (`run_active`).
    """
    while True:
        snapshot = await stores.conversations.open(slot)
        # Check after the read: a branch after the run that was seen cannot belong to a conversation that
        # another user has created with this id since.
        await allow()
        lease = snapshot.lease_record
        if lease.run_id:
            raise Conflict(
                "The agent is still answering. Wait, or stop it.", code="run_active", runId=lease.run_id
            )
        position, message = await find_message(stores, slot, snapshot, BranchPoint(message_id))
        last = lease.tree.newest_below(position, lease.messages)
        if last != lease.tree.end(lease.messages):
            try:
                await stores.leases.select_branch(slot, lease, last)
            except SlotChanged:
                continue
        found = {position: message} if last == position else await stores.messages.at(slot, [last])
        return found[last].id if last in found else message_id
