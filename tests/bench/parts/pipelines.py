"""Pipelines beside bytewax and JSON parsing alone, and what an event costs as organizations and pipelines
become more."""

import importlib.util
from typing import Any

from tests.bench import bytewax_peer, pipelines
from tests.bench._curves import TIMES, curves_section
from tests.bench._plant import Plant, planted
from tests.bench._side import rounds
from tests.bench._table import number, table
from tests.bench.pipelines_stack import Case, drain, feed, hook, on_bus, runs

MOST_SECONDS = 150
EVENTS = 600
PASSED = {"type": "filter", "config": {"field": "agentId", "operator": "eq", "value": "nobody"}}
SHOWN = {
    "pipeline_events_per_s": "filter, map and aggregate, events a second",
    "pipeline_to_parse_ratio": "its ratio to orjson's parse of the same lines",
    "pipeline_to_bytewax_ratio": "its ratio to bytewax, which does the same in Python functions",
    "messages_to_parse_ratio": "the same from the queue's messages, ratio to their parse",
    "exact_to_parse_ratio": "through exact windows, ratio to their parse",
    "deliver_cpu_ms": "CPU of a webhook's delivery, ms",
}
TITLES = {
    "pipelines": (
        "CPU of a run's event, by pipelines of the organization",
        "ms",
        "Each pipeline takes the events of a batch (100 here) by itself: it journals, filters and counts "
        "them: milliseconds of calls for a pipeline and batch, and microseconds for each event.",
    ),
    "organizations": (
        "CPU of a run's event, by organizations",
        "ms",
        "A batch (100 events here) is taken by pipeline. Spread over a hundred organizations each event is "
        "by itself, and pays alone for what others share: the last point is the most that an event costs.",
    ),
}


def measure() -> dict[str, Any]:
    """Ratios, the CPU of a delivery, and the curves."""
    found: dict[str, Any] = _compared()
    with planted() as (plant, sink):
        found["deliver_cpu_ms"] = _delivery(plant, sink)
        found["curves"] = {
            "pipelines": [_per_event(plant, sink, 1, each) for each in TIMES],
            "organizations": [_per_event(plant, sink, each, 1) for each in TIMES],
        }
    return found


def _compared() -> dict[str, float]:
    try:
        return bytewax_peer.measure()
    except OSError:  # it cannot be had
        assert importlib.util.find_spec("bytewax") is None
        return pipelines.measure()


def _delivery(plant: Plant, sink: str) -> float:
    """Milliseconds of CPU for each webhook that is sent."""
    events = rounds(20) * 30
    case = Case("delivery", events=events)
    pipeline = plant.started(case.name, {"source": {"type": "webhook"}, "destination": hook(sink)})
    feed(plant, case, pipeline)
    drain(plant, case.together)
    return plant.cpu["deliver"] / events * 1e3


def _per_event(plant: Plant, sink: str, organizations: int, pipelines_of_each: int) -> float:
    """Milliseconds of CPU of the transform function for each event of the bus; every organization has so many
    pipelines, none of which lets an event through."""
    names = [f"growth-{organizations}-{pipelines_of_each}-{at}" for at in range(organizations)]
    definition = {"source": {"type": "agent_execution"}, "transforms": (PASSED,), "destination": hook(sink)}
    for name in names:
        for _ in range(pipelines_of_each):
            plant.started(name, definition)
    plant.put([on_bus(run, names[at % len(names)]) for at, run in enumerate(runs(EVENTS))])
    drain(plant, 100)
    return plant.cpu["transform"] / EVENTS * 1e3


def section(found: dict[str, Any]) -> list[str]:
    """Ratios, and the curves."""
    rows = [[title, number(found[name])] for name, title in SHOWN.items() if name in found]
    without = [] if "pipeline_to_bytewax_ratio" in found else ["bytewax could not be installed here.", ""]
    return [
        "## Pipelines",
        "",
        "Runs of 1.2 KB on one core, all in turns in one process, by its CPU. orjson parses the same lines "
        f"and drops them ({number(found['parse_events_per_s'])} a second): no pipeline can be faster.",
        "",
        *table(["", ""], rows),
        *without,
        "Why not more of the parse rate: each event has an id, a time and bounds that are checked before any "
        "step runs, and each step counts what it takes, drops and fails. Exact windows hash every id, so "
        "that an event that comes twice counts once. Vector and Redpanda Connect are in no "
        "registry of Python or Node packages, so they are not here.",
        "",
        *curves_section("pipelines", "Pipelines as they become more", found["curves"], TITLES),
    ]
