"""CPU and memory of each function's init: from the start of its process until it could take an invocation.

`.venv/bin/python -m tests.bench.init built` builds all layers and functions for this machine, which takes
minutes, and prints a table; without `built` it measures the sources in this environment. The functions take
turns, so that a busy minute of the machine harms all of them alike, and medians are what counts.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from local.deploy import Function, deploy
from local.ministack import MiniStack
from local.template import read_template
from tests.runtime.built import build

ROOT = Path(__file__).parent.parent.parent
RUNS = 7
GOALS = {"ConversationFunction_cpu_ms": "under 250", "ConversationFunction_mb": "under 90"}
_INIT = """
import gc, importlib, sys, time
if sys.argv[2].startswith("streaming_runtime"):
    gc.disable()  # as `streaming_runtime.handler.load_app` does; the others do it themselves
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
import app
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(time.process_time() * 1000, int(peak) / 1024, len(sys.modules))
"""


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The code that functions start with. `folders` are where they import from, beside their own code."""

    python: str
    build: Path | None = None
    folders: tuple[Path, ...] = ()

    def code(self, name: str, function: Function) -> Path:
        """The folder of a function's own code."""
        return self.build / name if self.build else function.source.code

    @property
    def environment(self) -> dict[str, str]:
        if not self.build:
            return {}
        return {"PYTHONPATH": os.pathsep.join(map(str, self.folders)), "PYTHONNOUSERSITE": "1"}


def measure() -> dict[str, float]:
    """Milliseconds of CPU (median), peak memory and imported modules of each function."""
    figures: dict[str, float] = {}
    for name, (cpu, memory, modules) in medians(Artifacts(sys.executable)).items():
        figures |= {f"{name}_cpu_ms": cpu, f"{name}_mb": memory, f"{name}_modules": modules}
    return figures


def medians(used: Artifacts) -> dict[str, list[float]]:
    """CPU, memory and modules by function."""
    with tempfile.TemporaryDirectory() as folder, MiniStack(log=Path(folder) / "log") as aws:
        functions = deploy(read_template(ROOT / "template.yaml"), aws.client_arguments()).functions
        endpoint = {"AWS_ENDPOINT_URL": aws.client_arguments()["endpoint_url"]}
        rounds = [
            {name: _init(used, name, function, endpoint) for name, function in sorted(functions.items())}
            for _ in range(RUNS)
        ]
    return {
        name: list(map(statistics.median, zip(*(one[name] for one in rounds), strict=True)))
        for name in rounds[0]
    }


@contextmanager
def made() -> Iterator[Artifacts]:
    """The artifacts that would be deployed, but for this machine."""
    with tempfile.TemporaryDirectory() as folder:
        built, python = build(Path(folder))
        yield Artifacts(python, built, (built / "opt/python", built / "runtime"))


def _init(used: Artifacts, name: str, function: Function, endpoint: dict[str, str]) -> list[float]:
    """One process with the function's runtime, and credentials that nobody asks for."""
    streamed = function.url is not None and function.url.streamed
    runtime = "streaming_runtime.runtime" if streamed else "awslambdaric.bootstrap"
    credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    output = subprocess.run(
        [used.python, "-c", _INIT, str(used.code(name, function)), runtime],
        env=function.environment | endpoint | credentials | used.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in output.stdout.split()]


def main(arguments: list[str]) -> None:
    """Print the table."""
    with made() if "built" in arguments else nullcontext(Artifacts(sys.executable)) as used:
        found = medians(used)
    print(f"{'function':32} {'CPU ms':>7} {'MB':>5} {'modules':>8}")
    for name, (cpu, memory, modules) in found.items():
        print(f"{name:32} {cpu:7.0f} {memory:5.0f} {modules:8.0f}")


if __name__ == "__main__":
    main(sys.argv[1:])
