"""Answers of peers that serve and have answered before: the first token, and the CPU of each token."""

import asyncio
import statistics
import time
from contextlib import AbstractContextManager, ExitStack

from tests.bench._driving import Running, ask, serving
from tests.bench._peers import Peer
from tests.bench._side import THINKING, THINKS_MS, TOKENS, Rows, failure, peers, turns

MOST_SECONDS = 150
ENOUGH_SECONDS = 60
ROUNDS = 20


def measure() -> Rows:
    """Median milliseconds that are added to the model's first token; microseconds of CPU for each token. All
    peers serve at the same time and are asked in turns, so that a noisy moment hits all of them."""
    with peers() as (all_peers, model_url, rows), ExitStack() as stack:
        running = [stack.enter_context(thinking(peer, model_url)) for peer in all_peers]
        return rows | asyncio.run(answered_in_turns(running))


def thinking(peer: Peer, model_url: str) -> AbstractContextManager[Running]:
    """Serve a peer with a model that pauses around its first token."""
    return serving(peer.answering_with(THINKING), model_url, THINKING)


async def answered_in_turns(all_running: list[Running]) -> Rows:
    """The figures of servers that `thinking` has started, each of which is asked `ROUNDS` times. One that
    fails is left out of the rest."""
    rows: Rows = {}
    taken: dict[str, list[tuple[float, float]]] = {}
    for turn in turns(ROUNDS, ENOUGH_SECONDS):
        for running in all_running:
            name = running.peer.name
            if "failed" in rows.get(name, {}):
                continue
            try:
                figures = await _answer(running)
            except (OSError, RuntimeError) as error:
                rows[name] = failure(error)
                continue
            if turn:  # the first is to warm it
                taken.setdefault(name, []).append(figures)
    return {name: _row(each) for name, each in taken.items()} | rows


async def _answer(running: Running) -> tuple[float, float]:
    """Seconds to the first token, and of CPU in all."""
    cpu, asked = running.cpu(), time.monotonic()
    stream = await ask(running)
    tokens = await stream.rest()
    if tokens < TOKENS:
        raise RuntimeError(f"{tokens} tokens of {TOKENS}")
    return stream.first - asked, running.cpu() - cpu


def _row(answers: list[tuple[float, float]]) -> dict[str, float]:
    # CPU is summed over all answers: the system counts it in hundredths of a second.
    return {
        "first_token_ms": statistics.median(first for first, _ in answers) * 1000 - THINKS_MS,
        "cpu_us_per_token": sum(cpu for _, cpu in answers) / len(answers) / TOKENS * 1e6,
    }


def section(_rows: Rows) -> list[str]:
    """Nothing: the table of all peers has it."""
    return []
