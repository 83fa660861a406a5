"""Answers of peers that serve and have answered before: the first token, and the CPU of each token."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests.bench._driving import Running, ask, serving
from tests.bench._peers import Peer
from tests.bench._side import MODEL, THINKING, THINKS_MS, TOKENS, Rows, failure, peers, turns

MOST_SECONDS = 200
ENOUGH_SECONDS = 60
ROUNDS = 20
Answers = list[tuple[float, float]]
"""Of each answer, the seconds to its first token, and those of CPU in all."""


def measure() -> Rows:
    """Median milliseconds that are added to the model's first token; microseconds of CPU for each token."""
    with peers() as (all_peers, model_url, rows):
        return rows | measured_in_turns(all_peers, model_url)


def measured_in_turns(all_peers: Sequence[Peer], model_url: str) -> Rows:
    """Both figures. A model that thinks shows what a server adds to it, and one that sends everything at once
    what a token takes. A peer that fails is left out of the rest."""
    rows = added_in_turns(all_peers, model_url)
    left = [peer for peer in all_peers if "failed" not in rows[peer.name]]
    for name, row in _in_turns(left, model_url, MODEL, _cpu).items():
        rows[name] |= row
    return rows


def added_in_turns(all_peers: Sequence[Peer], model_url: str) -> Rows:
    """The time to the first token only."""
    return _in_turns(all_peers, model_url, THINKING, _added)


def _in_turns(
    all_peers: Sequence[Peer], model_url: str, model: str, row_of: Callable[[Answers], dict[str, float]]
) -> Rows:
    """All serve at the same time and are asked in turns, so that a noisy moment hits all of them."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(serving(peer.answering_with(model), model_url, model)) for peer in all_peers
        ]
        return asyncio.run(_asked_in_turns(running, row_of))


async def _asked_in_turns(
    all_running: Sequence[Running], row_of: Callable[[Answers], dict[str, float]]
) -> Rows:
    rows: Rows = {}
    taken: dict[str, Answers] = {}
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
    return {name: row_of(each) for name, each in taken.items()} | rows


async def _answer(running: Running) -> tuple[float, float]:
    cpu, asked = running.cpu(), time.monotonic()
    stream = await ask(running)
    tokens = await stream.rest()
    if tokens < TOKENS:
        raise RuntimeError(f"{tokens} tokens of {TOKENS}")
    return stream.first - asked, running.cpu() - cpu


def _added(answers: Answers) -> dict[str, float]:
    return {"first_token_ms": statistics.median(first for first, _ in answers) * 1000 - THINKS_MS}


def _cpu(answers: Answers) -> dict[str, float]:
    # Summed over all answers: the system counts it in hundredths of a second.
    return {"cpu_us_per_token": sum(cpu for _, cpu in answers) / len(answers) / TOKENS * 1e6}


def section(_rows: Rows) -> list[str]:
    """Nothing: the table of all peers has it."""
    return []
