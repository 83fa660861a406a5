"""Portions: all items in order, in as few lists as possible, none of them too large."""

from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.portions import portions

SIZES = st.lists(st.integers(0, 60), max_size=60)


@given(SIZES, st.integers(1, 100), st.none() | st.integers(1, 10))
def test_portions_hold_all_items_within_the_limits(
    sizes: list[int], most_bytes: int, most: int | None
) -> None:
    items = list(enumerate(sizes))
    found = list(portions(iter(items), lambda item: item[1], most_bytes, most))
    assert list(chain.from_iterable(found)) == items
    assert all(found), "no portion is empty"
    for portion in found:
        assert len(portion) == 1 or sum(size for _, size in portion) <= most_bytes
        assert most is None or len(portion) <= most


@given(SIZES, st.integers(1, 100), st.integers(1, 10))
def test_portion_ends_only_where_the_next_item_has_no_room(
    sizes: list[int], most_bytes: int, most: int
) -> None:
    for portion, following in pairwise(portions(sizes, int, most_bytes, most)):
        assert len(portion) == most or sum(portion) + following[0] > most_bytes
