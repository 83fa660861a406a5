"""Dollars for 1,000 runs, beside servers that run all the time."""

from typing import Any

from millrace.cost.bill import bill, together, total
from millrace.cost.prices import AS_OF
from millrace.cost.usage import at_rest, of_turns
from tests.bench._table import table

MOST_SECONDS = 10
RUNS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
"""A month."""
TOKENS, SECONDS = 500, 10
HOURS = 730
FARGATE = 0.5 * 0.03238 + 1.0 * 0.00356
"""An hour of a task with half a vCPU and 1 GB, arm64."""
EC2 = 0.0168 + 0.0027
"""An hour of a t4g.small (2 vCPU, 2 GB) with a disk of 20 GB."""
BALANCER = 0.0225 + 0.008
"""An hour of an Application Load Balancer, with one capacity unit."""
LEAST = 2
"""Servers, in two zones."""
STREAMS = 50
"""That one server carries at half of its CPU, at 50 tokens a second each and 100 us a token."""
PEAK = 4
"""Times the mean, for which servers stand ready all the time."""


def measure() -> dict[str, Any]:
    """Dollars a month by the number of runs, and of runs beyond which servers cost less."""
    rows = {str(runs): _row(runs) for runs in RUNS}
    apart = (row for row in _every(10_000, 10_000_000) if row["millrace"] > row["fargate"])
    return {"rows": rows, "crossing": next((row["runs"] for row in apart), None)}


def _every(step: int, last: int) -> list[dict[str, float]]:
    return [_row(runs) for runs in range(step, last + 1, step)]


def _row(runs: int) -> dict[str, float]:
    ours = total(bill(together([at_rest(), of_turns(runs, TOKENS, SECONDS)])))
    streams = runs * SECONDS / (HOURS * 3600) * PEAK
    servers = max(LEAST, -(-streams // STREAMS))
    return {
        "runs": runs,
        "millrace": ours,
        "fargate": HOURS * (servers * FARGATE + BALANCER),
        "ec2": HOURS * (servers * EC2 + BALANCER),
        "servers": servers,
    }


def section(found: dict[str, Any]) -> list[str]:
    """A month's bill for each load."""
    rows = [
        [
            f"{row['runs']:,}",
            *(
                f"${row[name]:,.2f} (${row[name] / row['runs'] * 1000:,.2f})"
                for name in ("millrace", "fargate", "ec2")
            ),
            f"{row['servers']:.0f}",
        ]
        for row in found["rows"].values()
    ]
    crossing = (
        f"From about {found['crossing']:,.0f} runs a month on, servers that are always busy cost less."
        if found["crossing"]
        else "Within these loads servers never cost less."
    )
    return [
        "## Dollars",
        "",
        f"A month, and in brackets 1,000 runs of {SECONDS} seconds and {TOKENS} tokens, without the model "
        f"(us-east-1, list prices of {AS_OF}; computed, not billed):",
        "",
        *table(["runs a month", "millrace", "relay on Fargate", "relay on EC2", "servers"], rows),
        f"Assumed of the relays: at least {LEAST} servers (half a vCPU and 1 GB on Fargate, t4g.small on "
        f"EC2) behind a load balancer; {STREAMS} streams for each, which is half of its CPU at 100 us for a "
        f"token (the table above has what each peer takes); ready for {PEAK} times the mean load. They store "
        "nothing: a database, a bus and a way to go on after a crash come on top. Ours are Lambda (a whole "
        "environment waits for the model during each run), DynamoDB, EventBridge and SQS after what is free, "
        f"as `python -m millrace.cost` computes. {crossing} There `millrace serve` puts hundreds of streams "
        "into a process and keeps the rest ([Other hosts](hosting.md)).",
        "",
    ]
