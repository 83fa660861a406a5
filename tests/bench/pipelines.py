"""The pipeline engine: expressions, a pipeline against JSON parsing alone and against bytewax, windows.

The pipeline is filter, a map of six fields, and an aggregate by group. It is measured three times, against
orjson that parses the same input and drops it, in turns in one process, by processor time:

`pipeline`  bare JSON lines as events, of which the compiled steps read the fields that they need, count and
            catch errors, to one aggregate: the work that bytewax is compared with
`messages`  the same of the ingest queue's messages, read as the transform function reads them
`exact`     the messages through a tumbling window: hashes of all ids, packed blocks, registers, firing that
            counts nothing twice. Parsing alone does nothing of that kind, so there is no goal
"""

import gc
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from cProfile import Profile
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import orjson
from msgspec import Raw

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.definitions.definition import parse_definition
from millrace.pipelines.definitions.steps import Aggregation
from millrace.pipelines.event import Event, UnreadEvent
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.outcome import Outcome, StepCount
from millrace.pipelines.plan import Plan, compile_plan
from millrace.pipelines.state.aggregates import Grouping
from millrace.pipelines.state.rows import identities, merge, unpack
from millrace.pipelines.state.rows import pack as pack_rows
from millrace.pipelines.state.store import MemoryStore
from millrace.pipelines.transform import run_step
from millrace.services.pipelines.event_records import event_record
from millrace.services.pipelines.queue_messages import Events, ingest_message, pack
from tests.bench._profile import Shares, shares

REFERENCE = ['"agent_completion"', "agentId", "tokenUsage.total", "cost", "completedAt"]
MIXED = [
    "tokenUsage.total",
    "cost",
    "user.id",
    "upper(user.name)",
    'concat(user.firstName, " ", user.lastName)',
]
EVENTS, CHUNK = 5_000, 128
ROUNDS = 30
MESSAGES_AT_ONCE = 2
AT = 1_790_000_000_000
WINDOWS = 2_000


def sample_event(at: int) -> dict[str, Any]:
    """A finished run as the bus carries it, about 1.2 KB."""
    return {
        "id": f"run-{at:08d}",
        "status": "completed" if at % 10 else "failed",
        "agentId": f"agent-{at % 50}",
        "conversationId": f"conversation-{at // 3}",
        "organizationId": "organization-7",
        "model": "anthropic.claude-sonnet",
        "tokenUsage": {"input": 900 + at % 700, "output": at % 400, "total": 900 + at % 700 + at % 400},
        "cost": (at % 97) / 1000,
        "startedAt": "2026-01-02T03:04:00.000Z",
        "completedAt": "2026-01-02T03:04:05.000Z",
        "user": {"id": f"user-{at % 1000}", "name": "Ada", "firstName": "Ada", "lastName": "Lovelace"},
        "tools": [{"name": "search", "ms": 120, "ok": True}, {"name": "fetch", "ms": 340, "ok": at % 7 > 0}],
        "tags": ["production", "eu-west-1", "support"],
        "answer": "The window closes ten seconds after its end, or later if the queue is behind. " * 6,
    }


def made_event(at: int) -> Event:
    """It as the bus carries it to the queue."""
    payload, source = sample_event(at), "millrace.agent_execution"
    return Event(payload, f"{payload['id']}:end", source, "run:completed", AT + at, AT + at + 50)


LINES = [orjson.dumps(sample_event(at)) for at in range(EVENTS)]
MESSAGES = list(
    pack(
        Events("organization-7", "bench"),
        map(event_record, map(made_event, range(EVENTS))),
    )
)
MAPPED = {
    "event": '"agent_completion"',
    "agent": "agentId",
    "tokens": "tokenUsage.total",
    "cost": "cost",
    "user": "user.id",
    "at": "completedAt",
}
FILTERED = {"field": "status", "operator": "eq", "value": "completed"}
AGGREGATIONS = [
    {"field": "cost", "function": "sum"},
    {"field": "tokens", "function": "avg"},
    {"field": "*", "function": "count"},
]
STEPS = (("filter", FILTERED), ("map", {"expression": MAPPED}))
WINDOW = {"type": "tumbling", "size": 3_600_000, "groupBy": ["agent"], "aggregations": AGGREGATIONS}
GOALS = {
    "evaluations_per_s": "at least 2,000,000",
    "pipeline_to_parse_ratio": "at least 0.65",
    "pipeline_to_bytewax_ratio": "above 1",
    "regex_bomb_ms": "under 10",
}


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """The best of some runs, without the garbage collector (as `timeit` does) for all that are compared."""
    gc.collect()
    gc.disable()
    try:
        return min(timed(work) for _ in range(times))
    finally:
        gc.enable()


