"""Databases that do not answer hold up no other organization's deliveries."""

import asyncio
import threading
from typing import Any

import pytest

from millrace.destinations.connections import Access, Databases
from millrace.destinations.database import DatabaseSender
from millrace.destinations.results import SendReport
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.stores.aws import Aws

WITHIN = 60.0


async def at_once(behind: int = 0) -> int:
    return 0


async def test_many_databases_that_hang_leave_threads_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, begun, loop = threading.Event(), asyncio.Queue[None](), asyncio.get_running_loop()

    def write(self: Any, events: Any) -> SendReport:
        loop.call_soon_threadsafe(begun.put_nowait, None)
        answers.wait(WITHIN)
        return SendReport([])

    monkeypatch.setattr(DatabaseSender, "_write", write)
    databases = Databases(Access(loopback=True), Aws("eu-central-1"))
    config = DatabaseConfig.model_validate({"connection": "sqlite:///x.db", "table": "t"})
    sender = DatabaseSender(config, "acme", databases)
    writes = [asyncio.create_task(sender.send([], at_once)) for _ in range(20)]
    try:
        async with asyncio.timeout(WITHIN):
            for _ in writes:
                await begun.get()
            assert await asyncio.to_thread(answers.is_set) is False
    finally:
        answers.set()
        await asyncio.gather(*writes)
