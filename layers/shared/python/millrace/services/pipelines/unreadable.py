"""Events of a bus whose JSON would lose something when it is read: each is a dead letter of its pipelines.

Over HTTP such a body is refused and its sender told. Here nobody is there to be told, and a message that
fails would come again, as unreadable as before.
"""

from collections import Counter

from millrace.domain.json_reader import InvalidJson, read_json
from millrace.domain.pipelines import Pipeline
from millrace.errors import InvalidRequest
from millrace.pipelines.event import Event
from millrace.services.pipelines.line import Line
from millrace.services.pipelines.messages import recorded
from millrace.stores.dead_letters import Letter


def json_problem(text: str) -> InvalidRequest | None:
    """Return what the reader of JSON has against a message; None for a good one."""
    try:
        read_json(text.encode(errors="surrogatepass"), "The event")
    except InvalidJson as error:
        return error
    return None


async def refuse(
    line: Line, organization: str, pipeline: Pipeline, event: Event, problem: InvalidRequest
) -> None:
    """Store an event, as far as it could be read, as a dead letter, and count it."""
    letter = Letter(
        pipeline_id=pipeline.id,
        place="step:0",
        definition_version=pipeline.version,
        event_id=event.id,
        at=event.ingested,
        code=problem.code,
        message=problem.message,
        attempts=1,
        event=recorded(event),
    )
    await line.letters.put(organization, [letter], line.clock())
    await line.meter.add(organization, pipeline.id, Counter(itemsFailed=1, deadLetters=1))
