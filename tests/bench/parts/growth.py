"""Our own figures at 1, 10 and 100 times the load, by CPU of the process that serves."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from tests.bench._curves import TIMES, curves_section
from tests.bench._driving import Running, ask, serving
from tests.bench._ours import ours
from tests.bench._peers import Peer
from tests.bench._side import model_server, rounds

MOST_SECONDS = 150
ROUNDS = 20
MODEL = "fake-tokens=100"
TITLES = {
    "streams": (
        "CPU of a token, by concurrent streams",
        "us",
        "Streams do not depend on each other. Each has its own log and lease.",
    ),
    "history": (
        "CPU of an answer, by earlier turns of its conversation",
        "ms",
        "The whole history must be read, checked and sent to the model each time. What does not fit into the "
        "model's window is summarized, so the curve ends there.",
    ),
    "conversations": (
        "CPU of an answer, by conversations of the organization",
        "ms",
        "A message needs no list of conversations.",
    ),
}


def measure() -> dict[str, list[float]]:
    """The values of each curve."""
    with model_server() as model_url, ours(model_url, MODEL) as peer:
        return asyncio.run(_measured_with(peer, model_url))


async def _measured_with(peer: Peer, model_url: str) -> dict[str, list[float]]:
    with serving(peer, model_url, MODEL) as running:
        await _answer(running, "first")
        return {
            "streams": await _each(running, _at_once),
            "history": await _each(running, _in_history),
            "conversations": await _each(running, _among_others),
        }


def section(found: dict[str, list[float]]) -> list[str]:
    """The curves and why they are as they are."""
    return [
        "## Growth",
        "",
        "Figures at 1, 10 and 100 times the load. Those of pipelines, organizations and logs are above.",
        "",
        *curves_section("conversations", "Conversations", found, TITLES),
    ]


async def _each(running: Running, measure: Callable[[Running, int], Awaitable[float]]) -> list[float]:
    return [await measure(running, times) for times in TIMES]


async def _at_once(running: Running, streams: int) -> float:
    """CPU microseconds per token of so many streams at once; as many tokens in all for any number."""
    cpu, tokens = running.cpu(), 0
    for _ in range(TIMES[-1] // streams):
        tokens += sum(await asyncio.gather(*(_answer(running, uuid.uuid4().hex) for _ in range(streams))))
    return (running.cpu() - cpu) / tokens * 1e6


async def _in_history(running: Running, turns: int) -> float:
    """CPU milliseconds of an answer in a conversation with so many turns."""
    conversation = uuid.uuid4().hex
    for _ in range(turns):
        await _answer(running, conversation)
    return await _cost(running, conversation)


async def _among_others(running: Running, conversations: int) -> float:
    """CPU milliseconds of an answer beside so many more conversations."""
    for _ in range(conversations):
        await _answer(running, uuid.uuid4().hex)
    return await _cost(running, uuid.uuid4().hex)


async def _cost(running: Running, conversation: str) -> float:
    cpu = running.cpu()
    for _ in range(rounds(ROUNDS)):
        await _answer(running, conversation)
    return (running.cpu() - cpu) / rounds(ROUNDS) * 1000


async def _answer(running: Running, conversation: str) -> int:
    return await (await ask(running, conversation)).rest()
