"""Shortcuts to send ASGI messages in test apps."""

from streaming_runtime.asgi import Receive, Scope, Send


async def start(send: Send, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers or []})


async def body(send: Send, data: bytes | bytearray | memoryview, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, headers=[(b"content-type", b"text/plain")])
    await body(send, b"hello", more=False)
