"""From the start of a peer's process to the first token of its first answer."""

import asyncio

from tests.bench._driving import ask, serving
from tests.bench._peers import Peer
from tests.bench._side import MODEL, Rows, failure, peers, turns

MOST_SECONDS = 240
ENOUGH_SECONDS = 90
STARTS = 3


def measure() -> Rows:
    """Milliseconds, and of CPU, to the first token: the least of three starts, taken in turns. The first of
    all compiles bytecode and is not counted."""
    with peers() as (all_peers, model_url, rows):
        for turn in turns(STARTS, ENOUGH_SECONDS):
            for peer in all_peers:
                row = rows.setdefault(peer.name, {"version": peer.version()})
                if "failed" not in row:
                    row |= _start(peer, model_url, row if turn > 1 else {})
        return rows


def _start(peer: Peer, model_url: str, before: dict[str, float]) -> dict[str, object]:
    try:
        wall, cpu = asyncio.run(_first_token(peer, model_url))
    except (OSError, RuntimeError) as error:
        return failure(error)
    return {
        "from_start_ms": min(wall, before.get("from_start_ms", wall)),
        "cpu_from_start_ms": min(cpu, before.get("cpu_from_start_ms", cpu)),
    }


async def _first_token(peer: Peer, model_url: str) -> tuple[float, float]:
    with serving(peer, model_url, MODEL) as running:
        stream = await ask(running)
        figures = (stream.first - running.started) * 1000, running.cpu() * 1000
        await stream.rest()
        return figures


def section(_rows: Rows) -> list[str]:
    """Nothing: the table of all peers has it."""
    return []
