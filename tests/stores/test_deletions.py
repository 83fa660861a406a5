"""Deleting in groups that fit into one transaction."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.stores.deleted_items import BATCH, grouped
from millrace.stores.dynamo import to_item
from tests.fakes.strict_dynamo import ITEM, TRANSACTION, item_size


@given(st.lists(st.sampled_from([1, 1_000, 300_000, ITEM - 100]), max_size=60))
def test_groups_hold_every_item_once_within_a_transaction(sizes: list[int]) -> None:
    items = [{"pk": "p", "sk": str(n), "data": b"x" * size} for n, size in enumerate(sizes)]
    groups = list(grouped(items, BATCH))
    assert [item for group in groups for item in group] == items
    for group in groups:
        assert 1 <= len(group) <= BATCH
        assert sum(item_size(to_item(item)) for item in group) <= TRANSACTION
