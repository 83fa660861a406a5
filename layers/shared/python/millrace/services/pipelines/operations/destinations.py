"""Destinations of pipelines in operation: their state, and a switch for it."""

import asyncio
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.circuit import Circuit, recent
from millrace.domain.clock import iso
from millrace.domain.pipelines import Pipeline
from millrace.errors import NotFound
from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.definitions.destinations import Destination
from millrace.pipelines.event import Event
from millrace.services.delivery.destination_keys import destination_key_of
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.push import checked
from millrace.services.pipelines.trials import try_destination
from millrace.stores.delivery_state import DestinationKey

BY_HAND = "An operator disabled it."


class Destinations:
    """Operations on the destinations of the current definition, counted from 0."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context

    async def all(self, caller: Principal, pipeline_id: str) -> list[dict[str, Any]]:
        """Return all destinations of a pipeline. Raises `NotFound`."""
        pipeline = await self._context.pipelines.get(caller.organization, pipeline_id)
        return await self.of(caller.organization, pipeline)

    async def of(self, organization: str, pipeline: Pipeline) -> list[dict[str, Any]]:
        """Return each destination with its `state`.

        States are `closed` (everything is sent), `open` (nothing until `until`), `half_open` (one event at a
        time) and `disabled` (nothing).
        """
        targets = self._definition(organization, pipeline).targets
        destination_keys = [
            destination_key_of(organization, pipeline.id, at, one) for at, one in enumerate(targets)
        ]
        circuits = await asyncio.gather(*map(self._context.delivery_state.circuit, destination_keys))
        now = self._context.clock()
        return [
            _summary(at, one, circuit, now)
            for at, (one, circuit) in enumerate(zip(targets, circuits, strict=True))
        ]

    async def enable(self, caller: Principal, pipeline_id: str, number: int) -> dict[str, Any]:
        """Send everything again, whatever the reason was to stop. Raises `NotFound`."""
        destination_key = await self._destination_key(caller, pipeline_id, number)
        await self._context.delivery_state.enable(destination_key)
        return (await self.all(caller, pipeline_id))[number]

    async def disable(self, caller: Principal, pipeline_id: str, number: int) -> dict[str, Any]:
        """Disable a destination: its events become dead letters from now on. Raises `NotFound`."""
        destination_key = await self._destination_key(caller, pipeline_id, number)
        await self._context.delivery_state.disable(destination_key, BY_HAND)
        return (await self.all(caller, pipeline_id))[number]

    async def test(
        self, caller: Principal, pipeline_id: str, number: int, payload: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Send a marked test event, with `payload` if given, and return the outcome.

        Raises `NotFound`, and `InvalidRequest` for an invalid payload.
        """
        await self._destination_key(caller, pipeline_id, number)
        pipeline = await self._context.pipelines.get(caller.organization, pipeline_id)
        if payload is not None:
            checked(Event(payload, "test"), 0)
        result = await try_destination(self._context, caller.organization, pipeline, number, payload=payload)
        return {"destination": number} | result

    async def _destination_key(self, caller: Principal, pipeline_id: str, number: int) -> DestinationKey:
        pipeline = await self._context.pipelines.get(caller.organization, pipeline_id)
        targets = self._definition(caller.organization, pipeline).targets
        if not 0 <= number < len(targets):
            raise NotFound(
                f"The pipeline has no destination {number}; destinations are numbered from 0.",
                code="destination_not_found",
            )
        return destination_key_of(caller.organization, pipeline_id, number, targets[number])

    def _definition(self, organization: str, pipeline: Pipeline) -> PipelineDefinition:
        return self._context.plans.compiled(organization, pipeline).plan.definition


def _summary(number: int, destination: Destination, circuit: Circuit, now: int) -> dict[str, Any]:
    state = _state(circuit, now)
    config = destination.config
    limit = config.rate_limit
    succeeded, failed = recent(circuit, now)
    return {
        "destination": number,
        "name": destination.name,
        "type": destination.type,
        "state": state,
        "since": iso(circuit.since) if state != "closed" else None,
        "until": iso(circuit.until) if state == "open" else None,
        "reason": circuit.reason,
        "requests": {"succeeded": succeeded, "failed": failed},
        "rateLimit": limit.model_dump(mode="json", by_alias=True) if limit else None,
    }


def _state(circuit: Circuit, now: int) -> str:
    if circuit.disabled:
        return "disabled"
    if not circuit.is_open:
        return "closed"
    return "open" if now < circuit.until else "half_open"
