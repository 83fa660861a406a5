"""A compiled expression, the single entry point for map values, guards and templates."""

from dataclasses import dataclass, field

from millrace.pipelines.chunk import Column
from millrace.pipelines.expressions.compiler import Compiler, Scalar, fold
from millrace.pipelines.expressions.functions import FUNCTIONS, Function, call_problem
from millrace.pipelines.expressions.parser import parse
from millrace.pipelines.expressions.syntax import Literal, Node, Path


@dataclass(frozen=True, slots=True)
class Expression:
    """`evaluate(payload, event)` returns a value or raises `EvaluationError`; `column` evaluates a whole
    chunk.

    `is_safe` means that neither ever raises.
    """

    source: str
    evaluate: Scalar = field(repr=False)
    column: Column = field(repr=False)
    is_constant: bool = False
    is_safe: bool = False
    node: Node | None = field(default=None, repr=False)


def compile_expression(source: str, functions: dict[str, Function] = FUNCTIONS) -> Expression:
    """Compile an expression. Raises `InvalidExpression` with line and column."""
    compiler = Compiler(source, functions)
    node = fold(syntax(source, functions), compiler)
    is_constant, is_safe = isinstance(node, Literal), isinstance(node, Literal | Path)
    return Expression(source, compiler.scalar(node), compiler.column(node), is_constant, is_safe, node)


def syntax(source: str, functions: dict[str, Function] = FUNCTIONS) -> Node:
    """Return the parsed source, for tools that analyze an expression instead of running it."""
    return parse(source, lambda name, arguments: call_problem(functions, name, arguments))
