"""Streams at the same time: memory of each, and how long a burst of 50 waits for its first tokens."""

import asyncio
import time
from typing import Any

from tests.bench._driving import Running, Stream, ask, serving
from tests.bench._peers import Peer
from tests.bench._side import Rows, failure, peers
from tests.bench._table import number, table

MOST_SECONDS = 150
SLOW = "fake-tokens=600-delayms=50"
"""Half a minute each, so that all are open at the same time."""
AT_ONCE = (1, 10, 50)


def measure() -> Rows:
    """Megabytes of an idle process, and for each stream that is added; milliseconds until the last of 50 has
    its first token."""
    with peers() as (all_peers, model_url, rows):
        for peer in all_peers:
            try:
                rows[peer.name] = asyncio.run(_measured(peer, model_url))
            except (OSError, RuntimeError) as error:
                rows[peer.name] = failure(error)
        return rows


async def _measured(peer: Peer, model_url: str) -> dict[str, Any]:
    with serving(peer.answering_with(SLOW), model_url, SLOW) as running:
        first = await ask(running)
        first.writer.close()
        idle = running.memory()
        row: dict[str, Any] = {"mb_idle": idle}
        streams: list[Stream] = []
        for count in AT_ONCE:
            began = time.monotonic()
            streams += await _opened(running, count - len(streams))
            row[f"mb_per_stream_{count}"] = max(0.0, running.memory() - idle) / count
            row["burst_ms"] = (max(stream.first for stream in streams) - began) * 1000
        for stream in streams:
            stream.writer.close()
        return row


async def _opened(running: Running, count: int) -> list[Stream]:
    return await asyncio.gather(*(ask(running) for _ in range(count)))


def section(rows: Rows) -> list[str]:
    """Memory at each number of streams, and the burst."""
    head = ["MB for each stream", *map(str, AT_ONCE), f"last of {AT_ONCE[-1] - AT_ONCE[-2]} more, ms"]
    shown = [
        [name, *(number(row.get(f"mb_per_stream_{count}")) for count in AT_ONCE), number(row.get("burst_ms"))]
        for name, row in rows.items()
    ]
    return [
        "## Many streams",
        "",
        "The last column is a burst: that many requests arrive at once while the other streams are open, and "
        "the figure is the time until the last of them has its first token. One process serves all of them. "
        "On Lambda, each stream has its own environment, so a burst waits for cold starts instead (see the "
        "table above). On the local stack, 50 environments that start at once share the cores of one "
        "machine.",
        "",
        *table(head, shown),
    ]
