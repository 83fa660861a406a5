"""The beginning of each part that compares peers: the model's server, our own deployment, the peers that can
be had."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.bench._ours import ours
from tests.bench._peers import PEERS, ROOT, Peer

TOKENS = 500
MODEL = f"fake-tokens={TOKENS}"
THINKS_MS = 20
THINKING = f"{MODEL}-thinkms={THINKS_MS}"
"""A model that is silent before and after its first token, as real ones are: while it sends everything at
once, servers wait for the cores that it takes, and the wait is no server's own."""
Rows = dict[str, dict[str, Any]]
"""By the name of the peer: its figures, or `failed` with the reason."""


def rounds(usual: int) -> int:
    """The times that something is done: as usual, or fewer times in a run that is to be short."""
    return min(usual, int(os.environ.get("BENCH_ROUNDS", str(usual))))


def turns(usual: int, seconds: float) -> Iterator[int]:
    """Numbers from 0, of a turn to warm up and so many others; fewer when the time is over, but one of them
    in any case."""
    ends = time.monotonic() + seconds
    for turn in range(rounds(usual) + 1):
        if turn > 1 and time.monotonic() > ends:
            return
        yield turn


@contextmanager
def model_server() -> Iterator[str]:
    """The URL of a fake model's chat completions, in a process of its own."""
    command = [sys.executable, "-m", "tests.fakes.model_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip() + "/v1"
        finally:
            process.terminate()


@contextmanager
def peers(others: Sequence[Peer] = PEERS) -> Iterator[tuple[list[Peer], str, Rows]]:
    """Ours and the others that could be installed, the model's URL, and rows that have the reasons of the
    rest."""
    rows: Rows = {}
    with model_server() as model_url, ours(model_url, MODEL) as own:
        yield [own, *(peer for peer in _wanted(others) if _is_installed(peer, rows))], model_url, rows


def failure(error: BaseException) -> dict[str, Any]:
    """The row of a peer that did not do it."""
    return {"failed": f"{type(error).__name__}: {error}"[:200]}


def _wanted(others: Sequence[Peer]) -> list[Peer]:
    names = os.environ.get("BENCH_PEERS", "")
    return [peer for peer in others if not names or peer.name in names.split(",")]


def _is_installed(peer: Peer, rows: Rows) -> bool:
    try:
        peer.install()
    except OSError as error:
        rows[peer.name] = {"failed": f"cannot be installed: {error}"[:300]}
        return False
    return True
