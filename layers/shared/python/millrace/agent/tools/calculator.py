"""Arithmetic for models, which are bad at it: an expression is parsed, never evaluated as code."""

import ast
import math
import operator
from collections.abc import Callable

from millrace.agent.tools.function import repeatable
from millrace.errors import InvalidRequest

LENGTH_LIMIT = 500
NODE_LIMIT = 200
# 2,467 digits, below the limit of 4,300 at which Python refuses to write an integer.
BIT_LIMIT = 8192

Number = int | float


def _round(number: Number, digits: Number = 0) -> Number:
    """Round within limits: Python's own function would take hours for round(1, -10**9)."""
    if not isinstance(digits, int) or abs(digits) > 300:
        raise _wrong("Round to a whole number of digits between -300 and 300.")
    return round(number, digits) if digits else round(number)


_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": abs, "round": _round, "min": min, "max": max, "floor": math.floor, "ceil": math.ceil,
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "log2": math.log2, "log10": math.log10,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos,
    "atan": math.atan, "degrees": math.degrees, "radians": math.radians,
}  # fmt: skip
_CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


@repeatable
def calculator(expression: str) -> str:
    """Compute an arithmetic expression. Use it for every calculation.

    Args:
        expression: Numbers with + - * / // % ** and parentheses; abs, round, min, max, floor, ceil, sqrt,
            exp, log, log2, log10, sin, cos, tan, asin, acos, atan, degrees, radians; pi, e, tau. For example
            "(19.99 * 3 + 4.5) * 1.19".
    """
    try:
        return _written(_value(_parsed(expression)))
    except ZeroDivisionError:
        raise _wrong("The expression divides by zero.") from None
    except (OverflowError, TypeError, ValueError) as error:
        raise _wrong(f"The expression has no result: {error}.") from None


def _parsed(expression: str) -> ast.expr:
    if len(expression) > LENGTH_LIMIT:
        raise _wrong(f"An expression must not exceed {LENGTH_LIMIT} characters; compute it in parts.")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    # The parser raises the last two for an expression that is nested too deeply.
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _wrong(f"{expression!r} is not an arithmetic expression.") from None
    if sum(1 for _ in ast.walk(tree)) > NODE_LIMIT:
        raise _wrong("The expression has too many parts; compute it in steps.")
    return tree.body


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=sign, operand=inner) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(inner))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _bounded(_BINARY[type(sign)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*map(_value, args)))
        case ast.BinOp(op=ast.BitXor()):
            raise _wrong("Write ** for a power.")
    raise _wrong(
        f"{ast.unparse(node)!r} is not allowed; use numbers, + - * / // % ** and the named functions."
    )


def _power(base: Number, exponent: Number) -> Number:
    """Compute a power, after checking from its operands that it is not too large."""
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > BIT_LIMIT:
        raise _wrong("The power is too large; use decimals for an estimate, as in 2.0**1000.")
    return _bounded(base**exponent)


_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}


def _bounded(number: object) -> Number:
    if not isinstance(number, int | float):
        raise _wrong("The result is not a real number.")
    if isinstance(number, int) and number.bit_length() > BIT_LIMIT:
        raise _wrong("The numbers become too large; use decimals for an estimate.")
    if isinstance(number, float) and not math.isfinite(number):
        raise _wrong("The numbers become too large.")
    return number


def _written(number: Number) -> str:
    """Write integers in full, and other numbers with 15 digits, which hides the noise of binary fractions."""
    return str(number) if isinstance(number, int) else f"{number:.15g}"


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_arguments")
