"""A Pratt parser for expressions, with limits on length, nodes and depth."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.expressions.lexer import Token, tokens
from millrace.pipelines.expressions.syntax import Call, Item, ListOf, Literal, Node, Operation, Path
from millrace.pipelines.limits import DEPTH, NODES

# Binding powers, low to high. `?:` and `??` group to the right, all others to the left.
_POWERS = {
    "?": 1,
    "??": 2,
    "||": 3,
    "&&": 4,
    **dict.fromkeys(("==", "!="), 5),
    **dict.fromkeys(("<", "<=", ">", ">=", "in"), 6),
    **dict.fromkeys(("+", "-"), 7),
    **dict.fromkeys(("*", "/", "%"), 8),
    **dict.fromkeys((".", "[", "("), 10),
}
_UNARY_POWER = 9
_WORDS = {"true": True, "false": False, "null": None}
_ROOTS = ("$event", "$meta")
CallCheck = Callable[[str, int], str | None]


def parse(source: str, check_call: CallCheck) -> Node:
    """Return the syntax of `source`. `check_call(name, arguments)` returns the problem with a call, or None.

    Raises `InvalidExpression` with line and column.
    """
    return _Parser(source, check_call).whole()


class _Parser:
    def __init__(self, source: str, check_call: CallCheck) -> None:
        self.source = source
        self.check_call = check_call
        self.tokens = tokens(source)
        self.position = 0
        self.nodes = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def whole(self) -> Node:
        if len(self.tokens) == 1:
            raise self.wrong("The expression is empty.")
        node = self.expression(0)
        if self.token.kind != "end":
            raise self.wrong(f"Expected an operator or the end, not `{self.token.text}`.")
        return node

    def wrong(self, message: str, offset: int | None = None) -> InvalidExpression:
        at = self.token.offset if offset is None else offset
        return InvalidExpression(message, source=self.source, offset=at)

    def advance(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.position += 1
        return token

    def accept(self, text: str) -> bool:
        found = self.token.kind == "operator" and self.token.text == text
        if found:
            self.position += 1
        return found

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.wrong(f"Expected `{text}`, not {_quoted(self.token)}.")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > DEPTH:
            raise self.wrong(f"The expression is nested deeper than {DEPTH}.")
        yield
        self.depth -= 1

    def counted(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > NODES:
            raise self.wrong(f"The expression has more than {NODES} parts.", node.offset)
        return node

    def expression(self, power: int) -> Node:
        with self.deeper():
            left = self.prefix()
            while _power(self.token) > power:
                left = self.counted(self.infix(left, self.advance()))
            return left

    def prefix(self) -> Node:
        token = self.advance()
        if token.kind in ("number", "string"):
            return self.counted(Literal(token.offset, token.value))
        if token.kind == "name":
            return self.counted(self.name(token))
        if token.text in ("-", "!"):
            return self.counted(Operation(token.offset, token.text, (self.expression(_UNARY_POWER),)))
        if token.text == "(":
            node = self.expression(0)
            self.expect(")")
            return node
        if token.text == "[":
            return self.counted(ListOf(token.offset, self.sequence("]")))
        raise self.wrong(f"Expected a value, not {_quoted(token)}.", token.offset)

    def name(self, token: Token) -> Node:
        if token.text in _WORDS:
            return Literal(token.offset, _WORDS[token.text])
        if token.text in _ROOTS:
            return Path(token.offset, token.text, ())
        if token.text.startswith("$") or token.text == "in":
            raise self.wrong(f'Write `$event["{token.text}"]` for a field of this name.', token.offset)
        if self.accept("("):
            return self.call(token)
        return Path(token.offset, "$event", (token.text,))

    def call(self, token: Token) -> Node:
        arguments = self.sequence(")")
        problem = self.check_call(token.text, len(arguments))
        if problem:
            raise self.wrong(problem, token.offset)
        return Call(token.offset, token.text, arguments)

    def sequence(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self.accept(closing):
            if items:
                self.expect(",")
            items.append(self.expression(0))
        return tuple(items)

    def infix(self, left: Node, token: Token) -> Node:
        if token.text == ".":
            return self.field(left)
        if token.text == "[":
            key = self.expression(0)
            self.expect("]")
            return _item(left, key)
        if token.text == "(":
            raise self.wrong("Only a function's name can be called.", token.offset)
        if token.text == "?":
            return self.conditional(left)
        # `a ?? b ?? c` groups to the right, so that the right side may contain the same operator.
        right = self.expression(_POWERS[token.text] - (token.text == "??"))
        return Operation(left.offset, token.text, (left, right))

    def field(self, left: Node) -> Node:
        token = self.advance()
        if token.kind != "name" or token.text.startswith("$"):
            raise self.wrong(f"Expected a field's name after `.`, not {_quoted(token)}.", token.offset)
        return _item(left, Literal(token.offset, token.text))

    def conditional(self, condition: Node) -> Node:
        then = self.expression(0)
        self.expect(":")
        otherwise = self.expression(0)
        return Operation(condition.offset, "?:", (condition, then, otherwise))


def _item(left: Node, key: Node) -> Node:
    if isinstance(left, Path) and isinstance(key, Literal) and type(key.value) is str:
        return Path(left.offset, left.root, (*left.keys, key.value))
    return Item(left.offset, left, key)


def _power(token: Token) -> int:
    if token.kind == "operator" or token.text == "in":
        return _POWERS.get(token.text, 0)
    return 0


def _quoted(token: Token) -> str:
    return token.text if token.kind == "end" else f"`{token.text}`"
