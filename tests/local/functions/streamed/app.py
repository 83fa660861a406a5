"""An ASGI app without a framework that streams, waits, breaks off or dies, depending on its path."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

MB = 1024 * 1024


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = await _body(receive)
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
    action = _ACTIONS[scope["path"].rpartition("/")[2]]
    await action(send, query, body, scope)


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def _start(send: Any, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    head = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})


async def _chunk(send: Any, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _end(send: Any) -> None:
    await send({"type": "http.response.body", "body": b""})


async def _steps(send: Any, query: dict[str, str], body: bytes, scope: Any) -> None:
    """Send the next word only when the test has written a line into the named pipe."""
    await _start(send)
    await _chunk(send, f"{os.getpid()} ")
    pipe = await asyncio.to_thread(open, query["pipe"])
    with pipe:
        while line := await asyncio.to_thread(pipe.readline):
            await _chunk(send, line)
    if done := query.get("done"):
        await asyncio.to_thread(Path(done).write_text, "done")
    await _end(send)


async def _count(send: Any, query: dict[str, str], body: bytes, scope: Any) -> None:
    await _start(send)
    for number in range(int(query["to"])):
        await _chunk(send, f"{query.get('name', '')}{number}\n")
        await asyncio.sleep(0)
    await _end(send)


async def _much(send: Any, query: dict[str, str], body: bytes, scope: Any) -> None:
    """Note in a file how many bytes have left, so that a test sees it wait for a slow client."""
    await _start(send)
    sent = 0
    while sent < int(query["bytes"]):
        await _chunk(send, "x" * MB)
        sent += MB
        await asyncio.to_thread(Path(query["note"]).write_text, str(sent))
    await _end(send)


async def _die(send: Any, query: dict[str, str], body: bytes, scope: Any) -> None:
    await _start(send)
    await _chunk(send, "last words")
    await asyncio.to_thread(Path(query["pipe"]).read_text)
    os._exit(3)


async def _raise(send: Any, query: dict[str, str], body: bytes, scope: Any) -> None:
    await _start(send)
    await _chunk(send, "last words")
    raise ValueError("broken in mid-stream")


async def _hang(send: Any, query: dict[str, str], body: bytes, scope: Any) -> None:
    if query.get("begin"):
        await _start(send)
        await _chunk(send, "begun")
    await asyncio.Event().wait()


async def _cookies(send: Any, query: dict[str, str], body: bytes, scope: Any) -> None:
    headers = ((b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2"), (b"x-run-id", b"r1"))
    foreign = ((b"access-control-allow-origin", b"https://other.example"),)
    await _start(send, 201, headers + foreign)
    await _end(send)


async def _described(send: Any, query: dict[str, str], body: bytes, scope: Any) -> None:
    print("told what it sees")
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    seen = {"pid": os.getpid(), "environ": dict(os.environ), "headers": headers, "body": body.hex()}
    await _start(send)
    await _chunk(send, json.dumps(seen))
    await _end(send)


_ACTIONS = {
    "steps": _steps,
    "count": _count,
    "much": _much,
    "die": _die,
    "raise": _raise,
    "hang": _hang,
    "cookies": _cookies,
    "told": _described,
}
