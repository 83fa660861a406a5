"""Dollars for 1,000 runs, beside servers that run all the time.

All prices are those of us-east-1, looked up in November 2026.
"""

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
ADDRESS = 0.005
"""An hour of a public IPv4 address, which every server and each zone of a load balancer has (AWS's networking
blog, "Identify and optimize public IPv4 address usage on AWS": charged since February 2024)."""
FARGATE = 0.5 * 0.03238 + 1.0 * 0.00356 + ADDRESS
"""An hour of a task with half a vCPU and 1 GB, Linux on ARM (vantage.sh/blog/fargate-pricing). It is 20 %
below x86, whose 0.04048 and 0.004445 several pages of 2026 have; AWS's own page fills its table in by
script."""
EC2 = 0.0168 + 20 * 0.08 / HOURS + ADDRESS
"""An hour of a t4g.small (2 vCPU, 2 GB; all copies of AWS's price list that were found agree) with a disk of
20 GB (gp3; github.com/aws/agent-toolkit-for-aws, ebs-optimization.md, early 2026)."""
BALANCER = 0.0225 + 0.008 + 2 * ADDRESS
"""An hour of an Application Load Balancer in two zones, with one capacity unit (the examples for us-east-1 in
aws.amazon.com/elasticloadbalancing/pricing, as copied on 2026-09-20)."""
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
        f"From about {found['crossing']:,.0f} runs a month on, servers that run all the time cost less."
        if found["crossing"]
        else "At none of these loads do servers cost less."
    )
    return [
        "## Cost",
        "",
        f"The cost of a month and, in parentheses, of 1,000 runs of {SECONDS} seconds and {TOKENS} tokens, "
        f"without the model (us-east-1, list prices of {AS_OF}; computed, not billed):",
        "",
        *table(["runs a month", "millrace", "relay on Fargate", "relay on EC2", "servers"], rows),
        f"For the relays, we assume at least {LEAST} servers (half a vCPU and 1 GB on Fargate, t4g.small on "
        f"EC2) with public addresses behind a load balancer, {STREAMS} streams for each, which take half of "
        "its CPU at 100 us per token (the table above shows what each server takes), and capacity for "
        f"{PEAK} times the mean load. They store nothing: a database, a bus and recovery after a crash cost "
        "extra. The cost of Millrace is Lambda (a whole environment waits for the model during each run), "
        "DynamoDB, EventBridge and SQS beyond the free tiers, as `python -m millrace.cost` computes it. "
        f"{crossing} For such loads, `millrace serve` puts hundreds of streams into one process and keeps "
        "the rest ([other hosts](hosting.md)).",
        "",
    ]
