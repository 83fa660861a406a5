"""Metrics of pipelines for CloudWatch, as lines on stdout in its embedded metric format
(docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).

A custom metric costs money for each combination of its dimensions, so there is one: the stack. Organisation
and pipeline stand in the line as fields, for Logs Insights; an operator may make dimensions of them as well.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

NAMESPACE = "Millrace"
MOST_VALUES = 100
"""Of one metric in one line."""
METRICS = {
    "itemsProcessed": "ItemsProcessed",
    "itemsFailed": "ItemsFailed",
    "itemsFiltered": "ItemsFiltered",
    "itemsOut": "ItemsOut",
    "lateEvents": "LateEvents",
    "itemsDelivered": "ItemsDelivered",
    "deliveriesFailed": "DeliveriesFailed",
    "deliveriesRetried": "DeliveriesRetried",
    "deliveriesThrottled": "DeliveriesThrottled",
    "deadLetters": "DeadLetters",
    "eventsUnclaimed": "EventsUnclaimed",
}
"""Counters, and what CloudWatch calls them."""
LATENCY = "Latency"
LAG = "Lag"
BACKPRESSURE = "Backpressure"

Values = dict[str, tuple[str, Any]]


class Lines:
    """Writes lines for a stack; without its name none. `per_pipeline` makes organisation and pipeline
    dimensions."""

    def __init__(self, stack: str, per_pipeline: bool = False) -> None:
        self._stack = stack
        self._dimensions = [["Stack"], *([["Stack", "Organization", "Pipeline"]] if per_pipeline else [])]

    def did(
        self,
        organization: str,
        pipeline_id: str,
        counters: Mapping[str, int],
        latencies: Sequence[int],
        now: int,
    ) -> None:
        """What a batch did to a pipeline."""
        values: Values = {
            METRICS[name]: ("Count", count) for name, count in counters.items() if name in METRICS and count
        }
        if latencies:
            values[LATENCY] = ("Milliseconds", _sample(latencies))
        if counters.get("lagCount"):
            values[LAG] = ("Milliseconds", round(counters["lagSum"] / counters["lagCount"], 1))
        if values:
            self._write(organization, pipeline_id, values, now)

    def pressed(self, organization: str, pipeline_id: str, pressure: float, now: int) -> None:
        """A pipeline's backpressure."""
        self._write(organization, pipeline_id, {BACKPRESSURE: ("None", pressure)}, now)

    def _write(self, organization: str, pipeline_id: str, values: Values, now: int) -> None:
        if not self._stack:
            return
        told = {
            "Namespace": NAMESPACE,
            "Dimensions": self._dimensions,
            "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in values.items()],
        }
        line = {
            "_aws": {"Timestamp": now, "CloudWatchMetrics": [told]},
            "Stack": self._stack,
            "Organization": organization,
            "Pipeline": pipeline_id,
        } | {name: value for name, (_, value) in values.items()}
        sys.stdout.write(orjson.dumps(line).decode() + "\n")
        sys.stdout.flush()


def _sample(latencies: Sequence[int]) -> list[int]:
    """All of them, or a hundred from the lowest to the highest."""
    ordered = sorted(latencies)
    if len(ordered) <= MOST_VALUES:
        return ordered
    last = len(ordered) - 1
    return [ordered[at * last // (MOST_VALUES - 1)] for at in range(MOST_VALUES)]
