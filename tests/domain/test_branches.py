"""The tree of messages, compared with a plain table of parents."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.branches import LAST_POSITION, LINE, NEAR, MessageTree, contains, spans

GROWTH = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 4)), max_size=12)
"""What happens to a tree: behind which message, by its share of those there are, so many messages come."""


class Table:
    """Messages by what they follow."""

    def __init__(self) -> None:
        self.parents: list[int] = []
        self.tree = LINE

    def grow(self, share: int, count: int) -> None:
        parent = share % (len(self.parents) + 1)
        self.tree = self.tree.follow(len(self.parents) + 1, parent)
        for _ in range(count):
            self.parents.append(parent)
            parent = len(self.parents)

    def line(self, position: int) -> list[int]:
        found = []
        while position:
            found.append(position)
            position = self.parents[position - 1]
        return found[::-1]


def grown(growth: list[tuple[int, int]]) -> Table:
    table = Table()
    for share, count in growth:
        table.grow(share, count)
    return table


@given(GROWTH)
def test_tree_tells_what_a_table_of_parents_tells(growth: list[tuple[int, int]]) -> None:
    table = grown(growth)
    tree, count = table.tree, len(table.parents)
    for position in range(1, count + 1):
        path = tree.path(position)
        assert [p for first, last in path for p in range(first, last + 1)] == table.line(position)
        assert tree.parent(position) == table.parents[position - 1]
        below = [one for one in range(1, count + 1) if position in table.line(one)]
        assert tree.newest_below(position, count) == max(below)
    for position in range(count + 1):
        children = [one for one in range(1, count + 1) if table.parents[one - 1] == position]
        assert tree.children(position, count) == children


@given(GROWTH)
def test_active_branch_ends_with_the_latest_message(growth: list[tuple[int, int]]) -> None:
    table = grown(growth)
    count = len(table.parents)
    active = [p for p in range(1, count + 1) if contains(table.tree.path(), p)]
    assert active == (table.line(count) if count else [])
    assert table.tree.end(count) == count


def test_branch_of_a_run_that_said_nothing_goes_on_where_it_began() -> None:
    tree = LINE.follow(5, 3)
    assert tree.is_empty_branch(4)
    assert tree.end(4) == 3
    assert tree.follow(5, 3) == tree
    assert tree.follow(5, 4) == LINE, "the next message was told another place"
    assert tree.path() == [(1, 3), (5, LAST_POSITION)]


def test_branch_without_messages_leads_to_no_other_branch() -> None:
    """A run that answers the second message once more has not said anything yet."""
    tree = LINE.follow(3, 1).follow(5, 2)
    assert tree.newest_below(2, 4) == 2
    assert tree.newest_below(1, 4) == 4


def test_spans_read_what_lies_near_at_once() -> None:
    far = NEAR + 10
    assert spans([(1, 2), (5, 6), (9, 9), (9 + far, LAST_POSITION)]) == [(1, 9), (9 + far, LAST_POSITION)]
    assert spans([]) == []


def test_chosen_branch_is_left_with_the_next_message() -> None:
    tree = MessageTree(((5, 3),), head=4)
    assert tree.path() == [(1, 4)]
    assert tree.follow(7, tree.end(6)) == MessageTree(((5, 3), (7, 4)))
