"""MiniStack with the features that it lacks, as `python -m local.emulator`.

- EventBridge Scheduler's context attributes (`<aws.scheduler.scheduled-time>` and the like) inside a
  target's input, which MiniStack sends literally.
- Time zones of schedules, see local/emulated_schedules.py.
- Partial failures of a DynamoDB stream's batch, which MiniStack treats as success. Here the whole batch is
  repeated, which AWS may do as well.

It runs in its own environment (`.venv-emulator`), because it pins botocore and the product must not.
Functions run in the product's environment, whose interpreter `FUNCTIONS_PYTHON` names.

All of this uses MiniStack's private functions. local/requirements-emulator.txt pins its version, and
tests/local/test_emulator.py fails if another version no longer has them.
"""

import os
import resource
import signal
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from local import emulated_schedules

FUNCTIONS_PYTHON = "FUNCTIONS_PYTHON"

Json = dict[str, Any]


def with_context(target: Json, event: Json) -> Json:
    """Return a schedule's target with the attributes of this invocation in its input."""
    attributes = {
        "schedule-arn": event["Resources"][0],
        "scheduled-time": datetime.fromtimestamp(event["Time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": str(uuid.uuid4()),
        "attempt-number": "1",
    }
    text = target["Input"]
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return target | {"Input": text}


def failed_in_part(event: Json, result: Json) -> bool:
    """Return whether a function reports that some of a DynamoDB stream's records failed."""
    records = event.get("Records") if isinstance(event, dict) else None
    answer = result.get("body")
    if not records or records[0].get("eventSource") != "aws:dynamodb" or not isinstance(answer, dict):
        return False
    return bool(answer.get("batchItemFailures"))


def complete() -> None:
    """Install all additions."""
    from ministack.core import lambda_runtime
    from ministack.services import eventbridge, lambda_svc, scheduler

    invoke_target, execute = eventbridge._invoke_target, lambda_svc._execute_function
    detect = lambda_runtime._detect_runtime_binary

    def invoke(target: Json, event: Json, rule: Json, view: Any = None) -> None:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            target = with_context(target, event)
        invoke_target(target, event, rule, view)

    def run(function: Json, event: Json, *rest: Any, **more: Any) -> Json:
        result: Json = execute(function, event, *rest, **more)
        return result | {"error": True} if failed_in_part(event, result) else result

    def binary(runtime: str) -> tuple[str, str]:
        own, script = detect(runtime)
        return (os.environ[FUNCTIONS_PYTHON] if runtime.startswith("python") else own), script

    eventbridge._invoke_target, lambda_svc._execute_function = invoke, run
    lambda_runtime._detect_runtime_binary = binary
    scheduler._tick_schedules = lambda: emulated_schedules.tick(time.time())


def serve() -> None:
    """Serve until SIGTERM, after which it saves its state.

    uvicorn uses httptools, because MiniStack's own server takes as much CPU for HTTP as MiniStack for the
    answer.
    """
    import uvicorn
    from ministack.app import app

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # replaced by uvicorn's own handler
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvicorn.run(
        app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        http="httptools",
        loop="asyncio",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,  # the app sets one
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,  # for clients that wait for messages of a queue
    )


if __name__ == "__main__":
    complete()
    serve()
