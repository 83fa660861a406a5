"""Delivery counts for the metrics of pipelines."""

from collections import Counter, defaultdict

from msgspec import Struct, field

from millrace.domain.latency import began, measure
from millrace.domain.pipelines import Address
from millrace.services.delivery.deliver import Report
from millrace.services.delivery.job import Job


class Count(Struct):
    """The counts of a batch for one pipeline.

    `latencies` are milliseconds from each event's time (or its acceptance, see `began`) to its delivery.
    """

    counters: Counter[str] = field(default_factory=Counter)
    latencies: list[int] = field(default_factory=list)


class Counting:
    """The jobs of one batch. `lags` has each job's delay in milliseconds after the time it was due."""

    def __init__(self) -> None:
        self.lags: list[int] = []
        self.jobs: Counter[Address] = Counter()
        self.counts: defaultdict[Address, Count] = defaultdict(Count)

    def drain(self) -> "Counting":
        """Return the counts since the last call."""
        counted = Counting()
        counted.lags, self.lags = self.lags, counted.lags
        counted.jobs, self.jobs = self.jobs, counted.jobs
        counted.counts, self.counts = self.counts, counted.counts
        return counted

    def received(self, job: Job, now: int) -> None:
        """Count a job that was received, unless it arrived too early."""
        due = max(job.created_at, job.not_before)
        if now >= due:
            self.lags.append(now - due)
            self.jobs[job.organization, job.pipeline_id] += 1

    def done(self, job: Job, report: Report, now: int) -> None:
        """Count a job that was delivered, as far as possible."""
        count = self.counts[job.organization, job.pipeline_id]
        for event in report.delivered:
            latency = max(now - began(event.time, event.ingested or job.created_at), 0)
            count.latencies.append(latency)
            measure(count.counters, latency)
        count.counters.update(
            itemsDelivered=len(report.delivered),
            deliveryAttempts=report.attempts,
            deliveriesFailed=report.dead,
            deliveriesRetried=report.retried,
            deliveriesThrottled=report.throttled,
            deadLetters=report.dead,
            # `jobsSent` counts a job once, however often it returns to the queue. The difference of the two
            # is the number of jobs that wait.
            jobsReceived=0 if job.sends else 1,
        )
        if report.behind_ms is not None:
            count.counters.update(behindSum=report.behind_ms, behindCount=1)
