"""The token path: beside the least that a relay could do, and the functions that take its CPU."""

import asyncio
import cProfile
import json
import pstats
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.responses import StreamingResponse

from millrace.api.sse import HEADERS
from millrace.domain.events import LogEntry
from millrace.services.runs.event_feed import EventFeed
from millrace.stores.event_log import encode
from tests.bench import conversation
from tests.bench._table import number, table

MOST_SECONDS = 100
SHOWN = {
    "tokens_per_s": "tokens a second, one stream",
    "cpu_us_per_token": "CPU per token, us",
    "bare_cpu_us_per_token": "a bare `StreamingResponse`, CPU per token, us",
    "ratio_to_bare": "ratio of the rates",
    "least_cpu_us_per_token": "the least with ids and a second task, CPU per token, us",
    "ratio_of_least": "ratio of that least to the bare one",
}
TOP = 12


def measure() -> dict[str, Any]:
    """The figures of `conversation`, those of the least, and the top of a profile in percent."""
    return conversation.measured_with(_figures)


async def _figures(ours: conversation.Ours) -> dict[str, Any]:
    found: dict[str, Any] = await conversation.figures(ours)
    turns = [(await conversation.rate(conversation.bare), await conversation.rate(_least)) for _ in range(5)]
    found["least_cpu_us_per_token"] = min(least[1] for _, least in turns)
    found["ratio_of_least"] = max(least[0] for _, least in turns) / max(bare[0] for bare, _ in turns)
    profile = cProfile.Profile()
    profile.enable()
    await conversation.rate(ours(conversation.TOKENS))
    profile.disable()
    found["profile"] = _top(pstats.Stats(profile))
    return found


async def _least(scope: Any, receive: Any, send: Any) -> None:
    """A relay that could resume, at its least: it parses each delta, looks at its text, numbers and
    encodes an event, keeps it for a log that it does not write, and hands it to another task, since the run
    outlives its client. Parts of ours where those are the cheapest."""
    feed, log = EventFeed(), list[LogEntry]()
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": " word"}}]})

    async def model() -> AsyncIterator[str]:
        for _ in range(conversation.TOKENS):
            await asyncio.sleep(0)
            yield orjson.loads(chunk)["choices"][0]["delta"]["content"]

    async def run() -> None:
        async for text in model():
            if "<" not in text:
                log.append(encode(len(log), {"type": "token", "token": text}))
                feed.put(log[-1])
        feed.close()

    async def frames() -> AsyncIterator[bytes]:
        async for batch in feed:
            yield b"".join([b"id: run.%d\ndata: %b\n\n" % (one.seq, one.data) for one in batch])

    running = asyncio.create_task(run())
    await StreamingResponse(frames(), headers=HEADERS)(scope, receive, send)
    await running


def _top(stats: Any) -> list[tuple[str, float]]:
    """The functions with the most CPU of their own, in percent of all."""
    # Waiting is no work: a profile counts it as time of the selector.
    rows = [(key, row) for key, row in stats.stats.items() if "poll" not in key[2]]
    whole = sum(own for _, (_, _, own, _, _) in rows)
    ordered = sorted(((own / whole * 100, _name(*key)) for key, (_, _, own, _, _) in rows), reverse=True)
    return [(name, share) for share, name in ordered[:TOP]]


def _name(file: str, _line: int, function: str) -> str:
    if file == "~":
        return function.strip("<>").replace("built-in method ", "").replace("method ", "")
    place = file.rpartition("site-packages/")[2].rpartition("/python/")[2].rpartition("/lib/")[2]
    return f"{place.removeprefix('python3.11/')}:{function}"


def section(found: dict[str, Any]) -> list[str]:
    """The rates, and where the time goes."""
    rows = [[title, number(found[name])] for name, title in SHOWN.items()]
    return [
        "## The token path: where the time goes",
        "",
        "The app of the conversation function, called as ASGI in one process with a model that takes no "
        "time, takes turns with a bare `StreamingResponse` of the same events:",
        "",
        *table(["", ""], rows),
        "The goal was a ratio of 0.7. Its floor is the last line: a model's generator, a parse, a look "
        "at the text, a number, an encoded event and a second task, without an agent, limits, a lease, "
        "or a log that is written. What lies between that and ours is the filter of hidden reasoning, "
        "the answer that is gathered for the history, the counts that limits need, and the log. Done: "
        "one comparison for each token before the filter, events encoded once for the client and the "
        "log, tokens that come together leave in one write, and HTTP is read by a transport of our own "
        "([ADR 47](adr/0047-an-http-transport-of-our-own.md)).",
        "",
        "The functions with the most time of their own, under a profiler (which overstates small functions):",
        "",
        *table(["", "%"], [[f"`{name}`", number(share)] for name, share in found["profile"]]),
    ]
