"""Text with `{{expression}}` in it and no other syntax: no sections, no partials."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.compiler import Scalar
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.functions import FUNCTIONS, Function
from millrace.pipelines.expressions.values import check_length, text
from millrace.pipelines.limits import NODES, TEMPLATE_CHARACTERS
from millrace.pipelines.work import Work

Escape = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. `pieces` are literal texts and compiled expressions, in order."""

    source: str
    pieces: tuple[str | Scalar, ...] = field(repr=False)

    def render(self, payload: Payload, event: Event, escape: Escape | None = None) -> str:
        """Return the text for one event. Null becomes "". `escape` is applied to values, not to literal text.

        Raises `EvaluationError` if an expression fails or the text becomes too long.
        """
        parts, length = [], 0
        with Work():
            for piece in self.pieces:
                part = piece if isinstance(piece, str) else _printed(piece(payload, event), escape)
                length += len(part)
                check_length(length)
                parts.append(part)
        return "".join(parts)


def _printed(value: object, escape: Escape | None) -> str:
    return text(value) if escape is None else escape(text(value))


def escape_slack(value: str) -> str:
    """Escape the three characters with a meaning in Slack's message text."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def compile_template(source: str, functions: dict[str, Function] = FUNCTIONS) -> Template:
    """Compile a template. Raises `InvalidExpression` with line and column in the template."""
    if len(source) > TEMPLATE_CHARACTERS:
        raise InvalidExpression(f"A template must not exceed {TEMPLATE_CHARACTERS:,} characters.")
    pieces: list[str | Scalar] = []
    end = 0
    for start, close in _expressions(source):
        pieces.append(source[end:start])
        pieces.append(_piece(source, start + 2, close, functions))
        end = close + 2
        if len(pieces) > 2 * NODES:
            raise InvalidExpression(
                f"A template must not exceed {NODES} expressions.", source=source, offset=start
            )
    return Template(source, tuple(piece for piece in (*pieces, source[end:]) if piece != ""))


def template_expressions(source: str) -> list[str]:
    """Return the sources of the expressions in a template. Raises `InvalidExpression`."""
    return [source[start + 2 : close] for start, close in _expressions(source)]


def _expressions(source: str) -> Iterator[tuple[int, int]]:
    """Yield the positions of each `{{` and its `}}`."""
    end = 0
    while (start := source.find("{{", end)) >= 0:
        close = _close(source, start)
        yield start, close
        end = close + 2


def _close(source: str, start: int) -> int:
    """Return the position of `}}` outside of quotes."""
    quote = ""
    at = start + 2
    while at < len(source):
        character = source[at]
        if quote and character == "\\":
            at += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif source.startswith("}}", at):
            return at
        at += 1
    raise InvalidExpression("This `{{` has no `}}`.", source=source, offset=start)


def _piece(source: str, start: int, end: int, functions: dict[str, Function]) -> Scalar:
    """Compile a piece, so that errors have its position in the template."""
    try:
        return compile_expression(source[start:end], functions).evaluate
    except InvalidExpression as error:
        lines = source[start:end].split("\n")
        offset = start + sum(len(line) + 1 for line in lines[: error.line - 1]) + error.column - 1
        raise InvalidExpression(error.reason, source=source, offset=offset) from None
