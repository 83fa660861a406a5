"""Ours and what a user would pick instead, side by side on one machine, with one fake model server.

`make bench ARGS=side_by_side` measures part after part, prints, and writes docs/benchmarks.md, which is
whole after each of them. It takes at most twelve minutes, whatever hangs: a part that takes too long, a peer
that cannot be installed or does not start, is a line that says so. What was measured is kept in
`bench-results`: run again, on the same commit, it measures only what is missing. `BENCH_PARTS` (names, with
commas) chooses parts, `BENCH_PEERS` peers, and `BENCH_ROUNDS` (20) makes it shorter; then no page is written.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from tests.bench._peers import ROOT
from tests.bench._report import PARTS, write_page

KEPT = ROOT / "bench-results" / "side_by_side.json"
MOST_SECONDS = 11.5 * 60
ONE_PART = (sys.executable, "-m", "tests.bench._part")
SHORTENED = ("BENCH_PARTS", "BENCH_PEERS", "BENCH_ROUNDS")
Results = dict[str, dict[str, Any]]


def measure() -> dict[str, float]:
    """Every figure, as `<part>_<name>`. A part that failed has none, and its reason is printed."""
    deadline = time.monotonic() + MOST_SECONDS
    is_whole = not any(name in os.environ for name in SHORTENED)
    results = _kept() if is_whole else {}
    for name in _chosen():
        if "found" not in results.get(name, {}):
            results[name] = _measured(name, deadline - time.monotonic())
            print(f"  {name}: {results[name].get('failed', 'measured')}", flush=True)
        if is_whole:
            _keep(results)
            write_page(results)
    return dict(_figures({name: result.get("found", {}) for name, result in results.items()}))


def _chosen() -> list[str]:
    names = os.environ.get("BENCH_PARTS", "")
    return [name for name in PARTS if not names or name in names.split(",")]


def _measured(name: str, seconds_left: float) -> dict[str, Any]:
    """`found` or `failed`. The part runs in a process group of its own, so that nothing of it is left."""
    most = min(seconds_left, importlib.import_module(f"tests.bench.parts.{name}").MOST_SECONDS)
    if most < 1:
        return {"failed": "not measured: the run was over its time"}
    began = time.monotonic()
    with subprocess.Popen([*ONE_PART, name], stdout=subprocess.PIPE, cwd=ROOT, process_group=0) as process:
        try:
            output, _ = process.communicate(timeout=most)
        except subprocess.TimeoutExpired:
            return {"failed": f"took longer than {most:.0f} s"}
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    result: dict[str, Any] = json.loads(output) if output else {"failed": "ended without a result"}
    return result | {"seconds": time.monotonic() - began}


def _kept() -> Results:
    """The results of a run on this commit, unless it measured everything."""
    if not KEPT.exists():
        return {}
    kept = json.loads(KEPT.read_text())
    results: Results = kept["results"]
    is_complete = all("found" in results.get(name, {}) for name in PARTS)
    return {} if is_complete or kept["commit"] != _commit() else results


def _keep(results: Results) -> None:
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps({"commit": _commit(), "results": results}, indent=1))


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def _figures(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from _figures(value, f"{prefix}{name}_")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", float(value)
