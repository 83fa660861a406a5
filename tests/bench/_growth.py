"""Our own figures at 1, 10 and 100 times the load."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench._driving import Running, ask, serving
from tests.bench._peers import Peer

TIMES = (1, 10, 100)
ROUNDS = 20
MODEL = "fake-tokens=100"


@dataclass(frozen=True)
class Curve:
    """A figure at each of `TIMES`, and why it grows as it does."""

    name: str
    unit: str
    values: tuple[float, ...]
    why: str


async def growth(peer: Peer, model_url: str) -> list[Curve]:
    """All curves."""
    with serving(peer.answering_with(MODEL), model_url, MODEL) as running:
        await (await ask(running)).rest()
        return [
            Curve(
                "CPU per token, by streams at the same time",
                "us",
                await _each(running, _at_once),
                "A stream costs what it costs alone. Writes to the log are shared by more tokens as the "
                "process gets busy, so a token may even cost less.",
            ),
            Curve(
                "CPU of an answer, by earlier messages of its conversation",
                "ms",
                await _each(running, _in_history),
                "The history is read, checked and sent to the model each time. What does not fit the "
                "model's window becomes a summary, so the curve ends there.",
            ),
            Curve(
                "CPU of an answer, by conversations of the organization",
                "ms",
                await _each(running, _among_others),
                "Nothing that a message needs is a list of conversations.",
            ),
        ]


async def _each(running: Running, measure: Callable[[Running, int], Awaitable[float]]) -> tuple[float, ...]:
    return tuple([await measure(running, times) for times in TIMES])


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
    for _ in range(ROUNDS):
        await _answer(running, conversation)
    return (running.cpu() - cpu) / ROUNDS * 1000


async def _answer(running: Running, conversation: str) -> int:
    return await (await ask(running, conversation)).rest()
