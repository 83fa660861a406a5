"""A month on AWS, without the models: `python -m millrace.cost --turns 10000 --tokens 500 --seconds 10`.

python -m millrace.cost --idle                 a stack that nobody uses
python -m millrace.cost --viewers 1            beside a viewer of the command center who never leaves
python -m millrace.cost --events 1000000       events for pipelines, one by one
"""

import argparse
import sys

from millrace.cost.bill import bill, together, total
from millrace.cost.prices import AS_OF
from millrace.cost.usage import Usage, at_rest, of_events, of_turns, of_viewers


def parts(chosen: argparse.Namespace) -> dict[str, Usage]:
    """Return the usage by what causes it."""
    found = {"at rest": at_rest()}
    if chosen.idle:
        return found
    found["turns"] = of_turns(chosen.turns, chosen.tokens, chosen.seconds)
    found["viewers"] = of_viewers(chosen.viewers, chosen.hours)
    found["pipeline events"] = of_events(chosen.events)
    return found


def report(chosen: argparse.Namespace) -> str:
    """Return the table, in dollars a month."""
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
    ):
        parser.add_argument(f"--{name}", type=_amount, default=default, help=f"{what} ({default:,})")
    parser.add_argument("--no-free-tier", action="store_true", help="as if others used up what is free")
    print(report(parser.parse_args(arguments)))
    return 0


def _amount(text: str) -> float:
    value = float(text.replace(",", ""))
    if not 0 <= value < 1e15:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
