"""Compilation of syntax to Python closures.

Each node becomes a `Scalar`, `(payload, event) -> value`, and a `Column`, `(chunk) -> values`, which does the
same for a whole chunk, with loops in C where that is faster. Both return equal results. A column that raises
does not identify the faulty event, so callers fall back to the scalar. Constant parts are evaluated once,
here.
"""

from collections.abc import Callable, Sequence

from millrace.pipelines.chunk import MISSING, Column, reached
from millrace.pipelines.errors import EvaluationError, InvalidExpression
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions import values
from millrace.pipelines.expressions.functions import Function
from millrace.pipelines.expressions.patterns import Pattern
from millrace.pipelines.expressions.syntax import Call, Item, ListOf, Literal, Node, Operation, Path
from millrace.pipelines.expressions.values import Value
from millrace.pipelines.limits import FOLDED_BYTES
from millrace.pipelines.sizes import expanded_size
from millrace.pipelines.work import TooMuchWork

Scalar = Callable[[Payload, Event], Value]

_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "==": values.equal,
    "!=": values.not_equal,
    "<": values.less,
    "<=": values.less_or_equal,
    ">": values.greater,
    ">=": values.greater_or_equal,
    "in": values.within,
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.remainder,
}
_UNARY: dict[str, Callable[[Value], Value]] = {"-": values.negate, "!": values.invert}


class Compiler:
    """Compiles the nodes of an expression with a table of functions."""

    def __init__(self, source: str, functions: dict[str, Function]) -> None:
        self.source = source
        self.functions = functions

    def scalar(self, node: Node) -> Scalar:
        """Return the node as a closure over one event.

        Raises `InvalidExpression` for an invalid constant pattern.
        """
        match node:
            case Literal(value=value):
                return constant(value)
            case Path(root=root, keys=keys):
                return path(root, keys)
            case Item(target=target, key=key):
                return _applied(values.item, [self.scalar(target), self.scalar(key)])
            case ListOf(items=items):
                return _applied(_listed, [self.scalar(item) for item in items])
            case Operation(operator=operator, operands=operands):
                return _operation(operator, [self.scalar(operand) for operand in operands])
            case Call():
                return self.call(node)

    def call(self, node: Call) -> Scalar:
        function = self.functions[node.name]
        if function.form == "has":
            return self.presence(node.arguments[0])
        if function.form == "now":
            return _now
        if function.form == "matches" and isinstance(node.arguments[1], Literal):
            return _applied(self.pattern(node.arguments[1]), [self.scalar(node.arguments[0])])
        arguments = [self.scalar(argument) for argument in node.arguments]
        if function.form == "coalesce":
            return _first(arguments)
        return _applied(function.call, arguments)

    def check(self, node: Call) -> None:
        """Raise `InvalidExpression` for a constant argument that is always invalid."""
        for at, check in self.functions[node.name].checks.items():
            if at < len(node.arguments) and isinstance(argument := node.arguments[at], Literal):
                try:
                    check(argument.value)
                except EvaluationError as error:
                    reason = str(error)
                    raise InvalidExpression(reason, source=self.source, offset=argument.offset) from None

    def pattern(self, node: Literal) -> Callable[[Value], bool]:
        if type(node.value) is not str:
            raise InvalidExpression("`matches` needs a pattern.", source=self.source, offset=node.offset)
        try:
            found_in = Pattern(node.value).found_in
        except InvalidExpression as error:
            raise InvalidExpression(error.reason, source=self.source, offset=node.offset) from None
        return lambda value: type(value) is str and found_in(value)

    def presence(self, node: Node) -> Scalar:
        if isinstance(node, Path) and node.keys:
            target, last = path(node.root, node.keys[:-1]), constant(node.keys[-1])
        elif isinstance(node, Item):
            target, last = self.scalar(node.target), self.scalar(node.key)
        else:
            message = "`has` needs a field, such as `has(user.id)`."
            raise InvalidExpression(message, source=self.source, offset=node.offset)
        return _applied(_is_there, [target, last])

    def column(self, node: Node) -> Column:
        """Return the node as a closure over a chunk of events."""
        match node:
            case Path(root=root, keys=keys):
                return path_column(root, keys)
            case Literal(value=value):
                return repeated(value)
            case Item(target=target, key=key):
                return self.mapped(values.item, (target, key))
            case Operation(operator=operator, operands=operands) if (
                operator in _BINARY and len(operands) == 2
            ):
                return self.mapped(_BINARY[operator], operands)
            case Call(name=name, arguments=arguments) if self.functions[name].form == "plain" and arguments:
                return self.mapped(self.functions[name].call, arguments)
        return one_by_one(self.scalar(node))

    def mapped(self, function: Callable[..., Value], operands: Sequence[Node]) -> Column:
        columns = [self.column(operand) for operand in operands]
        if len(columns) == 1:
            only = columns[0]
            return lambda chunk: list(map(function, only(chunk)))
        return lambda chunk: list(map(function, *[column(chunk) for column in columns]))


