"""AWS whose transactions a test delays, and a model that does not answer until a test lets it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from millrace.domain.conversations import Slot
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from tests.clock import Clock
from tests.services.scripted import Talk

WITHIN = 30.0
"""Seconds for what comes at once on a machine that is not busy."""


class Gated(Aws):
    """AWS whose next transaction waits until the gate opens; then `fault` is its answer, if there is one."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.reached, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None

    def shut(self, fault: Exception | None = None) -> None:
        """Hold the next transaction up."""
        self.reached.clear()
        self.gate.clear()
        self.fault = fault

    async def held(self, stores: Stores) -> None:
        """Wait until a transaction is held up, and a while in which what must wait for it could begin."""
        async with asyncio.timeout(WITHIN):
            await self.reached.wait()
        for _ in range(5):
            await stores.leases.peek(Slot("nobody", "c1"))

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "transact_write_items" and not self.gate.is_set():
            self.reached.set()
            await self.gate.wait()
            if fault := self.fault:
                self.fault = None
                raise fault
        return await super().call(service, operation, **parameters)


@pytest.fixture
async def gated(settings: Settings) -> AsyncIterator[Gated]:
    aws = Gated(settings.region)
    yield aws
    aws.gate.set()
    await asyncio.to_thread(aws.close)


@pytest.fixture
def clock() -> Clock:
    """One that stands, so that no bucket of requests fills up again while a test is slow."""
    return Clock()


@pytest.fixture
def talk(settings: Settings, gated: Gated, clock: Clock) -> Talk:
    return Talk(settings, Stores.connect(settings, gated, clock=clock))


class Silent:
    """A model that answers with nothing until it is left."""

    def __init__(self) -> None:
        self.asked, self.left = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
