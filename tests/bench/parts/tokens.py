"""The token path: beside the least that a relay could do, and the functions that take its CPU."""

import asyncio
import json
from collections.abc import AsyncIterator
from cProfile import Profile
from typing import Any

import orjson
from starlette.responses import StreamingResponse

from millrace.api.sse import HEADERS
from millrace.domain.events import LogEntry
from millrace.services.runs.event_feed import EventFeed
from millrace.stores.event_log import encode
from tests.bench import conversation
from tests.bench._profile import profile_lines, shares
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


def measure() -> dict[str, Any]:
    """The figures of `conversation`, those of the least, and the top of a profile in percent."""
    return conversation.measured_with(_figures)


async def _figures(ours: conversation.Ours) -> dict[str, Any]:
    found: dict[str, Any] = await conversation.figures(ours)
    turns = [(await conversation.rate(conversation.bare), await conversation.rate(_least)) for _ in range(5)]
    found["least_cpu_us_per_token"] = min(least[1] for _, least in turns)
    found["ratio_of_least"] = max(least[0] for _, least in turns) / max(bare[0] for bare, _ in turns)
    profile = Profile()
    profile.enable()
    await conversation.rate(ours(conversation.TOKENS))
    profile.disable()
    found["profile"] = shares(profile)
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


def section(found: dict[str, Any]) -> list[str]:
    """The rates, and where the time goes."""
    by_cpu = found["bare_cpu_us_per_token"] / found["cpu_us_per_token"]
    rows = [[title, number(found[name])] for name, title in SHOWN.items()]
    rows.insert(list(SHOWN).index("ratio_to_bare") + 1, ["ratio by CPU", number(by_cpu)])
    return [
        "## The token path: where the time goes",
        "",
        "The app of the conversation function, called as ASGI in one process with a model that takes no "
        "time, takes turns with a bare `StreamingResponse` of the same events:",
        "",
        *table(["", ""], rows),
        "The goal was a ratio of 0.7. The rates begin with the request, so they include the time to the "
        "first token; the CPU does not wait. The floor is the last line: a model's generator, a parse, a "
        "look at the text, a number, an encoded event and a second task, without an agent, limits, a lease, "
        "or a log that is written. What lies between that and ours is the filter of hidden reasoning, "
        "the answer that is gathered for the history, the counts that limits need, and the log. Done: "
        "a token that is shown as it is passes the filter by one search, without a list of its own; events "
        "are encoded once for the client and the log, and their size is looked at only when they are long; "
        "tokens that come together leave in one write; HTTP is read by a transport of our own "
        "([ADR 47](adr/0047-an-http-transport-of-our-own.md)), and the log is written by a client of our own "
        "([ADR 61](adr/0061-a-client-of-our-own-for-hot-calls-of-aws.md)).",
        "",
        *profile_lines(found["profile"]),
    ]
