"""The limits of AWS that a load meets: what it needs, the limit that an account has, and what moves that.

Needs come from the counts of `usage`. Limits are the defaults in us-east-1, from AWS's pages on the quotas of
Lambda, DynamoDB, EventBridge, SQS and CloudFront, November 2026; other regions have less. Look there first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from millrace.cost.bill import bill, together, total
from millrace.cost.usage import EVENT_SECONDS, TURN, TURN_INGESTED, Usage, of_batches, of_turns

ENVIRONMENTS = 1_000.0
"""That an account may have at work at once; 10 where it is new."""
NEW_ENVIRONMENTS = 100.0
"""That one function gets each second."""
TABLE_UNITS = 40_000.0
"""Write units of one table; one that was never busier takes 4,000 at first."""
PARTITION_UNITS = 1_000.0
PUTS = 10_000.0
MATCHES = 18_750.0
IN_FLIGHT = 120_000.0
REQUESTS = 250_000.0
ONE_QUEUE = 1_000.0
"""The most that a mapping's maximum concurrency can be."""

TABLE_PART = 0.8
"""The most of a turn's write units that falls on one table, that of conversations."""
RUNS_UNITS = 4.0
"""Write units of a run in the partition of its organization's runs: its begin and its end, in transactions,
which count twice."""
BATCH = 10.0
"""Messages that an invocation takes at once when many wait (`BatchSize` in the template)."""


@dataclass(frozen=True)
class Load:
    """A steady load: `streams` answers at the same time, the tokens and seconds of each, the organizations
    that share them evenly, and `events` of pipelines each second, pushed 40 in a request."""

    streams: float = 0
    organizations: float = 1
    tokens: float = 500
    seconds: float = 10
    events: float = 0

    @property
    def runs(self) -> float:
        """Runs that begin each second."""
        return self.streams / self.seconds

    def usage(self) -> Usage:
        """Return what a second of it uses."""
        return together((of_turns(self.runs, self.tokens, self.seconds), of_batches(self.events)))

    def dollars(self) -> float:
        """Return what an hour of it costs at list prices, without the models."""
        return 3600 * total(bill(self.usage(), free=False))


@dataclass(frozen=True)
class Need:
    """The need of a load for something, each second where it is a rate; its limit, and what moves that."""

    name: str
    needed: float
    limit: float
    moved_by: str

    @property
    def part(self) -> float:
        """Return the need as a part of the limit: above 1 the load does not fit."""
        return self.needed / self.limit


def queue_concurrency(load: Load) -> float:
    """Return the functions that the busiest queue keeps at work: what `QueueConcurrency` must allow."""
    messages = max(TURN["bus_events"] - 1, TURN_INGESTED) * load.runs
    return max(messages * EVENT_SECONDS / BATCH, of_batches(load.events)["gb_seconds"])


def needs(load: Load) -> list[Need]:
    """Return what the load needs, the scarcest first."""
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
