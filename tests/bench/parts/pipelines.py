"""Pipelines beside bytewax and JSON parsing alone, and what an event costs as organizations and pipelines
become more."""

import importlib.util
from cProfile import Profile
from typing import Any

from tests.bench import bytewax_peer, pipelines
from tests.bench._curves import TIMES, curves_section
from tests.bench._plant import Plant, planted
from tests.bench._profile import Shares, profile_lines, shares
from tests.bench._side import rounds
from tests.bench._table import number, table
from tests.bench.pipelines_stack import Case, drain, feed, hook, on_bus, runs

MOST_SECONDS = 150
EVENTS = 600
PASSED = {"type": "filter", "config": {"field": "agentId", "operator": "eq", "value": "nobody"}}
SHOWN = {
    "pipeline_events_per_s": "filter, map and aggregate, events a second",
    "pipeline_to_parse_ratio": "ratio to orjson parsing the same lines",
    "pipeline_to_bytewax_ratio": "ratio to bytewax, which does the same with Python functions",
    "messages_to_parse_ratio": "the same from messages of the queue, ratio to parsing them",
    "exact_to_parse_ratio": "through exact windows, ratio to parsing them",
    "deliver_cpu_ms": "CPU of a webhook's delivery, ms",
}
TITLES = {
    "pipelines": (
        "CPU of a run's event, by pipelines of the organization",
        "ms",
        "Each pipeline of an organization filters and counts the events of a batch (100 here) by itself: a "
        "call and a thread for each pipeline and batch, and a fraction of a microsecond for each event. They "
        "share one look at their definitions and at each event, and one object of the journal, and 25 of "
        "them one write of its index ([ADR 62](adr/0062-what-pipelines-share.md)).",
    ),
    "organizations": (
        "CPU of a run's event, by organizations",
        "ms",
        "A batch (100 events here) is grouped by pipeline. With a hundred organizations, each event is alone "
        "in its group and shares only the look at definitions and the write to the journal. Its counts are "
        "two calls of its own, so the last point is the most an event can cost.",
    ),
}


_PUBLISHED = (
    "### What others publish",
    "",
    "These products are not in the registries that the benchmark installs from (PyPI and npm), so they are "
    "not measured here. This is what their makers publish, looked up in November 2026:",
    "",
    "- **Vector** gives [25 MiB/s for each vCPU](https://vector.dev/docs/setup/going-to-prod/sizing) for "
    "structured events of about 768 bytes, as a conservative estimate: about 34,000 events a second for a "
    "whole pipeline with its sources and sinks, where one vCPU is an ARM core or half an Intel core. The "
    "rates above are of the steps alone, without queues and deliveries, so the two cannot be compared "
    "directly.",
    "- **Redpanda Connect**: we found no published rate. Its "
    "[performance guide](https://docs.redpanda.com/redpanda-connect/guides/performance_tuning/) explains how "
    "to find the bottleneck.",
    "- **Svix**: we found no published throughput, CPU or latency of its server, in its documentation or in "
    "the [repository](https://github.com/svix/svix-webhooks) (commit 4fc0cfb8), which has no benchmark.",
    "- **Hookdeck**: the [repository of Outpost](https://github.com/hookdeck/outpost) (commit f67ae011) has "
    "a load test that sends 100 events a second, but we found no published results.",
)
"""Looked up in November 2026 in the pages and repositories that it names."""


def measure() -> dict[str, Any]:
    """Ratios, the CPU of a delivery, and the curves."""
    found: dict[str, Any] = _compared() | {"profile": pipelines.profiled()}
    with planted(metered=False) as (plant, sink):
        found["deliver_cpu_ms"], found["deliver_profile"] = _delivery(plant, sink)
        found["curves"] = {
            "pipelines": [_per_event(plant, sink, 1, each) for each in TIMES],
            "organizations": [_per_event(plant, sink, each, 1) for each in TIMES],
        }
    return found


def _compared() -> dict[str, Any]:
    try:
        return bytewax_peer.measure()
    except OSError:  # it cannot be had
        assert importlib.util.find_spec("bytewax") is None
        return pipelines.measure()


def _delivery(plant: Plant, sink: str) -> tuple[float, Shares]:
    """Milliseconds of CPU for each webhook that is sent, and where they go."""
    events = rounds(20) * 30
    case = Case("delivery", events=events)
    pipeline = plant.started(case.name, {"source": {"type": "webhook"}, "destination": hook(sink)})
    feed(plant, case, pipeline)
    drain(plant, case.together)
    cost = plant.cpu["deliver"] / events * 1e3
    profile = plant.profiles["deliver"] = Profile()
    feed(plant, case, pipeline)
    drain(plant, case.together)
    plant.profiles.clear()
    return cost, shares(profile)


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
        "Runs of 1.2 KB each on one core, by CPU time; all candidates take turns in one process. For "
        f"comparison, orjson parses the same lines and drops them ({number(found['parse_events_per_s'])} a "
        "second).",
        "",
        *table(["", ""], rows),
        *without,
        "Where the steps of a pipeline name the fields that they read, up to the first that makes new events "
        "of them, the rest of an event's JSON is skipped and no object is made of it, unless the event "
        "fails. What is saved pays for a part of the steps. A pipeline whose events leave as they came, "
        "or that reads `$event` as a whole, parses them as a whole. All bounds "
        "are checked, and each step counts its events in, dropped and failed. Exact windows hash every id, "
        "so that an event that arrives twice counts once.",
        "",
        "### Where the time of an event goes",
        "",
        "Messages of the queue through filter, map and exact windows. Done: fields are read, and steps run, "
        "over columns of a whole chunk, in loops of C; each distinct group is written once; ids are hashed "
        "together; an event is a struct that the garbage collector does not look at.",
        "",
        *profile_lines(found["profile"]),
        "### Where the time of a delivery goes",
        "",
        "A webhook to a destination on the same machine. Done: connections are kept and shared by all jobs "
        "of a process, requests are written and answers read by a transport of our own "
        "([ADR 47](adr/0047-an-http-transport-of-our-own.md)), a body is signed as the bytes that are sent, "
        "and what all jobs of a batch count is written together.",
        "",
        *profile_lines(found["deliver_profile"]),
        *_PUBLISHED,
        "",
        *curves_section("pipelines", "Pipelines by their number", found["curves"], TITLES),
    ]
