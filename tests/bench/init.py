"""CPU and memory of each function's init: from the start of its process until it could take an invocation."""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from local.deploy import Function, deploy
from local.ministack import MiniStack
from local.template import read_template

ROOT = Path(__file__).parent.parent.parent
RUNS = 5
GOALS = {"ConversationFunction_cpu_ms": "under 450", "ConversationFunction_mb": "under 90"}
_INIT = """
import importlib, sys, time
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
import app
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(time.process_time() * 1000, int(peak) / 1024, len(sys.modules))
"""


def measure() -> dict[str, float]:
    """Milliseconds of CPU (median), peak memory and imported modules of each function."""
    with tempfile.TemporaryDirectory() as folder, MiniStack(log=Path(folder) / "log") as aws:
        deployment = deploy(read_template(ROOT / "template.yaml"), aws.client_arguments())
        endpoint = {"AWS_ENDPOINT_URL": aws.client_arguments()["endpoint_url"]}
        found: dict[str, float] = {}
        for name, function in sorted(deployment.functions.items()):
            environment = function.environment | endpoint | {"AWS_REGION": "us-east-1"}
            runs = [_init(function, environment) for _ in range(RUNS)]
            cpu, memory, modules = (statistics.median(column) for column in zip(*runs, strict=True))
            found |= {f"{name}_cpu_ms": cpu, f"{name}_mb": memory, f"{name}_modules": modules}
        return found


def _init(function: Function, environment: dict[str, str]) -> list[float]:
    """One process with the function's runtime, and credentials that nobody asks for."""
    streamed = function.url is not None and function.url.streamed
    runtime = "streaming_runtime.runtime" if streamed else "awslambdaric.bootstrap"
    credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    command = [sys.executable, "-c", _INIT, str(function.source.code), runtime]
    output = subprocess.run(
        command, env=environment | credentials, capture_output=True, text=True, check=True
    )
    return [float(word) for word in output.stdout.split()]
