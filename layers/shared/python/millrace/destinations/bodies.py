"""Bodies of requests: an event's payload as JSON, or a template of the body."""

from collections.abc import Callable

import orjson

from millrace.destinations.results import Unsendable
from millrace.pipelines.definitions.bodies import fill
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.compiler import Scalar
from millrace.pipelines.expressions.template import Template, compile_template
from millrace.pipelines.expressions.values import text

Body = Callable[[Event], bytes]


def body_of(template: str | None, content_type: str) -> Body:
    """Return the function that creates a request's body from an event.

    Without a template, the body is the payload as JSON.
    """
    if template is None:
        return lambda event: json_bytes(event.payload)
    compiled = compile_template(template)
    if "json" in content_type.lower():
        return lambda event: json_body(compiled, event)
    return lambda event: compiled.render(event.payload, event).encode()


def json_bytes(value: object) -> bytes:
    """Encode a value as JSON. Raises `Unsendable` if that is not possible."""
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unsendable("not_json", f"The event cannot be written as JSON: {error}") from None


def json_body(template: Template, event: Event) -> bytes:
    """Fill a JSON template so that no value can change its structure.

    Inside quotes, a value is escaped text; outside of quotes, it is a JSON value. Raises `Unsendable` if the
    result is not JSON.
    """
    return _checked(fill(template.pieces, lambda piece, quoted: _value(piece, event, quoted)).encode())


def _checked(body: bytes) -> bytes:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unsendable(
            "not_json",
            f"The template of the body does not produce JSON ({error}). Correct it, or set a content-type "
            "header that is not JSON.",
        ) from None
    return body


def _value(piece: Scalar, event: Event, quoted: bool) -> str:
    value = piece(event.payload, event)
    if quoted:
        return json_bytes(text(value))[1:-1].decode()
    return json_bytes(value).decode()
