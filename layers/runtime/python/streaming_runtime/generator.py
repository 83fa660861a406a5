"""An ASGI app that streams the values of an async generator of event and context.

The first value may be a dict with `statusCode`, `headers` (a value or a list of values per name) and
`cookies`. The others are str or bytes.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from streaming_runtime.asgi import ASGIApp, Receive, Scope, Send
from streaming_runtime.errors import ResponseError

Generator = Callable[[Mapping[str, Any], Any], AsyncGenerator[Any, None]]
KEYS = {"statusCode", "headers", "cookies"}
DEFAULT_TYPE = (b"content-type", b"text/plain; charset=utf-8")


def generator_app(handler: Generator) -> ASGIApp:
    """Return the ASGI app that streams the generator's values, each as soon as it is yielded."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            async with aclosing(handler(scope["aws.event"], scope["aws.context"])) as values:
                await stream(values, send)

    return app


async def stream(values: AsyncGenerator[Any, None], send: Send) -> None:
    """Send the values as one response. Raises ResponseError for values that cannot be part of it."""
    first = await anext(values, b"")
    if isinstance(first, Mapping):
        await send(start(first))
        await send(body(b""))
    else:
        await send(start({}))
        await send(body(first))
    async for value in values:
        await send(body(value))
    await send({"type": "http.response.body", "body": b""})


def start(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that starts a response. Raises ResponseError for invalid keys and values."""
    if unknown := metadata.keys() - KEYS:
        raise ResponseError(f"the first value has unknown keys {sorted(unknown)}; {sorted(KEYS)} are known")
    headers = metadata.get("headers") or {}
    fields = [(_bytes(name), _bytes(value)) for name, each in headers.items() for value in _values(each)]
    fields += [(b"set-cookie", _bytes(cookie)) for cookie in metadata.get("cookies") or ()]
    if not any(name.lower() == b"content-type" for name, _ in fields):
        fields.append(DEFAULT_TYPE)
    return {"type": "http.response.start", "status": metadata.get("statusCode", 200), "headers": fields}


def body(value: object) -> dict[str, Any]:
    """Return the message for a value."""
    if not isinstance(value, str | bytes | bytearray | memoryview):
        raise ResponseError(
            f"the generator yielded {type(value).__name__}: it may yield str or bytes, and first a dict with "
            "statusCode, headers and cookies"
        )
    data = value.encode() if isinstance(value, str) else value
    return {"type": "http.response.body", "body": data, "more_body": True}


def _values(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _bytes(text: object) -> bytes:
    return str(text).encode("latin-1")
