"""Ours and what a user would pick instead, side by side on one machine, with one fake model server.

Every peer serves at the same time and is asked in turns, so that a noisy moment hits all of them. `make bench
ARGS=side_by_side` measures, prints, and writes docs/benchmarks.md; it takes about ten minutes, two of them
for the first run's environments. `BENCH_ROUNDS` (20) and `BENCH_PEERS` (names, with commas) make it shorter.
"""

import asyncio
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.bench import bytewax_peer
from tests.bench._driving import Running, Stream, ask, serving
from tests.bench._growth import growth
from tests.bench._ours import ours
from tests.bench._peers import PEERS, ROOT, Peer
from tests.bench._report import report

TOKENS = 500
SLOW = "fake-tokens=600-delayms=50"
"""For streams that are open at the same time: half a minute each."""
STREAMS = 50
STARTS = 3


@dataclass
class Figures:
    """The measurements of one peer; times in milliseconds, CPU in microseconds, memory in MB."""

    peer: Peer
    version: str
    first_token: list[float] = field(default_factory=list)
    cpu_spent: float = 0.0
    tokens: int = 0
    from_start: list[float] = field(default_factory=list)
    cpu_from_start: list[float] = field(default_factory=list)
    memory_per_stream: float = 0.0
    memory_idle: float = 0.0

    def row(self) -> dict[str, float]:
        """The figures that are shown."""
        return {
            "first_token_ms": statistics.median(self.first_token),
            "cpu_us_per_token": self.cpu_spent / self.tokens * 1e6,
            "from_start_ms": min(self.from_start),
            "cpu_from_start_ms": min(self.cpu_from_start),
            "mb_per_stream": self.memory_per_stream,
            "mb_idle": self.memory_idle,
        }


def measure() -> dict[str, float]:
    """The figures of each peer, as `<peer>_<figure>`; docs/benchmarks.md is written from them."""
    rounds = int(os.environ.get("BENCH_ROUNDS", "20"))
    with _model_server() as model_url, ours(model_url, f"fake-tokens={TOKENS}") as own:
        found = asyncio.run(_measured(_chosen(own), model_url, rounds))
        grown = asyncio.run(growth(own, model_url)) if "BENCH_PEERS" not in os.environ else []
    rows = {one.peer: one.row() for one in found}
    if grown:
        versions = {one.peer: one.version for one in found}
        method = rounds, TOKENS, STREAMS
        text = report(rows, versions, grown, bytewax_peer.measure(), method)
        (ROOT / "docs" / "benchmarks.md").write_text(text)
    return {f"{peer.name}_{name}": value for peer, row in rows.items() for name, value in row.items()}


def _chosen(own: Peer) -> list[Peer]:
    names = os.environ.get("BENCH_PEERS", "")
    return [own, *(peer for peer in PEERS if not names or peer.name in names.split(","))]


@contextmanager
def _model_server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.fakes.model_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip() + "/v1"
        finally:
            process.terminate()


async def _measured(peers: Sequence[Peer], model_url: str, rounds: int) -> list[Figures]:
    for peer in peers:
        peer.install()
    found = [Figures(peer, peer.version()) for peer in peers]
    for _ in range(min(STARTS, rounds)):
        for one in found:
            await _start(one, model_url)
    with ExitStack() as stack:
        model = f"fake-tokens={TOKENS}"
        all_running = [stack.enter_context(serving(peer, model_url, model)) for peer in peers]
        for running in all_running:
            await (await ask(running)).rest()
        for _ in range(rounds):
            for one, running in zip(found, all_running, strict=True):
                await _answer(one, running)
    for one in found:
        await _many(one, model_url)
    return found


async def _start(figures: Figures, model_url: str) -> None:
    """From the start of its process to the first token."""
    with serving(figures.peer, model_url, f"fake-tokens={TOKENS}") as running:
        stream = await ask(running)
        figures.from_start.append((stream.first - running.started) * 1000)
        figures.cpu_from_start.append(running.cpu() * 1000)
        await stream.rest()


async def _answer(figures: Figures, running: Running) -> None:
    """An answer of a peer that has answered before."""
    cpu, asked = running.cpu(), asyncio.get_running_loop().time()
    stream = await ask(running)
    figures.first_token.append((stream.first - asked) * 1000)
    tokens = await stream.rest()
    if tokens < TOKENS:
        raise RuntimeError(f"{figures.peer.name} gave {tokens} tokens of {TOKENS}")
    # Summed over all answers: the system counts CPU in hundredths of a second.
    figures.cpu_spent += running.cpu() - cpu
    figures.tokens += TOKENS


async def _many(figures: Figures, model_url: str) -> None:
    """Many streams at the same time."""
    with serving(figures.peer.answering_with(SLOW), model_url, SLOW) as running:
        first = await ask(running)
        first.writer.close()
        figures.memory_idle = running.memory()
        streams: list[Stream] = await asyncio.gather(*(ask(running) for _ in range(STREAMS)))
        figures.memory_per_stream = max(0.0, running.memory() - figures.memory_idle) / STREAMS
        for stream in streams:
            stream.writer.close()
