"""The parts of a parsed expression. `offset` is the position of a node in its source."""

from typing import Any

from msgspec import Struct


class Literal(Struct, frozen=True):
    offset: int
    value: Any


class Path(Struct, frozen=True):
    """Fields by name from a root: `user.id` is ("user", "id") of "$event"."""

    offset: int
    root: str
    keys: tuple[str, ...]


class Item(Struct, frozen=True):
    """`target[key]`, or `target.name` where the target is not itself a path."""

    offset: int
    target: "Node"
    key: "Node"


class Operation(Struct, frozen=True):
    """A unary or binary operator, or `?:` with three operands."""

    offset: int
    operator: str
    operands: tuple["Node", ...]


class Call(Struct, frozen=True):
    offset: int
    name: str
    arguments: tuple["Node", ...]


class ListOf(Struct, frozen=True):
    offset: int
    items: tuple["Node", ...]


Node = Literal | Path | Item | Operation | Call | ListOf
