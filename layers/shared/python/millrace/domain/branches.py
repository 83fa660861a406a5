"""The tree of a slot's messages: which message follows which, if it is not simply the one before.

Messages are stored in the order in which they arrive, at positions 1, 2, 3, ... Each follows the one at the
position before, except where a branch begins: an edited question or another answer follows an earlier
message, or none (position 0). So a tree is a list of those exceptions, and a conversation without any is a
line.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

Interval = tuple[int, int]
"""Positions from the first to the last, inclusive."""
LAST_POSITION = 99_999_999
WHOLE: Sequence[Interval] = ((1, LAST_POSITION),)
"""All messages, of whatever branch, in the order in which they arrived."""
NEAR = 200
"""Gaps of up to this many messages of other branches are read as well, since a second query takes longer."""
MOST_BRANCHES = 400
"""The maximum number of branches of a slot: its lease contains where they begin, and is written with every
step of a run."""


class MessageTree(Struct, frozen=True):
    """The tree. `branches` are pairs of positions in ascending order: where a branch begins, and the message
    that it follows (0: none). `head` is the last message of the active branch; 0 stands for the latest
    message."""

    branches: tuple[Interval, ...] = ()
    head: int = 0

    @property
    def is_line(self) -> bool:
        """True if all messages are on the active branch."""
        return not self.branches and not self.head

    def follow(self, position: int, parent: int) -> "MessageTree":
        """Return the tree with a message to be added at a position, as the end of the active branch."""
        # A branch may have begun there already, with a run that ended before it produced a message.
        before = tuple(one for one in self.branches if one[0] < position)
        return MessageTree(before if parent == position - 1 else (*before, (position, parent)))

    def end(self, messages: int) -> int:
        """Return the last message of the active branch in a slot with this many messages (0: there is
        none)."""
        return self.head or (self.branches[-1][1] if self.is_empty_branch(messages) else messages)

    def is_empty_branch(self, messages: int) -> bool:
        """Return whether the latest branch has no message yet."""
        return bool(self.branches) and self.branches[-1][0] > messages

    def parent(self, position: int) -> int:
        """Return the position that a message follows."""
        return self._parents().get(position, position - 1)

    def path(self, last: int = 0) -> list[Interval]:
        """Return the positions from the first message to the `last`, by default the end of the active
        branch."""
        position = last or self.head or LAST_POSITION
        found: list[Interval] = []
        while position:
            begin, parent = self._branch(position)
            found.append((begin, position))
            position = parent
        return found[::-1]

    def children(self, position: int, messages: int) -> list[int]:
        """Return the positions of the messages that follow a message, in ascending order, in a slot with this
        many messages."""
        begun = [begin for begin, parent in self.branches if parent == position]
        following = position + 1
        if following <= messages and following not in self._parents():
            begun = sorted({following, *begun})
        return begun

    def latest_with_siblings(self, position: int) -> int:
        """Return the latest message before another one, on the same path, that has siblings; 0 if there is
        none."""
        begin, _ = self._branch(position)
        following = [parent + 1 for _, parent in self.branches] + [one for one, _ in self.branches]
        return max((one for one in following if begin <= one < position), default=0)

    def newest_below(self, position: int, messages: int) -> int:
        """Return the latest of a message and those that follow it."""
        newest = self._end(position, messages)
        inside = [(position, newest)]
        for begin, parent in self.branches:
            # The latest branch may have no message yet.
            if position < begin <= messages and contains(inside, parent):
                newest = self._end(begin, messages)
                inside.append((begin, newest))
        return newest

    def _parents(self) -> dict[int, int]:
        return dict(self.branches)

    def _branch(self, position: int) -> Interval:
        """Return the first message of the branch of a message, and the one that it follows."""
        at = bisect_right(self.branches, (position, LAST_POSITION)) - 1
        return self.branches[at] if at >= 0 else (1, 0)

    def _end(self, position: int, messages: int) -> int:
        """Return the last message in a line after a message."""
        return next((begin - 1 for begin, _ in self.branches if begin > position), messages)


LINE = MessageTree()


class BranchPoint(Struct, frozen=True):
    """The place in a conversation after which a message is added: after the message with an id (empty: before
    the first one), or after the last one of a run. With `again`, the question there, or the one that led to
    the message there, is answered again."""

    message_id: str = ""
    run_id: str = ""
    again: bool = False

    @property
    def is_message(self) -> bool:
        """False for the place before the first message, which every conversation has."""
        return bool(self.message_id or self.run_id or self.again)


def contains(path: Sequence[Interval], position: int) -> bool:
    """Return whether a position is on a path."""
    return any(first <= position <= last for first, last in path)


def between(path: Sequence[Interval], first: int, last: int) -> Iterator[Interval]:
    """Yield the part of a path with positions from `first` to `last`."""
    for begin, end in path:
        if begin <= last and end >= first:
            yield max(begin, first), min(end, last)


def spans(path: Iterable[Interval]) -> list[Interval]:
    """Return the parts of a path, merging those that are near each other; positions between them belong to
    other branches."""
    found: list[Interval] = []
    for first, last in path:
        if found and first - found[-1][1] <= NEAR:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found
