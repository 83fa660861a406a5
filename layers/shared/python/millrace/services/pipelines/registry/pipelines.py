"""Pipelines of an organization: create, change, start and stop.

The command that follows a change of state is enqueued before the change is written: a command without its
change waits or does nothing, but a change without its command would be forgotten.
"""

import asyncio
from functools import partial
from typing import Any

from millrace.destinations.secrets import check_secrets
from millrace.domain.access import Principal
from millrace.domain.clock import iso, updated_time
from millrace.domain.differences import differences
from millrace.domain.ids import new_id
from millrace.domain.pipelines import (
    MAX_DEFINITION_BYTES,
    Action,
    Pipeline,
    after,
    check_chosen_id,
    check_deletable,
)
from millrace.domain.replacement import PLAIN, WriteOptions, check_same
from millrace.errors import Conflict, NotFound, TooLarge
from millrace.net.addresses import Rules
from millrace.net.names import resolve_name
from millrace.pipelines.definitions.definition import PipelineDefinition, parse_definition
from millrace.pipelines.definitions.sources import BY_ADDRESS
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import json_size
from millrace.services.pipelines.intake.schedules import Schedules
from millrace.services.pipelines.plans import compile_pipeline, stateful_hashes
from millrace.services.pipelines.processing.redrive import resume_redrives
from millrace.services.pipelines.queue_messages import Drain, Purge, StopPipeline, encode
from millrace.services.pipelines.registry.checks import check_reach
from millrace.services.pipelines.registry.warnings import Warnings
from millrace.services.search import has_words, search, words_of
from millrace.stores.queues import LONGEST_DELAY_MS
from millrace.stores.secrets import SecretStore

HOLD_MS = 15 * 60_000
"""The maximum time that windows wait for events that arrived while their pipeline was paused."""
_SOON_MS = 5_000
READ_ONLY = frozenset({"id", "state", "version", "createdAt", "updatedAt", "stateSince", "warnings"})


