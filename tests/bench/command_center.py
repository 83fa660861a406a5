"""The latency of an event from a run to a viewer of the command center, over the running stack.

`python -m tests.bench.command_center` prints it. From the moment an event is made (its `time`) to the moment
a viewer has it: the bus, the queue, the record function, the event log, the viewer's tail. Milliseconds.
"""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from millrace.domain.clock import from_iso, now_ms
from tests.sse import read_events
from tests.stack import RunningStack

RUNS, AT_ONCE = 20, 4
CONTENT = "/echo tokens=30 delayMs=50 tools=2\nsome words"


def measure() -> dict[str, float]:
    """Median and 95th percentile from event made to viewer, and the record function's events a second."""
    stack = RunningStack()
    try:
        stack.wait_until_ready()
        with httpx.Client(base_url=stack.url, headers=stack.headers("bench"), timeout=60) as client:
            return watched(client)
    finally:
        stack.stop()


def watched(client: httpx.Client) -> dict[str, float]:
    """It over a stack that runs already."""
    say(client, 0)  # warms every function
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        there = threading.Event()
        viewer = pool.submit(latencies, client, there)
        if not there.wait(60):
            raise RuntimeError("the viewer is not served")
        list(pool.map(lambda n: say(client, n), range(1, RUNS)))
        found = viewer.result(60)
    took = time.monotonic() - began
    return {
        "event_to_viewer_median_ms": statistics.median(found),
        "event_to_viewer_p95_ms": statistics.quantiles(found, n=20)[-1],
        "events_per_second": len(found) / took,
    }


def say(client: httpx.Client, number: int) -> None:
    """Run the echo agent to its end."""
    body = {"agentId": "echo", "content": CONTENT}
    client.post(f"/api/conversations/bench-{number}/messages", json=body).raise_for_status()


def latencies(client: httpx.Client, there: threading.Event) -> list[float]:
    """Milliseconds from each event to this viewer, until the last run has ended. `there` is set when it is
    served."""
    found: list[float] = []
    ends = 0
    with client.stream("GET", "/api/command-center/stream") as response:
        for event in read_events(response.iter_lines()):
            there.set()
            if event.data["type"] == "heartbeat":
                continue
            found.append(now_ms() - from_iso(event.data["time"]))
            ends += event.data["type"] == "run:completed"
            if ends == RUNS - 1:
                break
    return found


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name}: {value:.0f}")
