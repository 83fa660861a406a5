"""The parts of a parsed expression. `offset` is where a node begins in its source."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    offset: int
    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """Fields by name from a root: `user.id` is ("user", "id") of "$event"."""

    offset: int
    root: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """`target[key]`, or `target.name` where the target is not itself a path."""

    offset: int
    target: "Node"
    key: "Node"


@dataclass(frozen=True, slots=True)
class Operation:
    """A unary or binary operator, or `?:` with three operands."""

    offset: int
    operator: str
    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    offset: int
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    offset: int
    items: tuple["Node", ...]


Node = Literal | Path | Item | Operation | Call | ListOf
