"""A model server on 127.0.0.1 that speaks the real bytes of OpenAI, Anthropic and Bedrock, and misbehaves on
demand.

    with ModelServer() as server:
        server.play(Script([*anthropic_text(0, ["Hi"]), ...]))      # the next request gets this
        ... talk to server.url ...
        exchange = server.exchanges[-1]                              # headers, body, connection, disconnected

Without a script it answers by the model's name, in the protocol of the path that was called:
`fake-tokens=500-delayms=20` streams 500 tokens, one every 20 ms; `fake-tokens=500-thinkms=20` is silent for
20 ms before and after its first token, and sends the others at once. Requests to Bedrock's paths must carry a
signature that botocore itself computes for `ACCESS_KEY` and `SECRET_KEY`; others get Bedrock's 403.

As a process: `python -m tests.fakes.model_server --port 9000` (prints its address when it listens).
"""

import argparse
import asyncio
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

import orjson

from tests.fakes.aws_signature import ACCESS_KEY, REGION, SECRET_KEY, signature_problem
from tests.fakes.model_bytes import anthropic_answer, bedrock_answer, openai_answer

__all__ = ["ACCESS_KEY", "REGION", "SECRET_KEY", "Exchange", "Gate", "ModelServer", "Script"]

SSE = "text/event-stream; charset=utf-8"
EVENT_STREAM = "application/vnd.amazon.eventstream"


class Gate:
    """A handshake: the server reports that it has arrived (`reached`) and waits until the test opens the
    gate.

    A gate that is never opened is a server that is silent until the client leaves.
    """

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._is_open = False
        self._wake: Callable[[], object] | None = None

    def open(self) -> None:
        self._is_open = True
        if self._wake:
            self._wake()

    async def passed(self) -> None:
        opened = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(opened.set)
        self.reached.set()
        if not self._is_open:
            await opened.wait()


@dataclass
class Script:
    """The answer to one request: HTTP chunks, pauses in seconds, and gates, in order.

    `cut` closes the socket before the end of the body.
    """

    steps: Sequence[bytes | float | Gate]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Exchange:
    """A received request.

    `connection` numbers the sockets; `disconnected` is set if the client left early.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    disconnected: threading.Event = field(default_factory=threading.Event)

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class ModelServer:
    """The server, in its own thread so that blocking clients can also use it."""

    def __init__(self, port: int = 0) -> None:
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self._port = port
        self._scripts: deque[Script] = deque()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)

    @property
    def url(self) -> str:
        """The address without a path, as Bedrock's and Anthropic's clients expect it."""
        return f"http://127.0.0.1:{self._port}"

    def play(self, *scripts: Script) -> None:
        """Play these scripts for the next requests, one each."""
        self._scripts.extend(scripts)

    def start(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the model server does not start")
        return self

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", self._port))
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = self._loop.create_task(self._converse(reader, writer, self.connections))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        try:
            while exchange := await _request(reader, number):
                self.exchanges.append(exchange)
                if not await _answered(reader, writer, exchange, self._script(exchange)):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    def _script(self, exchange: Exchange) -> Script:
        if exchange.path.startswith("/model/") and (problem := signature_problem(exchange)):
            return _forbidden(problem)
        return self._scripts.popleft() if self._scripts else default_script(exchange)


def _forbidden(problem: str) -> Script:
    headers = {"content-type": "application/json", "x-amzn-errortype": "InvalidSignatureException"}
    return Script([orjson.dumps({"message": problem})], 403, headers)


async def _request(reader: asyncio.StreamReader, connection: int) -> Exchange | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Exchange(first.split(" ")[1], headers, body, connection)


async def _answered(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchange: Exchange, script: Script
) -> bool:
    """Play the script and return whether the connection can serve another request."""
    playing = asyncio.ensure_future(_play(writer, exchange, script))
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((playing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            exchange.disconnected.set()
            return False
        await playing
        return not script.cut
    except ConnectionError:
        exchange.disconnected.set()
        return False
    finally:
        for task in (playing, leaving):
            task.cancel()
        await asyncio.gather(playing, leaving, return_exceptions=True)


async def _play(writer: asyncio.StreamWriter, exchange: Exchange, script: Script) -> None:
    kind = EVENT_STREAM if exchange.path.startswith("/model/") else SSE
    headers = {"content-type": kind, "transfer-encoding": "chunked"} | script.headers
    lines = [f"HTTP/1.1 {script.status} Fake", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    for step in script.steps:
        if isinstance(step, bytes):
            writer.write(b"%x\r\n%b\r\n" % (len(step), step) if step else b"")
            await writer.drain()
        elif isinstance(step, Gate):
            await step.passed()
        else:
            await asyncio.sleep(step)
    writer.write(b"" if script.cut else b"0\r\n\r\n")
    await writer.drain()


def default_script(exchange: Exchange) -> Script:
    """Return the script for a model name: `fake-tokens=N-delayms=N-thinkms=N`, all parts optional."""
    make, model = _protocol(exchange)
    tokens = _asked(model, "tokens", 10)
    delay, thinks = _asked(model, "delayms", 0) / 1000, _asked(model, "thinkms", 0) / 1000
    steps: list[bytes | float | Gate] = []
    for chunk in make([f" token{number % 10}" for number in range(tokens)]):
        if thinks and b"token0" in chunk:
            steps += [thinks, chunk, thinks]
            thinks = 0
        else:
            steps += [chunk, delay] if delay else [chunk]
    return Script(steps)


def _protocol(exchange: Exchange) -> tuple[Callable[[list[str]], list[bytes]], str]:
    if exchange.path.startswith("/model/"):
        return bedrock_answer, unquote(exchange.path.split("/")[2])
    make = anthropic_answer if exchange.path.endswith("/messages") else openai_answer
    return make, exchange.json["model"]


def _asked(model: str, key: str, usual: int) -> int:
    found = re.search(rf"{key}=(\d{{1,7}})", model)
    return int(found[1]) if found else usual


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake model server for tests and benches.")
    parser.add_argument("--port", type=int, default=0)
    with ModelServer(parser.parse_args().port) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
