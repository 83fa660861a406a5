"""The fields of an event that an expression or a template reads, for validation of whole definitions."""

from collections.abc import Iterator

from millrace.pipelines.expressions.expression import syntax
from millrace.pipelines.expressions.syntax import Call, Item, ListOf, Literal, Node, Operation, Path
from millrace.pipelines.expressions.template import template_expressions

WHOLE = "$event"
"""Stands for the whole event: any of its fields may be read."""


def template_fields(source: str) -> set[str]:
    """Return the names of the top-level fields that a template reads, without `$meta`."""
    return set().union(*(expression_fields(one) for one in template_expressions(source)))


def expression_fields(source: str) -> set[str]:
    """Return the names of the top-level fields that an expression reads."""
    return {keys[0] if keys else WHOLE for keys in expression_paths(source)}


def expression_paths(source: str) -> set[tuple[str, ...]]:
    """Return the paths that an expression reads, each as its names; () is the whole event."""
    return {path.keys for path in _paths(syntax(source)) if path.root == WHOLE}


def _paths(node: Node) -> Iterator[Path]:
    if isinstance(node, Path):
        yield node
    for inner in inner_nodes(node):
        yield from _paths(inner)


def inner_nodes(node: Node) -> tuple[Node, ...]:
    """Return the parts of a node. A field named in brackets is a path."""
    match node:
        case Item(target=target, key=Literal(value=str() as name)) if target == Path(
            target.offset, WHOLE, ()
        ):
            return (Path(node.offset, WHOLE, (name,)),)
        case Item(target=target, key=key):
            return (target, key)
        case Operation(operands=parts) | Call(arguments=parts) | ListOf(items=parts):
            return parts
    return ()
