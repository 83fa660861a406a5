"""The functions that take the CPU of a path, for "where the time goes" on the page."""

import pstats
from cProfile import Profile
from typing import Any

from tests.bench._peers import ROOT
from tests.bench._table import number, table

Shares = list[tuple[str, float]]
"""Names of functions, and their own CPU in percent of all."""
TOP = 12


def shares(profile: Profile) -> Shares:
    """Return the functions with the most CPU of their own."""
    stats: Any = pstats.Stats(profile)
    # Waiting is no work: a profile counts it as time of the selector.
    rows = [(key, row) for key, row in stats.stats.items() if "poll" not in key[2]]
    whole = sum(own for _, (_, _, own, _, _) in rows)
    ordered = sorted(((own / whole * 100, _name(*key)) for key, (_, _, own, _, _) in rows), reverse=True)
    return [(name, share) for share, name in ordered[:TOP]]


def profile_lines(found: Shares) -> list[str]:
    """Return them as lines of the page."""
    return [
        "The functions with the most time of their own, under a profiler (which overstates small functions):",
        "",
        *table(["", "%"], [[f"`{name}`", number(share)] for name, share in found]),
    ]


def _name(file: str, _line: int, function: str) -> str:
    if file == "~":
        return function.strip("<>").replace("built-in method ", "").replace("method ", "")
    place = file.removeprefix(f"{ROOT}/")
    place = place.rpartition("site-packages/")[2].rpartition("/python/")[2].rpartition("/lib/")[2]
    return f"{place.removeprefix('python3.11/')}:{function}"
