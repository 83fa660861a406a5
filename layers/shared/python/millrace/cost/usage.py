"""The usage of AWS: at rest, for a turn of a conversation, a viewer, an event of a pipeline.

The counts are those of `tests/cost`, which calls the real functions against an emulator that reports
DynamoDB's units, and reads the template. Durations are estimates and were not measured in an account.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

MINUTES = 730 * 60
"""Of a month."""
MEMORY_GB = 1.0
VIEWER_GB = 0.25
POLLERS = 5
"""The requests of a queue that Lambda polls, idle or not; each poller asks every 20 seconds."""
POLLS_PER_MINUTE = POLLERS * 3
INVOCATION_LOG_BYTES = 700
"""The bytes of the lines that Lambda itself logs."""
EVENT_SECONDS = 0.1
"""The memory of a small function that handles one message or tick."""

Usage = defaultdict[str, float]
"""Amounts that AWS bills, by the names of `prices.UNITS`."""


@dataclass(frozen=True)
class Resting:
    """The resources of the template that cost something without any use."""

    queues: int = 4
    dead_letter_queues: int = 7
    alarm_metrics: int = 10
    dashboards: int = 0
    keys: int = 0


TICK = {"read_units": 9.0, "sqs_requests": 1.0, "invocations": 2.0}
"""Per minute: the record function's tick, with the messages that it sends itself, and the sweep's tick."""
CHECK = {"read_units": 1.0, "invocations": 1.0}
"""Per message that looks for lost runs between two ticks."""
CHECKS = 3
MESSAGE_REQUESTS = 3
"""Requests to send, receive and delete a message; messages that arrive together share some."""
DEAD_LETTER_LOOKS = 1 / 5
"""Per minute and queue."""

TURN = {"write_units": 50.0, "read_units": 1.0, "bus_events": 8.0}
"""Per turn without tokens."""
TURN_INGESTED = 3.0
"""The bus events of a turn that go to pipelines: its start and end, and the API call."""
TOKEN_WRITE_UNITS = 0.13
TOKEN_BYTES = 90
RECORDED = {"write_units": 2.5, "read_units": 2.0, "sqs_requests": 3.0, "invocations": 1.0}
"""Per bus event, for the command center."""
INGESTED = {"write_units": 1.0, "read_units": 1.0, "sqs_requests": 3.0, "invocations": 1.0}
"""Per bus event that pipelines may want, even if there are none."""
BATCHED = {"sqs_requests": 0.05, "write_units": 0.016, "gb_seconds": 0.0045, "lambda_requests": 0.027}
"""Per event that arrives with others."""
VIEWER_POLL_SECONDS = 3.3
VIEWER_SECONDS = 300
"""A viewer's function ends after this time, and the viewer reconnects."""


def at_rest(resting: Resting = Resting()) -> Usage:
    """Return the monthly usage of a stack that nobody uses."""
    used: Usage = defaultdict(float)
    polls = resting.queues * POLLS_PER_MINUTE
    messages = (1 + CHECKS) * MESSAGE_REQUESTS - (CHECKS - 1)  # the checks are sent in one call
    looks = resting.dead_letter_queues * DEAD_LETTER_LOOKS
    used["sqs_requests"] = (polls + messages + looks) * MINUTES
    used["read_units"] = (TICK["read_units"] + CHECKS * CHECK["read_units"]) * MINUTES
    _invoke(used, (TICK["invocations"] + CHECKS * CHECK["invocations"]) * MINUTES)
    used["alarm_metrics"] = resting.alarm_metrics
    used["dashboards"] = resting.dashboards
    used["keys"] = resting.keys
    return used


def of_turns(turns: float, tokens: float, seconds: float) -> Usage:
    """Return the usage of this many runs, each with this many tokens and seconds, including all their
    events."""
    used: Usage = defaultdict(float)
    for name, count in TURN.items():
        used[name] += turns * count
    used["write_units"] += turns * tokens * TOKEN_WRITE_UNITS
    used["gb_seconds"] += turns * seconds * MEMORY_GB
    used["lambda_requests"] += turns
    used["log_bytes"] += turns * INVOCATION_LOG_BYTES
    _handle(used, turns * (TURN["bus_events"] - 1), RECORDED)  # all but the API call
    _handle(used, turns * TURN_INGESTED, INGESTED)
    used["cloudfront_requests"] += turns
    used["cloudfront_bytes"] += turns * tokens * TOKEN_BYTES
    return used


def of_viewers(viewers: float, hours: float) -> Usage:
    """Return the usage of viewers of the command center who watch an idle organization for this many
    hours."""
    used: Usage = defaultdict(float)
    seconds = viewers * hours * 3600
    used["gb_seconds"] = seconds * VIEWER_GB
    used["lambda_requests"] = used["cloudfront_requests"] = seconds / VIEWER_SECONDS
    used["read_units"] = seconds / VIEWER_POLL_SECONDS
    used["log_bytes"] = seconds / VIEWER_SECONDS * INVOCATION_LOG_BYTES
    return used


def of_events(events: float) -> Usage:
    """Return the usage of pipeline events that arrive one by one and go to a webhook; in batches they cost a
    tenth or less (docs/pipelines/cost.md)."""
    used: Usage = defaultdict(float)
    used["bus_events"] = events
    _handle(used, events, {"write_units": 5.0, "read_units": 3.0, "sqs_requests": 3.0, "invocations": 1.0})
    _handle(used, events, {"write_units": 3.0, "read_units": 2.0, "sqs_requests": 3.0, "invocations": 1.0})
    return used


def of_batches(events: float) -> Usage:
    """Return the usage of pipeline events that arrive 40 in a request and go to a webhook: the first line of
    the table in docs/pipelines/cost.md, where `make bench ARGS=pipelines_stack` counts them."""
    used: Usage = defaultdict(float)
    for name, count in BATCHED.items():
        used[name] = events * count
    return used


def _handle(used: Usage, messages: float, each: Mapping[str, float]) -> None:
    for name, count in each.items():
        if name != "invocations":
            used[name] += messages * count
    _invoke(used, messages * each["invocations"])


def _invoke(used: Usage, invocations: float) -> None:
    used["lambda_requests"] += invocations
    used["gb_seconds"] += invocations * EVENT_SECONDS * MEMORY_GB
    used["log_bytes"] += invocations * INVOCATION_LOG_BYTES
