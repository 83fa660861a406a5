"""Templates of JSON bodies: they must produce JSON for all values."""

from collections.abc import Callable, Iterable

import orjson

from millrace.pipelines.definitions.written import misplaced
from millrace.pipelines.expressions.compiler import Scalar
from millrace.pipelines.expressions.template import compile_template


def is_json(headers: dict[str, str]) -> bool:
    """Return whether the content is JSON, which is the default unless the headers set another type."""
    kinds = [value for name, value in headers.items() if name.lower() == "content-type"]
    return all("json" in kind.lower() for kind in kinds)


def check_json_template(source: str) -> None:
    """Raise unless the template produces JSON, with null for values outside of quotes."""
    body = fill(compile_template(source).pieces, lambda piece, quoted: "" if quoted else "null")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise misplaced(
            "body",
            f"The template does not produce JSON ({error}). Correct it, or set a content-type header that "
            "is not JSON.",
        ) from None


def fill(pieces: Iterable[str | Scalar], value: Callable[[Scalar, bool], str]) -> str:
    """Return the template's text. `value` is called with each expression and whether it is inside quotes."""
    parts: list[str] = []
    quoted = False
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(piece)
            quoted = _ends_in_quotes(piece, quoted)
        else:
            parts.append(value(piece, quoted))
    return "".join(parts)


def _ends_in_quotes(literal: str, quoted: bool) -> bool:
    escaped = False
    for character in literal:
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = quoted and character == "\\" and not escaped
    return quoted
