"""The pipelines beside bytewax, in an environment that has it."""

import json
import os
import subprocess
import sys

from tests.bench._peers import ROOT, Peer

BYTEWAX = Peer(
    "bytewax", ("bytewax",), "", "", {}, "dataflows in Rust around Python functions; keeps nothing"
)
_MEASURE = "import json; from tests.bench.pipelines import measure; print(json.dumps(measure()))"
SHOWN = (
    "parse_events_per_s",
    "pipeline_events_per_s",
    "pipeline_to_parse_ratio",
    "pipeline_to_bytewax_ratio",
    "messages_to_parse_ratio",
    "exact_to_parse_ratio",
)


def measure() -> dict[str, float]:
    """The figures of `pipelines` that compare. A `pipeline_to_bytewax_ratio` above 1: ours is faster."""
    BYTEWAX.install()
    # Its environment first, and ours behind it.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [BYTEWAX.python, "-c", _MEASURE]
    output = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(output.stdout)
    return {name: found[name] for name in SHOWN}
