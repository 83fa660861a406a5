"""`make bench`: every benchmark, each goal beside what was measured. Names as arguments choose some.

These are measurements, not tests: machines are noisy, so read the ratios, which are taken in one run.
"""

import importlib
import sys
from pathlib import Path

GOALS: dict[str, dict[str, str]] = {
    "conversation": {
        "ratio_to_bare": "at least 0.5",
        "cpu_us_per_token": "under 40",
        "first_token_ms": "under 15",
        "artifact_mb": "under 60",
    },
}


def main(wanted: list[str]) -> int:
    """Run the benchmarks named, or all."""
    folder = Path(__file__).parent
    known = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    for name in wanted or known:
        print(f"\n{name}", flush=True)
        module = importlib.import_module(f"tests.bench.{name}")
        goals = GOALS.get(name, {}) | getattr(module, "GOALS", {})
        for figure, value in module.measure().items():
            goal = f"  (goal: {goals[figure]})" if figure in goals else ""
            print(f"  {figure:40} {value:14.2f}{goal}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
