"""The CPU of the conversation function's init: the packages that it stands on, and its own part."""

import os
import subprocess
import sys
from typing import Any

from local.deploy import deploy
from local.ministack import MiniStack
from local.template import read_template
from tests.bench._peers import ROOT
from tests.bench._side import rounds
from tests.bench._table import number, table

MOST_SECONDS = 60
RUNS = 9
BEFORE = "import gc, sys, time; gc.disable(); import streaming_runtime.runtime"
STEPS = {
    "the interpreter, asyncio, the streaming runtime": "",
    "starlette": "import starlette.applications, starlette.routing, starlette.responses",
    "pydantic": "from pydantic import BaseModel, Field, TypeAdapter",
    "PyJWT and cryptography": "import jwt, cryptography.hazmat.primitives.asymmetric.rsa",
    "msgspec and the logger of Powertools": "import msgspec, aws_lambda_powertools.logging",
    "the clients of DynamoDB and EventBridge": "from millrace.stores.aws import Aws; "
    "aws = Aws('us-east-1'); aws.client('dynamodb'); aws.client('events')",
    "our own modules, endpoints and the rest": "import app",
}
"""Each with all before it."""


def measure() -> dict[str, Any]:
    """Milliseconds of CPU after each step: the least of some processes, taken in turns."""
    with MiniStack() as emulator:
        arguments = emulator.client_arguments()
        function = deploy(read_template(ROOT / "template.yaml"), arguments).functions["ConversationFunction"]
        environment = function.environment | {
            "AWS_ENDPOINT_URL": arguments["endpoint_url"],
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
            "PYTHONPATH": str(function.source.code),
            "HOME": os.environ.get("HOME", "/"),
        }
        turns = [_turn(environment) for _ in range(rounds(RUNS) + 1)][1:]
    least = [min(times) for times in zip(*turns, strict=True)]
    return {"after": dict(zip(STEPS, least, strict=True))}


def _turn(environment: dict[str, str]) -> list[float]:
    steps = list(STEPS.values())
    return [_milliseconds(steps[: at + 1], environment) for at in range(len(steps))]


def _milliseconds(steps: list[str], environment: dict[str, str]) -> float:
    code = "\n".join([BEFORE, *steps, "print(time.process_time() * 1000)"])
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(said.stdout.split()[-1])


def section(found: dict[str, Any]) -> list[str]:
    """The table of an init, and its reasons."""
    after: dict[str, float] = found["after"]
    rows, before = [], 0.0
    for name, value in after.items():
        rows.append([name, number(max(0.0, value - before)), number(value)])
        before = max(before, value)
    return [
        "## A cold start: where the time of the init goes",
        "",
        "CPU of the conversation function's init as Lambda runs it, without the collector:",
        "",
        *table(["", "ms", "in all"], rows),
        "The goal was 250 ms. Done: records are msgspec structs, each of which costs 10 us where a frozen "
        "data class costs 400 ([ADR 63](adr/0063-records-are-structs.md)); a client of our own makes the "
        "calls of AWS that requests wait for, so that botocore is not imported; the collector is off "
        "during the init; handlers import what they need when they are called (httpx, tools, other "
        "protocols); pydantic builds a model when it is first used, which values that the code itself "
        "gives do not force; a route is compiled when a request of its shape comes. Left: pydantic and "
        "its first models, and PyJWT, which imports all of cryptography's x509 (10 ms) for certificates "
        "that a set of keys does not have. A model behind HTTP adds httpx.",
        "",
    ]
