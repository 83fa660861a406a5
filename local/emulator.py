"""MiniStack with what it leaves out, as `python -m local.emulator`.

- EventBridge Scheduler's context attributes (`<aws.scheduler.scheduled-time>` and the like) inside a
  target's input: it sends them as they are written.
- Partial failures of a DynamoDB stream's batch: it goes on as if all had been taken. Here the whole batch
  comes again, which AWS may do as well.

Both stand in its private functions; local/requirements.txt pins its version, tests/local/test_emulator.py
fails when another one no longer has them.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from ministack import app
from ministack.services import eventbridge, lambda_svc

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
    """Whether a function that was given records of a DynamoDB stream says that it did not take all."""
    records = event.get("Records") if isinstance(event, dict) else None
    answer = result.get("body")
    if not records or records[0].get("eventSource") != "aws:dynamodb" or not isinstance(answer, dict):
        return False
    return bool(answer.get("batchItemFailures"))


def complete() -> None:
    """Puts both in place."""
    invoke_target, execute = eventbridge._invoke_target, lambda_svc._execute_function

    def invoke(target: Json, event: Json, rule: Json, view: Any = None) -> None:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            target = with_context(target, event)
        invoke_target(target, event, rule, view)

    def run(function: Json, event: Json, *rest: Any, **more: Any) -> Json:
        result: Json = execute(function, event, *rest, **more)
        return result | {"error": True} if failed_in_part(event, result) else result

    eventbridge._invoke_target, lambda_svc._execute_function = invoke, run


if __name__ == "__main__":
    complete()
    app.main()