def interleaved(*works: Callable[[], object]) -> list[float]:
    """The best of each, taken in turns: a noisy minute falls on all of them. A round is short, so that some
    are not disturbed even where neighbours share the cores."""
    rounds = [[seconds(work, 1) for work in works] for _ in range(ROUNDS)]
    return [min(times) for times in zip(*rounds, strict=True)]


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def made_plan(*steps: tuple[str, dict[str, Any]]) -> Plan:
    transforms = [{"type": kind, "config": config} for kind, config in steps]
    destination = {"type": "webhook", "config": {"url": "https://api.example.com"}}
    source = {"type": "agent_execution"}
    return compile_plan(
        parse_definition(
            {"name": "bench", "source": source, "transforms": transforms, "destination": destination}
        )
    )


@cache
def compiled(*, into_windows: bool = False) -> Plan:
    """The plan of the steps, as a process keeps it: it is compiled once per version, not for each batch."""
    return made_plan(*STEPS, ("window", WINDOW)) if into_windows else made_plan(*STEPS)


def evaluations_per_second(sources: list[str]) -> float:
    """One event at a time, as guards and templates evaluate."""
    evaluate = [compile_expression(source).evaluate for source in sources]
    payload, rounds = sample_event(1), 40_000
    event = Event(payload, "e1")

    def work() -> None:
        for _ in range(rounds):
            for each in evaluate:
                each(payload, event)

    return rounds * len(sources) / seconds(work)


def parse_lines() -> None:
    for line in LINES:
        orjson.loads(line)


def parse_messages() -> None:
    for text in MESSAGES:
        orjson.loads(text)


def events_of_lines() -> Iterator[list[Event]]:
    for at in range(0, EVENTS, CHUNK):
        yield [UnreadEvent(Raw(line), "") for line in LINES[at : at + CHUNK]]


def events_of_messages() -> Iterator[list[Event]]:
    """As the transform function reads them: all of a batch, for one pipeline."""
    for at in range(0, len(MESSAGES), MESSAGES_AT_ONCE):
        found = map(ingest_message, MESSAGES[at : at + MESSAGES_AT_ONCE])
        yield [event for message in found if isinstance(message, Events) for event in message.events]


def grouping() -> Grouping:
    return Grouping(["agent"], [Aggregation.model_validate(each) for each in AGGREGATIONS])


def aggregated(chunks: Iterable[list[Event]]) -> int:
    """Filter, map, and the aggregate by agent over all that came. Returns how many events are in it."""
    plan, store, totals = compiled(), MemoryStore(), grouping()
    outcome, rows = Outcome([StepCount() for _ in plan.steps]), totals.empty()
    for events in chunks:
        chunk = Chunk(plan.payloads(events), events)
        for step in plan.steps:
            chunk = run_step(step, chunk, outcome, store, 0)
        times = [event.time for event in chunk.events]
        totals.add(rows, chunk, array("Q", range(len(chunk))), times)
    return sum(totals.values(rows, members)[0]["count"] for members in rows.by_group().values())


def windowed(chunks: Iterable[list[Event]]) -> int:
    """The same with a window in place of the aggregate."""
    local = LocalRun(compiled(into_windows=True))
    for events in chunks:
        list(local.feed(events))
    return sum(event.payload["values"]["count"] for event in local.finish())


def complete(work: Callable[[], int]) -> Callable[[], None]:
    """Work that counts for nothing unless it has found every completed run."""

    def checked() -> None:
        assert work() == EVENTS * 9 // 10

    return checked


