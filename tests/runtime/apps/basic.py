"""Apps that need only the standard library, for every Python version."""

import asyncio
import json
import os
import sys
from collections.abc import Iterable

from streaming_runtime.asgi import Receive, Scope, Send

Headers = Iterable[tuple[bytes, bytes]]


async def start(send: Send, status: int = 200, headers: Headers = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def body(send: Send, data: bytes, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Routes by path to the functions below."""
    if scope["type"] == "lifespan":
        raise AssertionError("no lifespan here")
    await globals()[scope["path"].strip("/") or "hello"](scope, receive, send)


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    print("hello from the app")
    await start(
        send, headers=[(b"Content-Type", b"text/plain"), (b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=2")]
    )
    await body(send, b"hello ")
    await body(send, "wörld".encode(), more=False)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await start(send)
    await body(send, message["body"], more=False)


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("before the first byte")


async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"half")
    raise ValueError("é" * 20_000)


async def exits(scope: Scope, receive: Receive, send: Send) -> None:
    sys.exit(3)


async def dies(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"half")
    os._exit(9)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, 204)
    await body(send, b"", more=False)


async def megabytes(scope: Scope, receive: Receive, send: Send) -> None:
    """`?n`: so many times 64 KiB."""
    await start(send)
    block = b"x" * 65_536
    for _ in range(int(scope["query_string"])):
        await body(send, block)
    await body(send, b"", more=False)


async def peak(scope: Scope, receive: Receive, send: Send) -> None:
    """The process's peak resident set in KiB."""
    import resource

    await start(send)
    await body(send, str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).encode(), more=False)


async def waits(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"waiting")
    await asyncio.sleep(3600)


async def ignores(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse to be cancelled."""
    await start(send)
    await body(send, b"stubborn")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("cancelled")


async def trace(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    seen = {"env": os.environ.get("_X_AMZN_TRACE_ID"), "context": scope["aws.context"].trace_id}
    await body(send, json.dumps(seen).encode(), more=False)
