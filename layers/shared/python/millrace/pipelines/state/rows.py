"""Events as columns: what a window keeps of them, in memory and packed as bytes.

A block is: the length of its header (u32), the header (JSON: number of rows, group table, tables of values,
ids), then arrays in little-endian: an 8-byte hash per event, a group index (u32), a time (i64, epoch ms), and
per column one f64 (NaN: no number) or one index (u32) into a table of values (0: null). 10,000 events with
one number take about 250 KB.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import compress
from math import nan
from typing import Any, Literal

import orjson

from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.expressions.values import Value
from millrace.pipelines.limits import BLOCK_BYTES

ColumnKind = Literal["number", "value"]
_LENGTH = struct.Struct("<I")
_CANONICAL = orjson.OPT_SORT_KEYS


def identity(source: str, event_id: str) -> int:
    """The 8-byte hash of (source, event id) that duplicates are known by."""
    key = f"{len(source)}:{source}{event_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


def canonical(value: Value) -> bytes:
    """One text per value: equal values (1 and 1.0, objects in any order) have the same.

    Raises `EvaluationError` for what is no JSON.
    """
    if type(value) is float and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    try:
        return orjson.dumps(value, option=_CANONICAL)
    except TypeError as error:  # nested too deeply, or text that is no Unicode
        raise EvaluationError(f"A value cannot be kept: {error}.") from None


@dataclass(slots=True)
class Rows:
    """Parallel columns; `table[groups[i]]` is the canonical JSON of row i's group. `names` (the events' ids)
    is filled only where `first` or `last` need them to break ties."""

    kinds: tuple[ColumnKind, ...]
    named: bool = False
    ids: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    table: list[bytes] = field(default_factory=list)
    columns: list[list[Value]] = field(default_factory=list)
    _index: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.columns = self.columns or [[] for _ in self.kinds]

    def __len__(self) -> int:
        return len(self.ids)

    def group(self, key: bytes) -> int:
        """The index of a group, which is entered if it is new."""
        index = self._index.get(key)
        if index is None:
            index = self._index[key] = len(self.table)
            self.table.append(key)
        return index

    def add_all(
        self,
        ids: Sequence[int],
        keys: Sequence[bytes],
        times: Sequence[int],
        names: Sequence[str],
        columns: Sequence[Sequence[Value]],
    ) -> None:
        """Appends events, given by columns."""
        self.ids.extend(ids)
        for key in dict.fromkeys(keys):
            self.group(key)
        self.groups.extend(map(self._index.__getitem__, keys))
        self.times.extend(times)
        if self.named:
            self.names.extend(names)
        for column, more in zip(self.columns, columns, strict=True):
            column.extend(more)

    def extend(self, other: "Rows", seen: set[int]) -> None:
        """Appends the rows of another whose ids are not in `seen`, and puts them there."""
        fresh = _fresh(other.ids, seen)
        translate = [self.group(key) for key in other.table]
        self.ids.extend(compress(other.ids, fresh))
        self.groups.extend(translate[index] for index in compress(other.groups, fresh))
        self.times.extend(compress(other.times, fresh))
        self.names.extend(compress(other.names, fresh))
        for column, more in zip(self.columns, other.columns, strict=True):
            column.extend(compress(more, fresh))

    def part(self, start: int, end: int) -> "Rows":
        """Rows start to end (exclusive), with a group table of their own."""
        part = Rows(self.kinds, self.named)
        part.ids, part.times = self.ids[start:end], self.times[start:end]
        part.names = self.names[start:end]
        part.columns = [column[start:end] for column in self.columns]
        part.groups = [part.group(self.table[index]) for index in self.groups[start:end]]
        return part

    def by_group(self) -> dict[bytes, list[int]]:
        """The row numbers of each group."""
        members: list[list[int]] = [[] for _ in self.table]
        for row, index in enumerate(self.groups):
            members[index].append(row)
        return {key: rows for key, rows in zip(self.table, members, strict=True) if rows}


def _fresh(ids: Sequence[int], seen: set[int]) -> list[bool]:
    """Which ids are new, to `seen` and among themselves; they are entered."""
    fresh = []
    for id in ids:
        fresh.append(id not in seen)
        seen.add(id)
    return fresh


def merge(blocks: Iterable[Rows], kinds: tuple[ColumnKind, ...], named: bool) -> Rows:
    """All blocks as one, each event once."""
    merged, seen = Rows(kinds, named), set[int]()
    for block in blocks:
        merged.extend(block, seen)
    return merged


def pack(rows: Rows) -> list[bytes]:
    """As blocks of at most `BLOCK_BYTES` (rows are bounded where they are made, far below that)."""
    block = _pack(rows)
    if len(block) <= BLOCK_BYTES or len(rows) == 1:
        return [block]
    middle = len(rows) // 2
    return pack(rows.part(0, middle)) + pack(rows.part(middle, len(rows)))


def _pack(rows: Rows) -> bytes:
    arrays = [_array("Q", rows.ids), _array("I", rows.groups), _array("q", rows.times)]
    tables = []
    for kind, column in zip(rows.kinds, rows.columns, strict=True):
        if kind == "number":
            arrays.append(_array("d", [nan if value is None else value for value in column]))
        else:
            table, indices = _tabled(column)
            tables.append(table)
            arrays.append(_array("I", indices))
    header = {
        "rows": len(rows),
        "groups": [key.decode() for key in rows.table],
        "tables": tables,
        "names": rows.names,
    }
    head = orjson.dumps(header)
    return b"".join([_LENGTH.pack(len(head)), head, *arrays])


def _tabled(column: Sequence[Value]) -> tuple[list[str], list[int]]:
    """The distinct values as canonical JSON, and per row an index into them from 1 (0: null)."""
    table: dict[bytes, int] = {}
    indices = [0 if value is None else table.setdefault(canonical(value), len(table) + 1) for value in column]
    return [key.decode() for key in table], indices


def unpack(block: bytes, kinds: tuple[ColumnKind, ...], named: bool) -> Rows:
    """The rows of a block that `pack` made."""
    (length,) = _LENGTH.unpack_from(block)
    header = orjson.loads(block[_LENGTH.size : _LENGTH.size + length])
    reader = _Reader(block, _LENGTH.size + length, header["rows"])
    rows = Rows(kinds, named, reader.take("Q"), reader.take("I"), reader.take("q"), header["names"])
    for key in header["groups"]:
        rows.group(key.encode())
    tables = iter(header["tables"])
    rows.columns = [
        _numbers(reader.take("d")) if kind == "number" else _values(reader.take("I"), next(tables))
        for kind in kinds
    ]
    return rows


def _numbers(column: list[float]) -> list[Value]:
    return [None if value != value else value for value in column]


def _values(column: list[int], table: list[str]) -> list[Value]:
    known = [None, *map(orjson.loads, table)]
    return [known[index] for index in column]


class _Reader:
    def __init__(self, block: bytes, offset: int, rows: int) -> None:
        self.block, self.offset, self.rows = block, offset, rows

    def take(self, code: str) -> list[Any]:
        """The next column of so many rows."""
        column: array[Any] = array(code)
        end = self.offset + self.rows * column.itemsize
        column.frombytes(self.block[self.offset : end])
        self.offset = end
        if sys.byteorder == "big":
            column.byteswap()
        return column.tolist()


def _array(code: str, values: Sequence[Any]) -> bytes:
    column: array[Any] = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