def profiled() -> Shares:
    """Return where the CPU of the engine goes: messages through the steps into exact windows."""
    windowed(events_of_messages())
    with Profile() as profile:
        for _ in range(5):
            windowed(events_of_messages())
    return shares(profile)


def windows_per_second() -> float:
    """Windows of ten events in two blocks, from the blocks to the results."""
    totals = grouping()
    events = [Event({"agent": f"a{at % 3}", "cost": at, "tokens": at}, str(at)) for at in range(10)]
    rows = totals.rows(Chunk([event.payload for event in events], events), identities(events), [0] * 10)
    blocks = [block for part in (range(5), range(5, 10)) for block in pack_rows(rows.at(part))]

    def work() -> None:
        for _ in range(WINDOWS):
            unpacked = [unpack(block, totals.kinds, totals.named) for block in blocks]
            merged = merge(unpacked, totals.kinds, totals.named)
            for members in merged.by_group().values():
                totals.values(merged, members)

    return WINDOWS / seconds(work)


def regex_bomb_ms() -> float:
    evaluate = compile_expression("matches(x, '^(a+)+$')").evaluate
    payload = {"x": "a" * 100_000 + "b"}
    event = Event(payload, "")
    return seconds(lambda: evaluate(payload, event)) * 1000


def bytewax_pipeline() -> Callable[[], None] | None:
    """The work of `pipeline` on bytewax, where it is installed (it is no dependency)."""
    if find_spec("bytewax") is None:
        return None
    operators = import_module("bytewax.operators")
    testing = import_module("bytewax.testing")
    dataflow = import_module("bytewax.dataflow").Dataflow

    def mapped(run: dict[str, Any]) -> tuple[str, tuple[float, int, int]]:
        row = {
            "event": "agent_completion",
            "agent": run.get("agentId"),
            "tokens": run.get("tokenUsage", {}).get("total"),
            "cost": run.get("cost"),
            "user": run.get("user", {}).get("id"),
            "at": run.get("completedAt"),
        }
        return row["agent"], (row["cost"], row["tokens"], 1)

    def added(left: tuple[float, int, int], right: tuple[float, int, int]) -> tuple[float, int, int]:
        return left[0] + right[0], left[1] + right[1], left[2] + right[2]

    def work() -> None:
        flow = dataflow("bench")
        found: list[Any] = []
        lines = operators.input("in", flow, testing.TestingSource(LINES, CHUNK))
        runs = operators.map("parse", lines, orjson.loads)
        done = operators.filter("filter", runs, lambda run: run.get("status") == "completed")
        keyed = operators.map("map", done, mapped)
        operators.output("out", operators.reduce_final("sum", keyed, added), testing.TestingSink(found))
        testing.run_main(flow)
        assert sum(each[1][2] for each in found) == EVENTS * 9 // 10

    return work


def measure() -> dict[str, float]:
    """Rates per second, ratios to orjson's own parsing of the same input, and the regex bomb in ms."""
    bytewax = bytewax_pipeline()
    lines, messages, by_line, whole, exact, peer = interleaved(
        parse_lines,
        parse_messages,
        complete(lambda: aggregated(events_of_lines())),
        complete(lambda: aggregated(events_of_messages())),
        complete(lambda: windowed(events_of_messages())),
        bytewax or (lambda: None),
    )
    measured = {
        "evaluations_per_s": evaluations_per_second(REFERENCE),
        "mixed_evaluations_per_s": evaluations_per_second(MIXED),
        "parse_events_per_s": EVENTS / lines,
        "pipeline_events_per_s": EVENTS / by_line,
        "pipeline_to_parse_ratio": lines / by_line,
        "messages_to_parse_ratio": messages / whole,
        "exact_events_per_s": EVENTS / exact,
        "exact_to_parse_ratio": messages / exact,
        "windows_per_s": windows_per_second(),
        "regex_bomb_ms": regex_bomb_ms(),
    }
    if bytewax:
        measured["pipeline_to_bytewax_ratio"] = peer / by_line
    return measured


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:28} {value:14,.2f}")
