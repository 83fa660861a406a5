"""A month on AWS, without the models: `python -m millrace.cost --turns 10000 --tokens 500 --seconds 10`.

python -m millrace.cost --idle                 a stack that nobody uses
python -m millrace.cost --viewers 1            with one permanent viewer of the command center
python -m millrace.cost --events 1000000       events for pipelines, one by one
python -m millrace.cost --streams 100000       the limits for this many answers at the same time
"""

import argparse
import math
import sys

from millrace.cost.bill import bill, together, total
from millrace.cost.load import Load, needs, queue_concurrency
from millrace.cost.prices import AS_OF
from millrace.cost.usage import Usage, at_rest, of_events, of_turns, of_viewers


def parts(chosen: argparse.Namespace) -> dict[str, Usage]:
    """Return the usage by its cause."""
    found = {"at rest": at_rest()}
    if chosen.idle:
        return found
    found["turns"] = of_turns(chosen.turns, chosen.tokens, chosen.seconds)
    found["viewers"] = of_viewers(chosen.viewers, chosen.hours)
    found["pipeline events"] = of_events(chosen.events)
    return found


def report(chosen: argparse.Namespace) -> str:
    """Return the table, in dollars per month."""
    free = not chosen.no_free_tier
    found = parts(chosen)
    whole = bill(together(found.values()), free)
    lines = [f"{'without what is free':32} $ a month"]
    lines += [f"  {name:30} {total(bill(used, free=False)):9.2f}" for name, used in found.items()]
    lines += [f"{'all, by service' + (', less what is free' if free else ''):32}"]
    lines += [f"  {service:30} {dollars:9.2f}" for service, dollars in sorted(whole.items()) if dollars]
    lines += [
        f"{'together':32} {total(whole):9.2f}",
        f"us-east-1, list prices of {AS_OF}; estimated, not measured",
    ]
    return "\n".join(lines)


def limits(load: Load) -> str:
    """Return what a steady load needs compared with the limits of an account, the scarcest first."""
    lines = [f"{'':38}{'needed':>12}{'limit':>12}  moved by"]
    for need in needs(load):
        row = f"{need.name:38}{need.needed:12,.0f}{need.limit:12,.0f}"
        lines.append(row if need.part <= 1 else f"{row}  {need.moved_by}")
    lines += [
        f"QueueConcurrency at least {max(2, math.ceil(queue_concurrency(load))):,}; 2 by default",
        f"{load.runs:,.0f} runs a second, ${load.dollars():,.2f} an hour without the models",
        f"us-east-1, quotas and list prices of {AS_OF}; estimated, not measured",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m millrace.cost", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--idle", action="store_true", help="only a stack at rest")
    for name, default, what in (
        ("turns", 0, "answers of agents in a month"),
        ("tokens", 500, "tokens of an answer"),
        ("seconds", 10, "seconds of an answer"),
        ("viewers", 0, "people who watch the command center"),
        ("hours", 730, "hours in a month that they do"),
        ("events", 0, "events for pipelines in a month"),
        ("streams", 0, "answers that stream at the same time"),
        ("rate", 0, "events for pipelines in a second, 40 in a request"),
        ("organizations", 1, "organizations that share them"),
    ):
        parser.add_argument(f"--{name}", type=_amount, default=default, help=f"{what} ({default:,})")
    parser.add_argument("--no-free-tier", action="store_true", help="as if others used up what is free")
    chosen = parser.parse_args(arguments)
    if chosen.streams or chosen.rate:
        if chosen.seconds <= 0 or chosen.organizations < 1:
            parser.error("--seconds must be above 0, and there is at least one organization")
        of = Load(chosen.streams, chosen.organizations, chosen.tokens, chosen.seconds, chosen.rate)
        print(limits(of))
    else:
        print(report(chosen))
    return 0


def _amount(text: str) -> float:
    value = float(text.replace(",", ""))
    if not 0 <= value < 1e15:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
