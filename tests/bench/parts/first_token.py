"""The way to the first token: where its time goes, beside the least that it could take."""

import asyncio
import os
import statistics
import time
import uuid
from dataclasses import replace
from typing import Any

import httpx

from millrace.stores.aws import Aws
from tests.bench._driving import Running, ask, serving
from tests.bench._ours import ours
from tests.bench._peers import PEERS, Peer
from tests.bench._side import MODEL, THINKING, THINKS_MS, model_server, rounds
from tests.bench._table import number, table
from tests.bench.parts.answers import added_in_turns

MOST_SECONDS = 90
ROUNDS = 40
PAUSE_SECONDS = 0.02
"""Between two reads: as cold as those of requests that come one at a time."""
STEPS = (
    ("the caller's token is verified, the endpoint found", "request", "body"),
    ("the message is read and checked", "body", "query begins"),
    ("what there is of the conversation is read (one call of AWS)", "query begins", "query ends"),
    ("the run is made, and its write planned", "query ends", "transact_write_items begins"),
    ("the request to the model is made", "transact_write_items begins", "model begins"),
    ("beside the model: the message is stored", "transact_write_items begins", "transact_write_items ends"),
)


def measure() -> dict[str, Any]:
    """Medians in milliseconds: of ours, a relay, a read of AWS, and the steps of ours."""
    relay = next(peer for peer in PEERS if peer.name == "relay")
    with model_server() as model_url, ours(model_url, MODEL) as own:
        timed = replace(own, name="timed", script="millrace_timed_app.py")
        rows = added_in_turns([own, relay], model_url)
        with serving(timed.answering_with(THINKING), model_url, THINKING) as running:
            asyncio.run(_asked(running))
            points = httpx.get(f"http://127.0.0.1:{running.port}/points", trust_env=False).json()
        return {
            "added_ms": rows["millrace"]["first_token_ms"],
            "relay_ms": rows["relay"]["first_token_ms"],
            "read_ms": asyncio.run(_read(own)),
            "steps": {title: points[end] - points[begin] for title, begin, end in STEPS},
        }


async def _asked(running: Running) -> None:
    for _ in range(rounds(ROUNDS)):
        await (await ask(running)).rest()
        await asyncio.sleep(PAUSE_SECONDS)


async def _read(own: Peer) -> float:
    """The median of one read of the emulator that nothing else disturbs, by the client that ours uses."""
    os.environ |= own.environment
    aws, times = Aws(own.environment["AWS_REGION"]), list[float]()
    for _ in range(rounds(ROUNDS)):
        await asyncio.sleep(PAUSE_SECONDS)
        began = time.perf_counter()
        await aws.call(
            "dynamodb",
            "query",
            TableName=own.environment["CONVERSATIONS_TABLE"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": uuid.uuid4().hex}},
            ConsistentRead=True,
        )
        times.append(time.perf_counter() - began)
    aws.close()
    return statistics.median(times) * 1000


def section(found: dict[str, Any]) -> list[str]:
    """The floor, and the steps."""
    floor = found["relay_ms"] + found["read_ms"]
    rows = [
        ["a relay, which only passes the model's bytes on", number(found["relay_ms"])],
        ["one read of the emulator, alone", number(found["read_ms"])],
        ["the floor: a relay that reads the conversation first", number(floor)],
        ["Millrace", number(found["added_ms"])],
    ]
    return [
        "## The way to the first token: where the time goes",
        "",
        f"What is added to a model that thinks for {THINKS_MS} ms, in a run of its own:",
        "",
        *table(["", "ms"], rows),
        "The goal was 6 ms. All figures include the client, the connection, and the model's own clock, which "
        "is up to a millisecond late. The steps inside the app of the conversation function:",
        "",
        *table(["", "ms"], [[title, number(took)] for title, took in found["steps"].items()]),
        "Done: what there is of a conversation is one query; the model is asked while the message is stored, "
        "and nothing of its answer is shown before ([ADR 64](adr/0064-runs-have-a-head-start.md)); a token "
        "that was verified before is known by its digest until the issuer's keys are fetched again; calls of "
        "AWS are signed and read by a client of our own "
        "([ADR 61](adr/0061-a-client-of-our-own-for-hot-calls-of-aws.md)). Each request comes after a pause, "
        "so the processor's caches are cold: in a loop, the same steps take less than half of this.",
        "",
    ]
