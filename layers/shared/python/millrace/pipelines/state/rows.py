"""Events as columns: what a window keeps of them, in memory and packed as bytes.

A block has the length of its header (u32) and the header (JSON: number of rows, group table, tables of
values, ids), then little-endian arrays: an 8-byte hash for each event, a group index (u32), a time (i64,
epoch ms), and for each column a f64 (NaN: not a number) or an index (u32) into a table of values (0: null).
10,000 events with one number take about 250 KB.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Literal

import orjson

from millrace.domain.json_bytes import kept_json
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.values import Value
from millrace.pipelines.limits import BLOCK_BYTES, LONG_TEXT
from millrace.pipelines.work import charge

ColumnKind = Literal["number", "value"]
Code = Literal["Q", "I", "q", "d"]
Cells = Any  # array[float] of numbers, list of values
_LENGTH = struct.Struct("<I")
_CANONICAL = orjson.OPT_SORT_KEYS


def identity(source: str, event_id: str) -> int:
    """Return the 8-byte hash of (source, event id), by which duplicates are detected."""
    # The length distinguishes ("a", "bc") from ("ab", "c").
    key = f"{len(source)}:{source}{event_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


def identities(events: Sequence[Event]) -> "array[int]":
    """Return `identity` of each event."""
    prefixes = {source: f"{len(source)}:{source}" for source in {event.source for event in events}}
    try:
        keys = [(prefixes[event.source] + event.id).encode() for event in events]
    except UnicodeEncodeError:  # an unpaired surrogate
        return array("Q", [identity(event.source, event.id) for event in events])
    return _from_little("Q", b"".join([blake2b(key, digest_size=8).digest() for key in keys]))


def canonical(value: Value) -> bytes:
    """Return the same text for equal values (1 and 1.0, objects in any order).

    Raises `EvaluationError` for a value that is not JSON.
    """
    try:
        written = kept_json(whole(value), _CANONICAL)
    except TypeError as error:  # nested too deeply, or text that is not Unicode
        raise EvaluationError(f"A value cannot be stored: {error}.") from None
    if len(written) > LONG_TEXT:
        charge(len(written) >> 6)
    return written


def whole(value: Value) -> Value:
    """Return an integer for a float that is a whole number."""
    return int(value) if type(value) is float and value.is_integer() and abs(value) < 2**63 else value


class Rows:
    """Parallel columns.

    `table[groups[i]]` is the canonical JSON of row i's group. `names` (the events' ids) is filled only if
    `first` or `last` need them to break ties. Of `columns`, one of numbers is an array with NaN for other
    types, and one of values is a list. If groups are single texts, `texts` has the indices of known ones.
    `hops` is the maximum of all events.
    """

    __slots__ = ("_index", "columns", "groups", "hops", "ids", "kinds", "named", "names", "texts", "times")

    def __init__(self, kinds: tuple[ColumnKind, ...], named: bool = False) -> None:
        self.kinds = kinds
        self.named = named
        self.ids = array("Q")
        self.hops = 0
        self.groups = array("I")
        self.times = array("q")
        self.names: list[str] = []
        self.columns: list[Cells] = [array("d") if kind == "number" else [] for kind in kinds]
        self.texts: dict[str, int] = {}
        self._index: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def table(self) -> list[bytes]:
        return list(self._index)

    def enter(self, keys: Iterable[bytes]) -> list[int]:
        """Return the indices of groups, adding new ones."""
        index = self._index
        return [index.setdefault(key, len(index)) for key in keys]

    def extend(self, other: "Rows") -> None:
        """Append the rows of another."""
        self.ids.extend(other.ids)
        self.groups.extend(map(self.enter(other.table).__getitem__, other.groups))
        self.times.extend(other.times)
        self.names.extend(other.names)
        self.hops = max(self.hops, other.hops)
        for column, more in zip(self.columns, other.columns, strict=True):
            column.extend(more)

    def at(self, members: Sequence[int]) -> "Rows":
        """Return the rows at these positions, with their own table of groups."""
        chosen, table = Rows(self.kinds, self.named), self.table
        chosen.hops = self.hops
        chosen.ids.extend(self.ids[at] for at in members)
        chosen.groups.extend(chosen.enter(table[self.groups[at]] for at in members))
        chosen.times.extend(self.times[at] for at in members)
        if self.named:
            chosen.names.extend(self.names[at] for at in members)
        for column, mine in zip(chosen.columns, self.columns, strict=True):
            column.extend(mine[at] for at in members)
        return chosen

    def by_group(self) -> dict[bytes, list[int]]:
        """Return the row numbers of each group."""
        members: list[list[int]] = [[] for _ in self._index]
        for row, index in enumerate(self.groups):
            members[index].append(row)
        return {key: rows for key, rows in zip(self._index, members, strict=True) if rows}


def merge(blocks: Iterable[Rows], kinds: tuple[ColumnKind, ...], named: bool) -> Rows:
    """Merge all blocks, with each event once."""
    merged, parts = Rows(kinds, named), list(blocks)
    seen: set[int] = set()
    # Duplicate rows are rare, and without them whole columns can be appended at once.
    repeats = len(seen.union(*(block.ids for block in parts))) < sum(map(len, parts))
    for block in parts:
        merged.extend(block.at(_fresh(block.ids, seen)) if repeats else block)
    return merged


def _fresh(ids: Iterable[int], seen: set[int]) -> list[int]:
    """Return the positions of ids that are new, also among themselves, and add them to `seen`."""
    fresh = []
    for at, id in enumerate(ids):
        if id not in seen:
            seen.add(id)
            fresh.append(at)
    return fresh


def pack(rows: Rows) -> list[bytes]:
    """Return blocks of at most `BLOCK_BYTES`; single rows are limited to far less when they are created."""
    block = _pack(rows)
    if len(block) <= BLOCK_BYTES or len(rows) == 1:
        return [block]
    middle = len(rows) // 2
    return pack(rows.at(range(middle))) + pack(rows.at(range(middle, len(rows))))


def _pack(rows: Rows) -> bytes:
    arrays, tables = [rows.ids, rows.groups, rows.times], []
    for column in rows.columns:
        if isinstance(column, list):
            table, column = _tabled(column)
            tables.append(table)
        arrays.append(column)
    header = {
        "rows": len(rows),
        "groups": [key.decode() for key in rows.table],
        "tables": tables,
        "names": rows.names,
        "hops": rows.hops,
    }
    head = orjson.dumps(header)
    return b"".join([_LENGTH.pack(len(head)), head, *map(_little, arrays)])


def _tabled(column: Sequence[Value]) -> "tuple[list[str], array[int]]":
    """Return the distinct values as canonical JSON, and for each row an index into them from 1 (0: null)."""
    table: dict[bytes, int] = {}
    indices = [0 if value is None else table.setdefault(canonical(value), len(table) + 1) for value in column]
    return [key.decode() for key in table], array("I", indices)


def unpack(block: bytes, kinds: tuple[ColumnKind, ...], named: bool) -> Rows:
    """Return the rows of a block from `pack`."""
    (length,) = _LENGTH.unpack_from(block)
    header = orjson.loads(block[_LENGTH.size : _LENGTH.size + length])
    reader = _Reader(block, _LENGTH.size + length, header["rows"])
    rows = Rows(kinds, named)
    rows.ids, rows.groups, rows.times = (
        reader.read_column("Q"),
        reader.read_column("I"),
        reader.read_column("q"),
    )
    rows.names = header["names"]
    rows.hops = header.get("hops", 0)
    rows.enter([key.encode() for key in header["groups"]])
    tables = iter(header["tables"])
    rows.columns = [
        reader.read_column("d") if kind == "number" else _values(reader.read_column("I"), next(tables))
        for kind in kinds
    ]
    return rows


def _values(column: Iterable[int], table: list[str]) -> list[Value]:
    known = [None, *map(orjson.loads, table)]
    return [known[index] for index in column]


class _Reader:
    def __init__(self, block: bytes, offset: int, rows: int) -> None:
        self.block, self.offset, self.rows = block, offset, rows

    def read_column(self, code: Code) -> "array[Any]":
        """Return the next column."""
        end = self.offset + self.rows * array(code).itemsize
        column = _from_little(code, self.block[self.offset : end])
        self.offset = end
        return column


def _from_little(code: Code, packed: bytes) -> "array[Any]":
    column: array[Any] = array(code, packed)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _little(column: "array[Any]") -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
