"""Helpers to create, operate and watch pipelines of the running stack."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import psutil

from tests.stack import RunningStack

PIPELINES = "/api/streaming/pipelines"
SECONDS = 60.0
_AT_WORK = ("", "NotVisible")
_COUNTS = (*_AT_WORK, "Delayed")


def created(client: httpx.Client, **definition: Any) -> str:
    """The id of a new pipeline."""
    answer = client.post(PIPELINES, json={"name": "test", "source": {"type": "agent_execution"}} | definition)
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def act(client: httpx.Client, id: str, action: str, **body: Any) -> dict[str, Any]:
    """`start`, `pause`, `batch` and the like: what it answers."""
    answer = client.post(f"{PIPELINES}/{id}/{action}", json=body or None)
    assert answer.is_success, answer.text
    reported: dict[str, Any] = answer.json()
    return reported


def started(client: httpx.Client, **definition: Any) -> str:
    """The id of a new pipeline that runs."""
    id = created(client, **definition)
    act(client, id, "start")
    return id


def push(client: httpx.Client, id: str, *items: dict[str, Any]) -> None:
    act(client, id, "batch", items=list(items))


def store_secret(client: httpx.Client, name: str, value: str, *hosts: str) -> None:
    """Hosts: this machine's, unless named."""
    body = {"value": value, "hosts": hosts or ["127.0.0.1"]}
    assert client.put(f"/api/streaming/secrets/{name}", json=body).status_code == 200


def metrics(client: httpx.Client, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{PIPELINES}/{id}/metrics").raise_for_status().json()
    return found


def dead_letters(client: httpx.Client, id: str) -> list[dict[str, Any]]:
    """All dead letters."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        params: dict[str, Any] = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"{PIPELINES}/{id}/dead-letters", params=params).raise_for_status().json()
        found += page["items"]
        cursor = page["nextCursor"]
    return found


def depth(stack: RunningStack, queue: str, counts: Sequence[str] = _COUNTS) -> int:
    """Messages of a queue (by logical id) that wait, are worked on, or are due later."""
    names = [f"ApproximateNumberOfMessages{count}" for count in counts]
    url = stack.deployment["resources"][queue]
    reported = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(reported[name]) for name in names)


def wait_until_delivered(stack: RunningStack, seconds: float = SECONDS) -> None:
    """Until nothing is on its way from ingest to destinations any more: in this order, one fills the next.
    Timers, which are due later, may stay in the ingest queue: other tests have some too."""

    def on_the_way() -> int:
        return depth(stack, "IngestQueue", _AT_WORK) + depth(stack, "DeliveryQueue")

    wait_until(lambda: on_the_way() == 0, seconds)


def wait_until(asked: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Fail when it does not hold in time. What has taken long is asked for less often: each answer costs the
    stack that is waited for."""
    began, pause = time.monotonic(), threading.Event()
    while not asked():
        waited = time.monotonic() - began
        assert waited < seconds, f"It did not come true within {seconds:.0f} seconds."
        pause.wait(min(max(0.1, waited / 5), 0.5))


def workers(stack: RunningStack, function: str) -> list[psutil.Process]:
    """The processes of a function (by logical id) that the emulator runs from a queue."""
    name = stack.deployment["functions"][function]["name"]
    found = []
    for process in psutil.Process(stack.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == name:
                found.append(process)
    return found


def kill(stack: RunningStack, function: str) -> int:
    """Ends all of a function's processes at once, as a crash would; how many they were."""
    found = workers(stack, function)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    return len(found)
