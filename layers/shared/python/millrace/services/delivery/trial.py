"""A test of a destination: a marked event goes through the real sender, and the outcome is returned.

It runs in the delivery function, with its network and permissions. Circuits, rate limits and counts are not
affected.
"""

import asyncio
import time
from typing import Annotated, Any

from msgspec.structs import asdict
from pydantic import Field

from millrace.destinations.results import Delivered, Failure, Retry, Unsendable, Wait
from millrace.destinations.wire import Answer, excerpt
from millrace.domain.clock import Clock
from millrace.domain.ids import new_id
from millrace.errors import MillraceError
from millrace.pipelines.definitions.destinations import DatabaseConfig
from millrace.pipelines.definitions.model import Model
from millrace.pipelines.event import Event
from millrace.services.delivery.job import Job, job_event
from millrace.services.delivery.target import Target, Targets

# The API function that waits for the answer ends after 29 seconds.
SECONDS = 20.0
TEST = "test"
"""Source and type of the event, and the field that marks a default payload."""


class TrialRequest(Model):
    """The request of a test. With `inspect` nothing is sent, but a database's table is described."""

    organization: str
    pipeline_id: str
    version: Annotated[int, Field(ge=1)]
    destination: Annotated[int, Field(ge=0)]
    payload: dict[str, Any] | None = None
    inspect: bool = False


async def try_out(targets: Targets, request: TrialRequest, clock: Clock) -> dict[str, Any]:
    """Test a destination and return the outcome. Never raises for a destination's errors."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(SECONDS):
            result = await _try_out(targets, request, clock)
    except TimeoutError:
        result = _problem(
            "unknown", "timeout", f"The destination did not answer within {SECONDS:.0f} seconds."
        )
    except Unsendable as error:
        result = _problem("refused", error.code, error.message)
    except MillraceError as error:
        result = _problem("unknown", error.code, error.message)
    return result | {"durationMs": round((time.monotonic() - began) * 1000)}


async def _try_out(targets: Targets, request: TrialRequest, clock: Clock) -> dict[str, Any]:
    event = sample_event(request, clock())
    job = Job(
        organization=request.organization,
        pipeline_id=request.pipeline_id,
        definition_version=request.version,
        destination=request.destination,
        created_at=event.ingested,
        events=[job_event(event)],
    )
    answers: list[Answer] = []
    target = await targets.of(job, answers)
    if request.inspect:
        return await _inspect(target)
    (result,) = (await target.send([event], _at_once)).results
    answer = answers[-1] if answers else None
    heard = {
        "status": answer.status if answer else None,
        "body": excerpt(target.redact(answer.text())) if answer else None,
        "eventId": event.id,
    }
    if isinstance(result, Delivered):
        return _problem("delivered", None, None) | heard
    failure = target.written(
        Failure("waiting", "It was not sent.") if isinstance(result, Wait) else result.failure
    )
    outcome = "retried" if isinstance(result, Retry) else "refused"
    return _problem(outcome, failure.code, failure.message) | heard


async def _inspect(target: Target) -> dict[str, Any]:
    """Return a table's columns, those that rows need, and any mismatch; None for other destinations."""
    if not isinstance(target.config, DatabaseConfig):
        return {"columns": None}
    from millrace.destinations.database import DatabaseSender, whole_failure
    from millrace.destinations.dynamodb import DynamoSender

    sender = target.sender
    try:
        if isinstance(sender, DynamoSender):
            await sender.check()
            return {"columns": None}
        assert isinstance(sender, DatabaseSender)
        return asdict(await asyncio.to_thread(sender.inspect))
    except (Unsendable, MillraceError):
        raise
    except Exception as error:
        failure = target.written(whole_failure(error))
        return _problem("unknown", failure.code, failure.message)


def sample_event(request: TrialRequest, now: int) -> Event:
    """Return the event. Its id and type mark it as a test, and a field of the default payload."""
    payload = request.payload
    if payload is None:
        payload = {
            TEST: True,
            "message": "A test event of Millrace.",
            "event": "millrace_test",
            "distinct_id": "millrace-test",
        }
    return Event(payload, new_id(TEST), TEST, TEST, now, now, request.pipeline_id)


async def _at_once(behind: int = 0) -> int:
    return 0


def _problem(outcome: str, code: str | None, message: str | None) -> dict[str, Any]:
    return {"outcome": outcome, "code": code, "message": message, "status": None, "body": None}
