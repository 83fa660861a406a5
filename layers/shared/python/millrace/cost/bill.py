"""Converts usage to dollars."""

from collections import defaultdict
from collections.abc import Iterable

from millrace.cost.prices import FREE, UNITS
from millrace.cost.usage import Usage

Bill = dict[str, float]
"""Dollars by service."""


def bill(used: Usage, free: bool = True) -> Bill:
    """Return the dollars of a month; `free` subtracts what AWS gives to every account."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, count in used.items():
        service, price = UNITS[name]
        found[service] += max(count - FREE.get(name, 0.0) * free, 0.0) * price
    return dict(found)


def total(of: Bill) -> float:
    """Return the dollars of all services."""
    return sum(of.values())


def together(parts: Iterable[Usage]) -> Usage:
    """Return the sum, so that free amounts are subtracted only once."""
    found: Usage = defaultdict(float)
    for one in parts:
        for name, amount in one.items():
            found[name] += amount
    return found
