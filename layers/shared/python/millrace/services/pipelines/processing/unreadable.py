"""Events that no step can process, which become dead letters of their pipelines.

These are bus events whose JSON cannot be parsed without loss, and all events of a pipeline whose definition
cannot be compiled. Over HTTP such a body is rejected with an error. Here nobody would get the error, and a
failed message would be received again, as unreadable as before.
"""

from collections import Counter
from collections.abc import Sequence

from millrace.domain.json_reader import InvalidJson, read_json
from millrace.domain.pipelines import Pipeline
from millrace.errors import InvalidRequest
from millrace.pipelines.event import Event
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import event_record
from millrace.services.pipelines.meter import new_counts
from millrace.stores.dead_letters import DeadLetter


def json_problem(text: str) -> InvalidRequest | None:
    """Return the JSON parser's error for a message, or None for a valid one."""
    try:
        read_json(text.encode(errors="surrogatepass"), "The event")
    except InvalidJson as error:
        return error
    return None


async def refuse(
    context: PipelineContext,
    organization: str,
    pipeline: Pipeline,
    events: Sequence[Event],
    problem: InvalidRequest,
    step: int = 0,
) -> None:
    """Store events, as far as they are readable, as dead letters of a step, and count them."""
    dead_letters = [_dead_letter(pipeline, event, problem, step) for event in events]
    await context.dead_letters.put(organization, dead_letters, context.clock())
    counters, counts = Counter(itemsFailed=len(dead_letters), deadLetters=len(dead_letters)), new_counts()
    context.meter.count((organization, pipeline.id), counters, counts)
    await context.meter.add(counts)


def _dead_letter(pipeline: Pipeline, event: Event, problem: InvalidRequest, step: int) -> DeadLetter:
    return DeadLetter(
        pipeline_id=pipeline.id,
        place=f"step:{step}",
        definition_version=pipeline.version,
        event_id=event.id,
        at=event.ingested,
        code=problem.code,
        message=problem.message,
        attempts=1,
        event=event_record(event.read()),
    )
