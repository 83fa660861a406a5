"""Dry runs: the effect of each step of a definition on events. Nothing is sent or stored."""

import asyncio
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.pipelines import MAX_DEFINITION_BYTES
from millrace.errors import InvalidRequest, TooLarge
from millrace.pipelines.definitions.definition import PipelineDefinition, parse_definition
from millrace.pipelines.event import Event
from millrace.pipelines.explain import explain
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.plan import Plan
from millrace.pipelines.state.store import MemoryStore
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import event_from_record, json_size
from millrace.services.pipelines.intake.push import event_from
from millrace.services.pipelines.plans import compile_pipeline

DRY_EVENTS = 200
RECORDED_BYTES = 500_000
"""The maximum size of recorded events to try, whose payloads appear in the answer once for each step."""
ANSWER_BYTES = 2_500_000
"""Lambda allows 6 MB, in which our quotation marks count twice."""
_DRY_ENTRIES = 20
_NO_PIPELINE = "pipeline_dry"


class DryRuns:
    """Dry runs of pipelines and of definitions."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context

    async def of_pipeline(
        self, caller: Principal, pipeline_id: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        """Show the effect of each step on each event: `{definition?, events?}`.

        `events` defaults to the last recorded ones, and `definition` to the current one.
        """
        pipeline = await self._context.pipelines.get(caller.organization, pipeline_id)
        _check_fields(request)
        definition = _definition(request.get("definition", pipeline.definition))
        events = await self._dry_events(caller, pipeline_id, request.get("events"))
        plan = compile_pipeline(caller.organization, pipeline_id, pipeline.version, definition).plan
        return await _tried(plan, events)

    async def of_definition(self, caller: Principal, request: dict[str, Any]) -> dict[str, Any]:
        """Show the same for a definition without a pipeline: `{definition, events}`."""
        _check_fields(request)
        definition = _definition(request.get("definition"))
        events = self._given_events(request.get("events"))
        plan = compile_pipeline(caller.organization, _NO_PIPELINE, 1, definition).plan
        return await _tried(plan, events)

    async def _dry_events(self, caller: Principal, pipeline_id: str, given: Any) -> list[Event]:
        if given is None:
            return await self._recent_events(caller.organization, pipeline_id)
        return self._given_events(given)

    def _given_events(self, given: Any) -> list[Event]:
        if not isinstance(given, list) or not 1 <= len(given) <= DRY_EVENTS:
            raise InvalidRequest(f"Send 1 to {DRY_EVENTS} events.", code="invalid_items")
        now = self._context.clock()
        return [event_from(item, at, now) for at, item in enumerate(given)]

    async def _recent_events(self, organization: str, pipeline_id: str) -> list[Event]:
        events: list[Event] = []
        size = 0
        journal = self._context.journal
        for entry in await journal.newest(organization, pipeline_id, _DRY_ENTRIES):
            for record in await journal.read(organization, pipeline_id, entry.position, entry.key):
                size += json_size(record)
                if events and (len(events) == DRY_EVENTS or size > RECORDED_BYTES):
                    return events
                events.append(event_from_record(record, pipeline_id))
        return events


async def _tried(plan: Plan, events: list[Event]) -> dict[str, Any]:
    """Try the events. Raises `TooLarge` if the result exceeds an answer."""
    answer = await asyncio.to_thread(_explained, plan, events)
    if json_size(answer) > ANSWER_BYTES:
        raise TooLarge("The results for these events are too large to show; try fewer events.")
    return answer


def _explained(plan: Plan, events: list[Event]) -> dict[str, Any]:
    """Return the effect of each step on each event, and the final output of windows and batches."""
    state = MemoryStore()
    explained = [explain(plan, event, state) for event in events]
    whole = LocalRun(plan)
    outputs = [*whole.feed(events), *whole.finish()]
    return {"events": explained, "outputs": [event.payload for event in outputs]}


def _check_fields(request: dict[str, Any]) -> None:
    if unknown := sorted(request.keys() - {"definition", "events"}):
        raise InvalidRequest(f"`{unknown[0]}` is not known here.")


def _definition(given: Any) -> PipelineDefinition:
    if json_size(given) > MAX_DEFINITION_BYTES:
        raise TooLarge(f"A definition must not exceed {MAX_DEFINITION_BYTES // 1024} KB as JSON.")
    return parse_definition(given)
