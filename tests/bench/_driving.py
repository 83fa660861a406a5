"""A client of streamed answers that looks at times, and the books of a process and its children."""

import asyncio
import json
import re
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.bench._peers import Peer

TOKEN = re.compile(rb"token\d")
STARTS_WITHIN = ANSWERS_WITHIN = 120.0


@dataclass
class Running:
    """A peer that serves."""

    peer: Peer
    port: int
    process: psutil.Process
    started: float

    def cpu(self) -> float:
        """The seconds of CPU so far, of its children too."""
        times = [one.cpu_times() for one in self._family()]
        return sum(one.user + one.system + one.children_user + one.children_system for one in times)

    def memory(self) -> float:
        """Megabytes that it has in memory, of its children too."""
        return sum(one.memory_info().rss for one in self._family()) / 1e6

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@dataclass
class Stream:
    """An answer that is read: `first` is when its first token came, on the clock of `time.monotonic`."""

    first: float
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tokens: int

    async def rest(self) -> int:
        """Read to the end; return how many tokens have come in all."""
        tail = b""
        while data := await self.reader.read(65_536):
            # A token that was cut is counted with the part that completes it.
            self.tokens += len(TOKEN.findall(tail + data)) - len(TOKEN.findall(tail))
            tail = (tail + data)[-8:]
        self.writer.close()
        return self.tokens


@contextmanager
def serving(peer: Peer, model_url: str, model: str) -> Iterator[Running]:
    """Run a peer until the block ends. It may not serve yet when the block begins."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = time.monotonic()
    process = peer.start(port, model_url, model)
    running = Running(peer, port, psutil.Process(process.pid), started)
    try:
        yield running
    finally:
        family = running._family()
        for one in family:
            one.kill()
        psutil.wait_procs(family)
        process.wait()


async def ask(running: Running, conversation: str = "") -> Stream:
    """Ask for an answer, as soon as the peer serves, and read up to its first token."""
    reader, writer = await _connected(running)
    conversation = conversation or uuid.uuid4().hex
    # Also where a body names it: a message with a known id would only be answered with the stored run.
    body = json.dumps(running.peer.body).replace("{conversation}", conversation).encode()
    writer.write(_head(running.peer, conversation, len(body)) + body)
    seen = b""
    while not (found := TOKEN.findall(seen)):
        async with asyncio.timeout(ANSWERS_WITHIN):
            data = await reader.read(65_536)
        if not data:
            raise RuntimeError(f"{running.peer.name} gave no token: {seen[-2_000:].decode(errors='replace')}")
        seen += data
    return Stream(time.monotonic(), reader, writer, len(found))


def _head(peer: Peer, conversation: str, size: int) -> bytes:
    headers: Mapping[str, str] = {
        "Host": "127.0.0.1",
        "Accept": "text/event-stream",
        "Content-Type": "application/json",
        "Content-Length": str(size),
        "Connection": "close",
        **peer.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    path = peer.path.replace("{conversation}", conversation)
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode()


async def _connected(running: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(STARTS_WITHIN):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", running.port)
            except ConnectionError:
                if not running.process.is_running() or running.process.status() == psutil.STATUS_ZOMBIE:
                    raise RuntimeError(f"{running.peer.name} has ended") from None
                await asyncio.sleep(0.005)
