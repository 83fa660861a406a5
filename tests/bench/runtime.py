"""CPU per body message through the streaming runtime, against plain asyncio writing the same bytes."""

import asyncio
import subprocess
import sys
import time

from streaming_runtime.asgi import Receive, Scope, Send
from streaming_runtime.runtime import Worker

MESSAGES = 20_000
ROUNDS = 5
CHUNK = b'data: {"type":"token","text":" word"}\n\n'
# A host in a process of its own, so that only the runtime's side is measured: it hands out one invocation
# per connection, drains the answer and says 202 at the end of the chunked body.
SINK = """
import socket, sys
event = b'{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}'
invocation = (b"HTTP/1.1 200 OK\\r\\nLambda-Runtime-Aws-Request-Id: 1\\r\\n"
    b"Lambda-Runtime-Deadline-Ms: 1\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(event), event))
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    if connection.recv(65536).startswith(b"GET"):
        connection.sendall(invocation)
    tail = b""
    while not tail.endswith(b"\\r\\n0\\r\\n\\r\\n") and (data := connection.recv(1 << 20)):
        tail = (tail + data)[-7:]
    connection.sendall(b"HTTP/1.1 202 Accepted\\r\\nContent-Length: 0\\r\\n\\r\\n")
    connection.recv(1)
    connection.close()
"""


def measure() -> dict[str, float]:
    """Microseconds of CPU per message of 39 bytes (best of some rounds), and the runtime's ratio to plain."""
    with subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True) as sink:
        try:
            port = int(sink.stdout.readline()) if sink.stdout else 0
            rounds = [(asyncio.run(runtime(port)), asyncio.run(plain(port))) for _ in range(ROUNDS)]
        finally:
            sink.kill()
    ours, theirs = (min(times) for times in zip(*rounds, strict=True))
    return {"runtime_us_per_message": ours, "plain_us_per_message": theirs, "ratio": ours / theirs}


async def runtime(port: int) -> float:
    """One invocation through the runtime."""
    spent = asyncio.get_running_loop().create_future()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        begin = time.process_time_ns()
        for _ in range(MESSAGES):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        spent.set_result(time.process_time_ns() - begin)
        await send({"type": "http.response.body", "body": b""})

    worker = Worker(app, {}, f"127.0.0.1:{port}", alone=True)
    nanoseconds: int = await spent
    worker.stop()
    await asyncio.wait([worker.task], timeout=5)
    worker.task.cancel()
    return nanoseconds / MESSAGES / 1000


async def plain(port: int) -> float:
    """The same chunks written to an asyncio stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    begin = time.process_time_ns()
    for _ in range(MESSAGES):
        writer.write(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
        await writer.drain()
    nanoseconds = time.process_time_ns() - begin
    writer.write(b"0\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return nanoseconds / MESSAGES / 1000


if __name__ == "__main__":
    print(measure())
