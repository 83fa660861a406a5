"""Hooks around the snapshot, in the order in which they run."""

import os

from streaming_runtime import after_restore, before_snapshot
from streaming_runtime.asgi import Receive, Scope, Send

order: list[str] = []


@before_snapshot
def first_registered() -> None:
    order.append("before 1")


@before_snapshot
async def second_registered() -> None:
    order.append("before 2")
    if os.environ.get("BREAK") == "before":
        raise RuntimeError("cannot be snapshotted")


@after_restore
async def first_restored() -> None:
    order.append("after 1")


@after_restore
def second_restored() -> None:
    order.append("after 2")
    if os.environ.get("BREAK") == "after":
        raise RuntimeError("cannot be restored")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ", ".join(order).encode()})
