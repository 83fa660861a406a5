"""MiniStack with what it leaves out, as `python -m local.emulator`.

- EventBridge Scheduler's context attributes (`<aws.scheduler.scheduled-time>` and the like) inside a
  target's input: it sends them as they are written.
- Time zones of schedules, see local/emulated_schedules.py.
- Partial failures of a DynamoDB stream's batch: it goes on as if all had been taken. Here the whole batch
  comes again, which AWS may do as well.

It runs in an environment of its own (`.venv-emulator`), because it pins botocore and the product must not.
Functions run in the product's environment, whose interpreter `FUNCTIONS_PYTHON` names.

All of it stands in its private functions; local/requirements-emulator.txt pins its version,
tests/local/test_emulator.py fails when another one no longer has it.
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
    """A schedule's target with the attributes of this invocation in its input."""
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
    """Return whether a function that received records of a DynamoDB stream reports that some of them
    failed."""
    records = event.get("Records") if isinstance(event, dict) else None
    answer = result.get("body")
    if not records or records[0].get("eventSource") != "aws:dynamodb" or not isinstance(answer, dict):
        return False
    return bool(answer.get("batchItemFailures"))


def complete() -> None:
    """Put all of it in place."""
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
    """Serve it until SIGTERM, which has it save what is kept.

    By uvicorn on httptools: MiniStack's own server takes as much CPU for HTTP as MiniStack for the answer.
    """
    import uvicorn
    from ministack.app import app

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # what comes after uvicorn's own handler
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
        date_header=False,  # the app gives one
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,  # who waits for messages of a queue
    )


if __name__ == "__main__":
    complete()
    serve()
