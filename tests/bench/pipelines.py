"""The pipeline engine: expressions, a pipeline against JSON parsing alone and against bytewax, windows."""

import gc
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import orjson

from millrace.pipelines.definitions.definition import parse_definition
from millrace.pipelines.definitions.steps import Aggregation
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.outcome import Outcome, StepCount
from millrace.pipelines.plan import Plan, compile_plan
from millrace.pipelines.stages import Chunk
from millrace.pipelines.state.aggregates import Grouping
from millrace.pipelines.state.rows import identity, merge, pack, unpack
from millrace.pipelines.state.store import MemoryStore
from millrace.pipelines.transform import run_step

REFERENCE = ['"agent_completion"', "agentId", "tokenUsage.total", "cost", "completedAt"]
MIXED = [
    "tokenUsage.total",
    "cost",
    "user.id",
    "upper(user.name)",
    'concat(user.firstName, " ", user.lastName)',
]
EVENTS, CHUNK = 20_000, 128
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


LINES = [orjson.dumps(sample_event(at)) for at in range(EVENTS)]
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


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """The best of some runs, without the garbage collector (as `timeit` does) for all that are compared."""
    gc.collect()
    gc.disable()
    try:
        return min(timed(work) for _ in range(times))
    finally:
        gc.enable()


def interleaved(*works: Callable[[], object]) -> list[float]:
    """The best of each, taken in turns: a noisy minute falls on all of them."""
    rounds = [[seconds(work, 1) for work in works] for _ in range(8)]
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


def parse_only() -> None:
    for line in LINES:
        orjson.loads(line)


def grouping() -> Grouping:
    return Grouping(["agent"], [Aggregation.model_validate(each) for each in AGGREGATIONS])


def whole_pipeline() -> dict[str, Any]:
    """JSON in, filter, six-field map, aggregate by agent over all that came."""
    plan = made_plan(("filter", FILTERED), ("map", {"expression": MAPPED}))
    store, totals = MemoryStore(), grouping()
    outcome, rows = Outcome([StepCount(), StepCount()]), totals.empty()
    for at in range(0, EVENTS, CHUNK):
        payloads = list(map(orjson.loads, LINES[at : at + CHUNK]))
        events = [Event(payload, "") for payload in payloads]
        chunk = Chunk(payloads, events)
        for step in plan.steps:
            chunk = run_step(step, chunk, outcome, store, 0)
        keys = totals.keys(chunk.payloads, chunk.events)
        cells = totals.cells(chunk.payloads, chunk.events)
        rows.add_all(range(at, at + len(chunk)), keys, [0] * len(chunk), [], cells)
    return {str(totals.group(key)): totals.values(rows, each)[0] for key, each in rows.by_group().items()}


def windowed_pipeline() -> list[Event]:
    """The same with a tumbling window: event hashes, packed blocks, and all that makes it exact."""
    config = {"type": "tumbling", "size": 5_000, "groupBy": ["agent"], "aggregations": AGGREGATIONS}
    local = LocalRun(made_plan(("filter", FILTERED), ("map", {"expression": MAPPED}), ("window", config)))
    for at in range(0, EVENTS, CHUNK):
        lines = enumerate(LINES[at : at + CHUNK], at)
        list(local.feed([Event(orjson.loads(line), str(n), time=n, ingested=n) for n, line in lines]))
    return list(local.finish())


def windows_per_second() -> float:
    """Windows of ten events in two blocks, from the blocks to the results."""
    totals = grouping()
    rows = totals.empty()
    events = [Event({"agent": f"a{at % 3}", "cost": at, "tokens": at}, str(at)) for at in range(10)]
    payloads = [event.payload for event in events]
    ids = [identity("", event.id) for event in events]
    rows.add_all(ids, totals.keys(payloads, events), [0] * 10, [], totals.cells(payloads, events))
    blocks = [block for part in (rows.part(0, 5), rows.part(5, 10)) for block in pack(part)]

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
    """The same work as `whole_pipeline` on bytewax, where it is installed (it is no dependency)."""
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
    """Rates per second, ratios to orjson's own parsing of the same lines, and the regex bomb in ms."""
    bytewax = bytewax_pipeline()
    parse, whole, peer = interleaved(parse_only, whole_pipeline, bytewax or (lambda: None))
    windowed = seconds(windowed_pipeline, 2)
    measured = {
        "evaluations_per_s": evaluations_per_second(REFERENCE),
        "mixed_evaluations_per_s": evaluations_per_second(MIXED),
        "parse_events_per_s": EVENTS / parse,
        "pipeline_events_per_s": EVENTS / whole,
        "pipeline_to_parse_ratio": parse / whole,
        "windowed_events_per_s": EVENTS / windowed,
        "windows_per_s": windows_per_second(),
        "regex_bomb_ms": regex_bomb_ms(),
    }
    if bytewax:
        measured["pipeline_to_bytewax_ratio"] = peer / whole
    return measured


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:28} {value:14,.2f}")
