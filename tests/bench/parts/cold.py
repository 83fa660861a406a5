"""A cold start of what is deployed: built layers and function, Lambda's Python, a Runtime API."""

import asyncio
import json
import os
import shutil
import statistics
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.bench._ours import ours
from tests.bench._peers import Peer
from tests.bench._side import MODEL, model_server, rounds
from tests.bench._table import number, table
from tests.runtime.built import LAYERS, build_template, reduced
from tests.runtime.harness import Runtime, launch
from tests.runtime.host import Host, url_event

MOST_SECONDS = 240
STARTS = 9
NEXT = "GET /2018-06-01/runtime/invocation/next"
TITLES = {
    "init_cpu_ms": "init, CPU",
    "init_ms": "init",
    "first_token_cpu_ms": "start to the first token, CPU",
    "first_token_ms": "start to the first token",
}


def measure() -> dict[str, float]:
    """Milliseconds: the median of some starts. The first reads all files from the disk and is not counted."""
    with TemporaryDirectory() as folder, model_server() as model_url, ours(model_url, MODEL) as peer:
        built, python = build_template(Path(folder), reduced((*LAYERS, "ConversationFunction")))
        for layer in LAYERS:
            shutil.copytree(built / layer, built / "opt", dirs_exist_ok=True)
        starts = [asyncio.run(_start(built, python, peer)) for _ in range(rounds(STARTS) + 1)][1:]
    return {name: statistics.median(one[name] for one in starts) for name in TITLES}


async def _start(built: Path, python: str, peer: Peer) -> dict[str, float]:
    async with Host().listen() as host:
        command = [str(built / "opt/streaming-bootstrap"), python, "/var/runtime/bootstrap.py"]
        began = time.monotonic()
        with launch(command, _environment(built, host, peer), built, built / "ConversationFunction") as child:
            await host.asked(NEXT)
            ready = _figures("init", child, began)
            call = host.invoke(_message(peer))
            await asyncio.wait_for(call.seen(b"token0"), 60)
            return ready | _figures("first_token", child, began)


def _environment(built: Path, host: Host, peer: Peer) -> dict[str, str]:
    return {
        **peer.environment,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(built / "ConversationFunction"), str(built / "opt/python"))),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_FUNCTION_NAME": "built",
        "AWS_LAMBDA_RUNTIME_API": host.address,
        "_HANDLER": "app.app",
    }


def _figures(name: str, child: Runtime, began: float) -> dict[str, float]:
    wall, cpu = time.monotonic() - began, psutil.Process(child.process.pid).cpu_times()
    return {f"{name}_ms": wall * 1000, f"{name}_cpu_ms": (cpu.user + cpu.system) * 1000}


def _message(peer: Peer) -> dict[str, Any]:
    path = peer.path.replace("{conversation}", uuid.uuid4().hex)
    event = url_event(path, method="POST", body=json.dumps(peer.body))
    event["headers"] |= {**peer.headers, "Content-Type": "application/json", "Accept": "text/event-stream"}
    return event


def section(found: dict[str, float]) -> list[str]:
    """The table of a cold start."""
    return [
        "## A cold start: from nothing to the first token",
        "",
        "Layers and function as `make build` makes them, on Lambda's Python, in front of a Runtime API that "
        "reads the stream (AWS's own emulator hands an answer over as a whole). The first message of a new "
        "conversation: the issuer's keys are fetched, and the model's server is called for the first time. "
        "The median of nine starts.",
        "",
        *table(["", "ms"], [[title, number(found[name])] for name, title in TITLES.items()]),
    ]