class Pipelines:
    """Operations on pipelines."""

    def __init__(self, context: PipelineContext, secrets: SecretStore) -> None:
        self._context = context
        self._store = context.pipelines
        self._secrets = secrets
        self._schedules = Schedules(context)
        self._warnings = Warnings(context, resolve_name)

    async def page(
        self, caller: Principal, after: str, limit: int, query: str = "", state: str | None = None
    ) -> tuple[list[Pipeline], str | None]:
        """Return pipelines by age, and the id to continue after.

        Only those in the state, and whose names or ids have every word of the query.
        """
        words = words_of(query)

        def matches(one: Pipeline) -> bool:
            return state in (None, one.state) and has_words(words, one.id, str(one.definition["name"]))

        read_page = partial(self._store.page, caller.organization)
        return await search(lambda most, behind: read_page(behind or "", most), matches, limit, after)

    async def written(self, caller: Principal, pipeline: Pipeline) -> dict[str, Any]:
        """Return the pipeline as the answer to its author, with `warnings`."""
        definition = self._context.plans.compiled(caller.organization, pipeline).plan.definition
        secrets = await self._secrets.names(caller.organization)
        warnings = await self._warnings.of(caller.organization, pipeline, definition, secrets)
        return pipeline.to_public() | {"warnings": warnings}

    async def get(self, caller: Principal, pipeline_id: str) -> Pipeline:
        """Return a pipeline. Raises `NotFound`."""
        return await self._store.get(caller.organization, pipeline_id)

    async def versions(
        self, caller: Principal, pipeline_id: str, before: int | None, limit: int
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return `{version, definition}`, newest first, and the version to continue before."""
        await self._store.get(caller.organization, pipeline_id)
        found = await self._store.versions(caller.organization, pipeline_id, before, limit)
        return found, found[-1]["version"] if len(found) == limit else None

    async def version(self, caller: Principal, pipeline_id: str, version: int) -> dict[str, Any]:
        """Return the definition of a version. Raises `NotFound`."""
        return await self._store.definition(caller.organization, pipeline_id, version)

    async def differences(
        self, caller: Principal, pipeline_id: str, version: int, other: int | None
    ) -> dict[str, Any]:
        """Compare a version with the `other`, or with the current definition. Raises `NotFound`."""
        current = await self._store.get(caller.organization, pipeline_id)
        before = await self._store.definition(caller.organization, pipeline_id, version)
        number = current.version if other is None else other
        after = await self._store.definition(caller.organization, pipeline_id, number)
        return {"from": version, "to": number, "changes": list(differences(before, after))}

    async def restore(self, caller: Principal, pipeline_id: str, version: int) -> Pipeline:
        """Create a new version with an earlier definition.

        Raises `NotFound`, and errors as `replace` does.
        """
        await self._store.get(caller.organization, pipeline_id)
        definition = await self._store.definition(caller.organization, pipeline_id, version)
        return await self.replace(caller, pipeline_id, definition)

    async def put(
        self, caller: Principal, pipeline_id: str, given: Any, options: WriteOptions = PLAIN
    ) -> tuple[Pipeline, bool]:
        """Replace the definition, or create a pipeline with the caller's id. Return it and whether it is new.

        Raises as `create` and `replace` do, and `Conflict` for the id of a deleted pipeline.
        """
        check_same("id", given.get("id") if isinstance(given, dict) else None, pipeline_id)
        try:
            return await self.replace(caller, pipeline_id, given, options), False
        except NotFound:
            options.check(None)
            # Ids of this form are generated, so an unknown one is a mistake or belongs to a deleted pipeline.
            if pipeline_id.startswith("pipeline_"):
                raise
            return await self.create(caller, given, pipeline_id, options.dry_run), True

    async def create(
        self, caller: Principal, given: Any, pipeline_id: str = "", dry_run: bool = False
    ) -> Pipeline:
        """Create a pipeline.

        Raises `InvalidDefinition` for an invalid definition, and `InvalidRequest` for unknown secrets.
        """
        definition = await self._checked(caller, given)
        if pipeline_id:
            check_chosen_id(pipeline_id, isinstance(definition.source, BY_ADDRESS))
        now = iso(self._context.clock())
        made = Pipeline(
            id=pipeline_id or new_id("pipeline"),
            definition=_written(definition),
            created_at=now,
            updated_at=now,
            state_since=now,
        )
        hashes = _hashes(caller, made, definition)
        if not dry_run:
            await self._store.create(caller.organization, made, hashes)
            self._context.plans.forget(caller.organization)
        return made

    async def replace(
        self, caller: Principal, pipeline_id: str, given: Any, options: WriteOptions = PLAIN
    ) -> Pipeline:
        """Replace the definition. A different one creates a version, which takes effect within seconds.

        Raises as `create` does, and `Conflict` if the pipeline was changed in the meantime.
        """
        definition = await self._checked(caller, given)
        old = await self._store.get(caller.organization, pipeline_id)
        options.check(old.updated_at)
        if old.state == "stopped":
            raise Conflict(
                "The pipeline is stopped and cannot be started again; create a new one.",
                code="pipeline_stopped",
            )
        written = _written(definition)
        if written == old.definition:
            return old
        if old.state != "created" and written["source"] != old.definition["source"]:
            raise Conflict(
                "The source of a pipeline cannot be changed after it has been started; create a new "
                "pipeline.",
                code="source_fixed",
            )
        changes = {
            "definition": written,
            "version": old.version + 1,
            "updated_at": updated_time(self._context.clock, old.updated_at),
        }
        new = _next(old, changes)
        hashes = _hashes(caller, new, definition)
        if not options.dry_run:
            await self._store.add_version(caller.organization, old, new, hashes)
            self._context.plans.forget(caller.organization)
        return new

    async def change(self, caller: Principal, pipeline_id: str, changes: dict[str, Any]) -> Pipeline:
        """Replace only the given parts of the definition; null removes one."""
        old = await self._store.get(caller.organization, pipeline_id)
        merged = {name: value for name, value in (old.definition | changes).items() if value is not None}
        return await self.replace(caller, pipeline_id, merged)

    async def delete(self, caller: Principal, pipeline_id: str, unchanged_since: str | None = None) -> None:
        """Delete the pipeline. Its dead letters follow, after events in progress may have added some.

        Raises `Conflict` for a pipeline that accepts events, or was changed after `unchanged_since`.
        """
        old = await self._store.get(caller.organization, pipeline_id)
        WriteOptions(unchanged_since).check(old.updated_at)
        check_deletable(old.state)
        purge = encode(Purge(caller.organization, pipeline_id))
        await asyncio.to_thread(self._context.ingest.send, [purge], LONGEST_DELAY_MS, caller.organization)
        await self._store.delete(caller.organization, old)
        # An interrupted start or stop may have left one.
        await self._schedules.remove(caller.organization, old)

    async def act(self, caller: Principal, pipeline_id: str, action: Action) -> Pipeline:
        """Start, pause, resume or stop. Raises `Conflict` with the allowed actions."""
        old = await self._store.get(caller.organization, pipeline_id)
        now = self._context.clock()
        new = _next(old, {"state": after(old.state, action), "state_since": iso(now), "hold_until": 0})
        if action == "start":
            # Since the definition was written, secrets may have been deleted or bound to other hosts.
            await self._checked(caller, old.definition)
            await self._schedules.ensure(caller.organization, old)
        elif action == "resume":
            new = new.model_copy(update={"hold_until": now + HOLD_MS})
        await self._command(caller.organization, old, action)
        try:
            await self._store.replace(caller.organization, old, new)
        except Conflict:
            if action == "start":
                await self._settle_schedule(caller.organization, old)
            raise
        self._context.plans.forget(caller.organization)
        if action == "stop":
            await self._schedules.remove(caller.organization, old)
        return new

    async def _settle_schedule(self, organization: str, old: Pipeline) -> None:
        """Update the schedule of a pipeline that was changed concurrently while it was started."""
        try:
            now = await self._store.get(organization, old.id)
        except NotFound:
            now = None
        if now and now.accepts_events:
            await self._schedules.ensure(organization, now)
        else:
            await self._schedules.remove(organization, old)

    async def _command(self, organization: str, old: Pipeline, action: Action) -> None:
        if action == "resume" or (action == "stop" and old.state == "paused"):
            drain = encode(Drain(organization, old.id))
            await asyncio.to_thread(self._context.ingest.send, [drain], _SOON_MS, organization)
            await resume_redrives(self._context, (organization, old.id), _SOON_MS)
        if action == "stop":
            stop = encode(StopPipeline(organization, old.id))
            await asyncio.to_thread(self._context.timers.send, [stop], _SOON_MS, organization)

    async def _checked(self, caller: Principal, given: Any) -> PipelineDefinition:
        if isinstance(given, dict):
            given = {name: value for name, value in given.items() if name not in READ_ONLY}
        if json_size(given) > MAX_DEFINITION_BYTES:
            raise TooLarge(f"A definition must not exceed {MAX_DEFINITION_BYTES // 1024} KB as JSON.")
        definition = parse_definition(given)
        secrets = await self._secrets.names(caller.organization)
        check_secrets(definition, secrets)
        check_reach(definition, secrets, Rules(loopback=self._context.settings.allow_loopback_http))
        return definition


def _written(definition: PipelineDefinition) -> dict[str, Any]:
    """Return the definition as its author wrote it, without defaults."""
    return definition.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _hashes(caller: Principal, pipeline: Pipeline, definition: PipelineDefinition) -> list[str]:
    made = compile_pipeline(caller.organization, pipeline.id, pipeline.version, definition)
    return sorted(set(stateful_hashes(made)))


def _next(old: Pipeline, changes: dict[str, Any]) -> Pipeline:
    return old.model_copy(update=changes | {"revision": old.revision + 1})