def fold(node: Node, compiler: Compiler) -> Node:
    """Return the node with its constant parts evaluated. Those that fail will fail with their event."""
    match node:
        case Operation(offset=offset, operator=operator, operands=operands):
            folded: Node = Operation(offset, operator, tuple(fold(each, compiler) for each in operands))
        case Call(offset=offset, name=name, arguments=arguments):
            folded = Call(offset, name, tuple(fold(each, compiler) for each in arguments))
            compiler.check(folded)
        case Item(offset=offset, target=target, key=key):
            folded = Item(offset, fold(target, compiler), fold(key, compiler))
        case ListOf(offset=offset, items=items):
            folded = ListOf(offset, tuple(fold(each, compiler) for each in items))
        case _:
            return node
    return _evaluated(folded, compiler) if _is_constant(folded, compiler) else folded


def _is_constant(node: Node, compiler: Compiler) -> bool:
    match node:
        case Operation(operands=parts) | ListOf(items=parts):
            return all(isinstance(part, Literal) for part in parts)
        case Call(name=name, arguments=parts):
            special = compiler.functions[name].form in ("now", "has")
            return not special and all(isinstance(part, Literal) for part in parts)
        case Item(target=target, key=key):
            return isinstance(target, Literal) and isinstance(key, Literal)
    return False


def _evaluated(node: Node, compiler: Compiler) -> Node:
    """Return a constant node's value as a literal, unless it is large and would occupy memory at each use."""
    try:
        value = compiler.scalar(node)({}, _NOTHING)
    except EvaluationError:
        return node
    return Literal(node.offset, value) if expanded_size(value) <= FOLDED_BYTES else node


_NOTHING = Event({}, "")


def constant(value: Value) -> Scalar:
    """Return a closure that always returns `value` (shared, because payloads' values are never changed in
    place)."""
    return lambda payload, event: value


def repeated(value: Value) -> Column:
    """Return `constant` over a chunk."""
    return lambda chunk: [value] * len(chunk)


def or_null(scalar: Scalar) -> Scalar:
    """Return a closure with null in place of failures, except of too much work."""

    def value(payload: Payload, event: Event) -> Value:
        try:
            return scalar(payload, event)
        except TooMuchWork:
            raise
        except EvaluationError:
            return None

    return value


def _now(payload: Payload, event: Event) -> int:
    return event.ingested


def _listed(*items: Value) -> list[Value]:
    return list(items)


def _is_there(target: Value, key: Value) -> bool:
    if type(target) is list:
        return type(key) is int and 0 <= key < len(target)
    return type(target) is dict and key in target if type(key) is str else False


def path(root: str, keys: tuple[str, ...]) -> Scalar:
    """Return the field at `keys` of `$event` or `$meta`, or null if there is none."""
    if root == "$meta":
        return _meta_path(keys)
    if not keys:
        return lambda payload, event: payload
    if len(keys) == 1:
        return _field(keys[0])
    return _field_of_field(*keys) if len(keys) == 2 else lambda payload, event: reached(payload, keys)


def _meta_path(keys: tuple[str, ...]) -> Scalar:
    def meta(payload: Payload, event: Event) -> Value:
        found: Value = event.meta()
        for key in keys:
            found = values.item(found, key)
        return found

    return meta


def _field(name: str) -> Scalar:
    return lambda payload, event: payload.get(name)


def _field_of_field(first: str, second: str) -> Scalar:
    def field(payload: Payload, event: Event) -> Value:
        try:
            return payload[first][second]
        except MISSING:
            return None

    return field


def path_column(root: str, keys: tuple[str, ...]) -> Column:
    """Return `path` over a chunk."""
    if root == "$meta":
        meta = _meta_path(keys)
        return lambda chunk: [meta({}, event) for event in chunk.events]
    return (lambda chunk: chunk.field(keys)) if keys else (lambda chunk: chunk.payloads)


def one_by_one(scalar: Scalar) -> Column:
    """Return a scalar over a chunk."""
    return lambda chunk: list(map(scalar, chunk.payloads, chunk.events))


def _operation(operator: str, parts: list[Scalar]) -> Scalar:
    if operator == "?:":
        condition, then, otherwise = parts
        return lambda p, e: then(p, e) if condition(p, e) is True else otherwise(p, e)
    if len(parts) == 1:
        return _applied(_UNARY[operator], parts)
    left, right = parts
    if operator == "&&":
        return lambda p, e: left(p, e) is True and right(p, e) is True
    if operator == "||":
        return lambda p, e: left(p, e) is True or right(p, e) is True
    return _first(parts) if operator == "??" else _applied(_BINARY[operator], parts)


def _first(parts: list[Scalar]) -> Scalar:
    """Return the first value that is not null, without evaluating those after it."""
    *others, last = parts

    def first(payload: Payload, event: Event) -> Value:
        for part in others:
            value = part(payload, event)
            if value is not None:
                return value
        return last(payload, event)

    return first


def _applied(function: Callable[..., Value], parts: list[Scalar]) -> Scalar:
    """Apply `function` to its arguments, without a loop for up to three of them."""
    match parts:
        case [a]:
            return lambda p, e: function(a(p, e))
        case [a, b]:
            return lambda p, e: function(a(p, e), b(p, e))
        case [a, b, c]:
            return lambda p, e: function(a(p, e), b(p, e), c(p, e))
    return lambda p, e: function(*[part(p, e) for part in parts])
