"""Names whose servers do not answer hold up nobody else's."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from millrace.net.names import resolve_name

WITHIN = 60.0


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Names of `slow.example` have no addresses before this event is set."""
    found, answers = socket.getaddrinfo, threading.Event()

    def look_up(host: str, port: int, *args: Any, **more: Any) -> Any:
        if host.endswith("slow.example"):
            answers.wait(WITHIN)
            raise OSError("no answer")
        return found("127.0.0.1", port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield answers
    answers.set()


async def test_name_is_resolved_while_many_others_have_no_answer(answered: threading.Event) -> None:
    slow = [asyncio.create_task(resolve_name(f"{at}.slow.example", 443)) for at in range(40)]
    async with asyncio.timeout(WITHIN):
        assert await resolve_name("api.example", 443) == ["127.0.0.1"]
        assert await asyncio.to_thread(lambda: "others work in threads") == "others work in threads"
    assert not any(task.done() for task in slow)
    answered.set()
    failed = await asyncio.gather(*slow, return_exceptions=True)
    assert {type(one) for one in failed} == {OSError}
