"""Blocks: packed events are read back, within the limit, and each counts once."""

from array import array
from math import isnan, nan
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.pipelines.event import Event
from millrace.pipelines.limits import BLOCK_BYTES
from millrace.pipelines.state.rows import (
    ColumnKind,
    Rows,
    canonical,
    identities,
    identity,
    merge,
    pack,
    unpack,
)
from millrace.pipelines.state.store import Key

KINDS: tuple[ColumnKind, ...] = ("number", "value")
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ROW = st.tuples(
    st.integers(0, 2**64 - 1), st.sampled_from([b'["a"]', b"[1]"]), st.integers(-(2**62), 2**62), NUMBER, JSON
)


def made(rows: list[Any]) -> Rows:
    ids, keys, times, numbers, values = ([row[at] for row in rows] for at in range(5))
    block = Rows(KINDS, named=True)
    block.ids.extend(ids)
    block.groups.extend(block.enter(keys))
    block.times.extend(times)
    block.names += map(str, ids)
    block.columns = [array("d", [nan if number is None else number for number in numbers]), values]
    return block


@given(st.lists(ROW, min_size=1, max_size=30))
@settings(max_examples=150, deadline=None)
def test_packed_value_round_trips(rows: list[Any]) -> None:
    (block,) = pack(made(rows))
    back = unpack(block, KINDS, named=True)
    keys = [back.table[index] for index in back.groups]
    numbers = [None if isnan(number) else number for number in back.columns[0]]
    assert list(zip(back.ids, keys, back.times, numbers, back.columns[1], strict=True)) == rows
    assert back.names == [str(row[0]) for row in rows]


@given(st.lists(st.lists(ROW, min_size=1, max_size=8), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_merging_keeps_each_event_once_whatever_is_repeated(parts: list[list[Any]]) -> None:
    blocks = [made(part) for part in parts]
    merged = merge([*blocks, *reversed(blocks)], KINDS, named=True)
    assert sorted(merged.ids) == sorted({row[0] for part in parts for row in part})


def test_blocks_stay_below_their_limit_and_cost_little() -> None:
    many = 50_000
    rows = Rows(("number",))
    rows.ids.extend(range(many))
    rows.groups.extend(rows.enter(b'["g%d"]' % (at % 10) for at in range(many)))
    rows.times.extend([0] * many)
    rows.columns = [array("d", [1.5] * many)]
    blocks = pack(rows)
    assert max(map(len, blocks)) <= BLOCK_BYTES
    assert sum(map(len, blocks)) < many * 29
    assert len(merge([unpack(block, ("number",), False) for block in blocks], ("number",), False)) == many


def test_equal_values_have_one_text() -> None:
    assert canonical(1) == canonical(1.0)
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})
    assert len({canonical(value) for value in (1, "1", True, None, [1])}) == 5


def test_hashes_of_many_events_are_those_of_each() -> None:
    events = [Event({}, id, source) for source in ("a", "bus", "") for id in ("1", "e:end", "ö", "")]
    odd = [*events, Event({}, "half \ud800", "a")]
    for each in (events, odd):
        assert list(identities(each)) == [identity(event.source, event.id) for event in each]
    assert len(set(identities(odd))) == len(odd)


def test_key_survives_its_text_whatever_stands_in_it() -> None:
    key = Key("ten#ant", "pipe/line", "ab%12", "-60000")
    assert Key.parse(str(key)) == key
    assert str(key).count("#") == 4
