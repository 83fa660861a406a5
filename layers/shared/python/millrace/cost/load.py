"""The limits of AWS that a load reaches: what it needs, the limit of an account, and how to raise it.

Needs come from the counts of `usage`. Limits are the defaults in us-east-1, from AWS's pages on the quotas of
Lambda, DynamoDB, EventBridge, SQS and CloudFront, November 2026. Other regions have lower ones; check these
pages first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from millrace.cost.bill import bill, together, total
from millrace.cost.usage import EVENT_SECONDS, TURN, TURN_INGESTED, Usage, of_batches, of_turns

ENVIRONMENTS = 1_000.0
"""The concurrency of an account; 10 if it is new."""
NEW_ENVIRONMENTS = 100.0
"""The environments that one function gets per second."""
TABLE_UNITS = 40_000.0
"""The write units of one table; one that was never busier starts with 4,000."""
PARTITION_UNITS = 1_000.0
PUTS = 10_000.0
MATCHES = 18_750.0
IN_FLIGHT = 120_000.0
REQUESTS = 250_000.0
ONE_QUEUE = 1_000.0
"""The highest value of a mapping's maximum concurrency."""

TABLE_PART = 0.8
"""The largest share of a turn's write units in one table, that of conversations."""
RUNS_UNITS = 4.0
"""Write units of a run in the partition of its organization's runs: its start and its end, in transactions,
which count twice."""
BATCH = 10.0
"""The messages that an invocation receives if many wait (`BatchSize` in the template)."""


@dataclass(frozen=True)
class Load:
    """A steady load: `streams` answers at the same time, the tokens and seconds of each, the organizations
    that share them evenly, and `events` of pipelines per second, pushed 40 in a request."""

    streams: float = 0
    organizations: float = 1
    tokens: float = 500
    seconds: float = 10
    events: float = 0

    @property
    def runs(self) -> float:
        """The runs that start per second."""
        return self.streams / self.seconds

    def usage(self) -> Usage:
        """Return the usage of one second."""
        return together((of_turns(self.runs, self.tokens, self.seconds), of_batches(self.events)))

    def dollars(self) -> float:
        """Return the cost of an hour at list prices, without the models."""
        return 3600 * total(bill(self.usage(), free=False))


@dataclass(frozen=True)
class Need:
    """The need of a load for a resource, per second if it is a rate; its limit, and how to raise it."""

    name: str
    needed: float
    limit: float
    moved_by: str

    @property
    def part(self) -> float:
        """Return the need as a share of the limit; above 1, the load does not fit."""
        return self.needed / self.limit


def queue_concurrency(load: Load) -> float:
    """Return the functions that the busiest queue keeps busy, which `QueueConcurrency` must allow."""
    messages = max(TURN["bus_events"] - 1, TURN_INGESTED) * load.runs
    return max(messages * EVENT_SECONDS / BATCH, of_batches(load.events)["gb_seconds"])


def needs(load: Load) -> list[Need]:
    """Return the needs of the load, the scarcest first."""
    return sorted(_needs(load), key=lambda need: -need.part)


def _needs(load: Load) -> Iterator[Need]:
    turns, events = of_turns(load.runs, load.tokens, load.seconds), of_batches(load.events)
    recorded, ingested = (TURN["bus_events"] - 1) * load.runs, TURN_INGESTED * load.runs
    behind = (recorded + ingested) * EVENT_SECONDS / BATCH + events["gb_seconds"]
    quota, fixed = "a higher quota", "nothing; docs/hosting.md"
    yield Need("environments of all functions", load.streams + behind, ENVIRONMENTS, quota)
    yield Need("seconds until all have begun", load.streams / NEW_ENVIRONMENTS, load.seconds, fixed)
    yield Need("environments of one queue", queue_concurrency(load), ONE_QUEUE, "provisioned pollers")
    yield Need("write units of one table", turns["write_units"] * TABLE_PART, TABLE_UNITS, quota)
    in_one = load.runs / load.organizations * RUNS_UNITS
    yield Need("write units of an organization's runs", in_one, PARTITION_UNITS, "nothing")
    yield Need("calls of PutEvents", turns["bus_events"], PUTS, quota)
    yield Need("events that rules match", recorded + ingested, MATCHES, quota)
    yield Need("messages in flight in a queue", max(recorded, ingested) * EVENT_SECONDS, IN_FLIGHT, quota)
    yield Need("requests at the distribution", load.runs + load.events / 40, REQUESTS, quota)
