"""Metrics of pipelines for CloudWatch: Powertools writes them to stdout, in the embedded metric format.

A custom metric is charged for each combination of its dimensions, so there is only one: the stack.
Organization and pipeline are fields of the line, for Logs Insights; an operator may make them dimensions as
well.
"""

from collections.abc import Mapping, Sequence

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

NAMESPACE = "Millrace"
MOST_VALUES = 99
"""The maximum values of one metric in one line: Powertools starts a new line with the hundredth."""
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
"""Counters, and their names in CloudWatch."""
LATENCY = "Latency"
LAG = "Lag"
BACKPRESSURE = "Backpressure"
DEAD_LETTER_MESSAGES = "DeadLetterMessages"


class PipelineLines:
    """Writes lines for a stack; without its name, none. `per_pipeline` makes organization and pipeline
    dimensions."""

    def __init__(self, stack: str, per_pipeline: bool = False) -> None:
        self._stack = stack
        self._per_pipeline = per_pipeline

    def did(
        self, organization: str, pipeline_id: str, counters: Mapping[str, int], latencies: Sequence[int]
    ) -> None:
        """Write the effects of a batch on a pipeline. Latencies are in ms."""
        counts = {METRICS[name]: count for name, count in counters.items() if name in METRICS and count}
        lags = counters.get("lagCount", 0)
        if not self._stack or not (counts or latencies or lags):
            return
        line = self._line(organization, pipeline_id)
        for name, count in counts.items():
            line.add_metric(name, MetricUnit.Count, count)
        for latency in sample(latencies):
            line.add_metric(LATENCY, MetricUnit.Milliseconds, latency)
        if lags:
            line.add_metric(LAG, MetricUnit.Milliseconds, round(counters["lagSum"] / lags, 1))
        line.flush_metrics()

    def report_backpressure(self, organization: str, pipeline_id: str, backpressure: float) -> None:
        """Write a pipeline's backpressure, from 0 to 1."""
        if self._stack:
            line = self._line(organization, pipeline_id)
            line.add_metric(BACKPRESSURE, MetricUnit.NoUnit, backpressure)
            line.flush_metrics()

    def dead_letter_queues(self, messages: Mapping[str, int]) -> None:
        """Write the number of messages in each dead-letter queue that is not empty, by the queue's name."""
        if self._stack and messages:
            line = EphemeralMetrics(service="", namespace=NAMESPACE)
            line.add_dimension("Stack", self._stack)
            line.add_metric(DEAD_LETTER_MESSAGES, MetricUnit.Count, sum(messages.values()))
            line.add_metadata("Queues", dict(messages))
            line.flush_metrics()

    def _line(self, organization: str, pipeline_id: str) -> EphemeralMetrics:
        # Powertools' usual `Metrics` share one state per process, but each pipeline needs a separate line.
        line = EphemeralMetrics(service="", namespace=NAMESPACE)  # a service would be a dimension
        line.add_dimension("Stack", self._stack)
        fields = {"Organization": organization, "Pipeline": pipeline_id}
        if self._per_pipeline:
            line.add_dimensions(Stack=self._stack, **fields)
        for name, value in fields.items():
            line.add_metadata(name, value)
        return line


def sample(latencies: Sequence[int]) -> Sequence[int]:
    """Return all latencies, or as many as fit in a line, from the lowest to the highest."""
    ordered = sorted(latencies)
    if len(ordered) <= MOST_VALUES:
        return ordered
    last = len(ordered) - 1
    return [ordered[at * last // (MOST_VALUES - 1)] for at in range(MOST_VALUES)]
