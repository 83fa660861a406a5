"""The whole stack on this machine: from an event to a viewer, a process that is killed, a burst."""

import asyncio
import statistics
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.api.talk import STREAM
from tests.bench import command_center
from tests.bench._side import rounds
from tests.bench._table import number, table
from tests.sse import Sent, answer, read_events
from tests.stack import RunningStack

MOST_SECONDS = 200
KILLS = 3
ANSWERS = 20
BURST = 50
TOKENS = 200
CONTENT = f"/echo tokens={TOKENS} delayMs=20 tools=0 think=0\nword"
AGAIN = 0.2
FEW = "/echo tokens=3 tools=0 think=0\nword"


def measure() -> dict[str, Any]:
    """Medians, in milliseconds and seconds."""
    stack = RunningStack()
    try:
        stack.wait_until_ready()
        with httpx.Client(base_url=stack.url, headers=stack.headers("bench"), timeout=90) as client:
            found: dict[str, Any] = command_center.watched(client)
            kills = [_killed(stack, client) for _ in range(rounds(KILLS))]
            found["seconds_to_go_on"] = statistics.median(seconds for seconds, _ in kills)
            found["tokens_lost"] = max(lost for _, lost in kills)
            found["cold_burst_s"], found["warm_burst_s"] = _burst(client), _burst(client)
            found["first_token_ms"] = 1000 * statistics.median(
                asyncio.run(_asked_at_once(str(client.base_url), dict(client.headers), 1))
                for _ in range(rounds(ANSWERS))
            )
        return found
    finally:
        stack.stop()


def _killed(stack: RunningStack, client: httpx.Client) -> tuple[float, int]:
    """Kill the process in the middle of an answer, and come back with the last id until it ends: the seconds
    without an event, and how many of the answer's tokens nobody got."""
    seen: list[tuple[float, Sent]] = []
    begun = threading.Event()
    path = f"/api/conversations/{uuid.uuid4().hex}/messages"

    def play() -> None:
        _listen(client, "POST", path, seen, begun, json={"agentId": "echo", "content": CONTENT})
        run = seen[0][1].data["runId"]
        while seen[-1][1].data["type"] not in ("done", "error"):
            last = {"last-event-id": str(seen[-1][1].id)}
            _listen(client, "GET", f"/api/runs/{run}/stream", seen, begun, headers=last)

    with ThreadPoolExecutor(1) as pool:
        playing = pool.submit(play)
        if not begun.wait(60):
            raise RuntimeError("no token came")
        stack.kill("ConversationFunction")
        playing.result(120)
    after = next(
        moment for moment, event in seen if moment > stack.killed_at and event.data["type"] == "token"
    )
    said = [event for _, event in seen]
    kinds = [event.data["type"] for event in said]
    # What came before a `rewind` and after its point is said again; the view of the client has it once.
    whole = answer(said[kinds.index("rewind") :] if "rewind" in kinds else said)
    return after - stack.killed_at, TOKENS - len(whole.split()) if "rewind" not in kinds else 0


def _listen(
    client: httpx.Client,
    method: str,
    path: str,
    seen: list[tuple[float, Sent]],
    begun: threading.Event,
    **request: Any,
) -> None:
    headers = STREAM | request.pop("headers", {})
    try:
        with client.stream(method, path, headers=headers, **request) as response:
            for event in read_events(response.iter_lines()):
                if event.id is not None:
                    seen.append((time.monotonic(), event))
                if len(seen) > TOKENS // 4:
                    begun.set()
    except httpx.TransportError:
        pass  # its process is gone


def _burst(client: httpx.Client) -> float:
    return asyncio.run(_asked_at_once(str(client.base_url), dict(client.headers), BURST))


async def _asked_at_once(url: str, headers: dict[str, str], count: int) -> float:
    """Seconds until the last of `count` requests that are sent at once has its first token."""
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=90, limits=limits) as client:

        async def first() -> float:
            path = f"/api/conversations/{uuid.uuid4().hex}/messages"
            body = {"agentId": "echo", "content": FEW}
            while True:
                async with client.stream("POST", path, headers=STREAM, json=body) as response:
                    async for line in response.aiter_lines():
                        if '"token"' in line:
                            return time.monotonic()
                if response.status_code != 429:
                    raise RuntimeError(f"no token came: {response.status_code}")
                # Throttled, as by Lambda: the stack has 40 environments of a function.
                await asyncio.sleep(AGAIN)

        began = time.monotonic()
        return max(await asyncio.gather(*(first() for _ in range(count)))) - began


def section(found: dict[str, Any]) -> list[str]:
    """Viewers, kills, bursts."""
    rows = [
        ["first token, with a model that takes no time, ms", number(found["first_token_ms"])],
        ["event to viewer, median, ms", number(found["event_to_viewer_median_ms"])],
        ["event to viewer, 95th percentile, ms", number(found["event_to_viewer_p95_ms"])],
        ["a process is killed: until the next token, s", number(found["seconds_to_go_on"])],
        ["a process is killed: tokens lost", f"{found['tokens_lost']}"],
        [f"burst of {BURST}: until the last has its first token, s", number(found["cold_burst_s"])],
        ["the same burst again, environments warm, s", number(found["warm_burst_s"])],
    ]
    return [
        "## The whole stack",
        "",
        "`make run` on this machine: every function in its own process, behind function URLs, a bus and "
        "queues that the emulator polls.",
        "",
        *table(["", ""], rows),
        "- **First token**: through the stack's own function URL and the runtime of a process of its own, to "
        "an environment that is warm.",
        "- **Event to viewer**: the time from an event in a run until a viewer of the command center "
        "receives it, through the bus, a queue, the record function and the log. Up to 250 ms of it is "
        "spent in the run, which publishes its events at most four times a second, because each call is "
        "billed.",
        "- **Killed**: the client reconnects with the id of the last event that it received, and continues "
        "with the first one that it missed. Another process notices the expired lease, which lasts only "
        "seconds while somebody watches, and continues from the last stored step. None of the servers above "
        "continues: if the process dies, the answer is lost with all of its tokens.",
        f"- **Burst**: {BURST} environments start at the same time on the cores of one machine. On Lambda, "
        "each has its own cores, so each request waits for only one start.",
        "",
    ]
