"""Pipelines as compiled plans: the versions that a process knows, and when it reads them again."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.clock import Clock, now_ms
from millrace.domain.pipelines import Pipeline
from millrace.errors import InvalidRequest, MillraceError, is_transient
from millrace.pipelines.definitions.definition import PipelineDefinition, stored_definition
from millrace.pipelines.definitions.sources import ExtensionSource, Source
from millrace.pipelines.expressions.compiler import Scalar
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.plan import Plan, compile_plan
from millrace.pipelines.state.store import Key
from millrace.pipelines.together import sends_items
from millrace.stores.pipelines import PipelineStore

CACHE_SECONDS = 3.0
REREAD_SECONDS = 60.0
"""Definitions are read again after this time even without a recorded change.

During a deployment, functions of an earlier release may change definitions without recording it.
"""
_ASKED_TOGETHER = 100
_PLANS = 1_000
_ORGANIZATIONS = 1_000
K = TypeVar("K")
V = TypeVar("V")


class CompiledPipeline(Struct, frozen=True):
    """A compiled version of a pipeline.

    `guards` are the `when` expressions of its destinations, and `together` the numbers of those that get a
    batch's items one by one.
    """

    organization: str
    pipeline_id: str
    version: int
    plan: Plan
    guards: tuple[Scalar | None, ...]
    together: frozenset[int] = frozenset()


def compile_pipeline(
    organization: str, pipeline_id: str, version: int, definition: PipelineDefinition
) -> CompiledPipeline:
    """Compile a validated definition."""
    plan = compile_plan(definition, organization, pipeline_id)
    guards = [compile_expression(one.when).evaluate if one.when else None for one in definition.targets]
    together = frozenset(
        at for at, one in enumerate(definition.targets) if sends_items(definition.transforms, one)
    )
    return CompiledPipeline(organization, pipeline_id, version, plan, tuple(guards), together)


class BrokenDefinition(InvalidRequest):
    """A stored definition, accepted by an earlier release, cannot be compiled."""

    code = "definition_broken"

    def __init__(self, pipeline_id: str, version: int, error: Exception) -> None:
        reason = error.message if isinstance(error, MillraceError) else type(error).__name__
        super().__init__(
            f"Version {version} of the pipeline {pipeline_id} cannot be compiled; replace it. {reason}"[
                :1_000
            ]
        )


class _Known(Struct, frozen=True):
    """An organization's pipelines.

    `asked` and `at` are the time of the last check for changes, by the monotonic clock and in epoch ms.
    `read` is when they were read, with their `revision`.
    """

    asked: float
    at: int
    read: float
    revision: int
    pipelines: dict[str, Pipeline]


class Takers(Struct, frozen=True):
    """Pipelines that accept the same events from the bus, and their source, which selects them."""

    source: Source | ExtensionSource | BrokenDefinition
    pipelines: list[Pipeline]


class Plans:
    """Pipelines of organizations, cached for three seconds by default, and compiled versions, which never
    change."""

    def __init__(self, store: PipelineStore, clock: Clock = now_ms) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._takers: dict[tuple[str, str], tuple[dict[str, Pipeline], list[Takers]]] = {}
        self._compiled: dict[tuple[str, str, int], CompiledPipeline] = {}

    async def of(self, organization: str, since: int = 0) -> dict[str, Pipeline]:
        """Return an organization's pipelines by id, as they were at `since` (epoch ms) or later.

        So an event sent after a start was answered finds that pipeline.
        """
        return (await self.of_each({organization: since}))[organization]

    async def of_each(self, since: Mapping[str, int]) -> dict[str, dict[str, Pipeline]]:
        """Return `of` for several organizations, each with its own `since`.

        One call checks a hundred of them for changes.
        """
        found: dict[str, dict[str, Pipeline]] = {}
        unsure: list[str] = []
        for organization, at in since.items():
            known = self._known.get(organization)
            if known and time.monotonic() - known.asked < CACHE_SECONDS and known.at > at:
                found[organization] = known.pipelines
            else:
                unsure.append(organization)
        for start in range(0, len(unsure), _ASKED_TOGETHER):
            found |= await self._checked(unsure[start : start + _ASKED_TOGETHER])
        return found

    async def _checked(self, organizations: list[str]) -> dict[str, dict[str, Pipeline]]:
        # Taken before the read: a change that the read just missed must not count as seen.
        asked, at = time.monotonic(), self._clock()
        revisions = await self._store.revisions(organizations)

        async def load(organization: str) -> _Known:
            revision, known = revisions.get(organization, 0), self._known.get(organization)
            if known and known.revision == revision and asked - known.read < REREAD_SECONDS:
                return replace(known, asked=asked, at=at)
            pipelines = {one.id: one for one in await self._store.all(organization)}
            return _Known(asked, at, asked, revision, pipelines)

        checked = dict(zip(organizations, await asyncio.gather(*map(load, organizations)), strict=True))
        for organization, known in checked.items():
            _keep(self._known, organization, known, _ORGANIZATIONS)
        return {organization: known.pipelines for organization, known in checked.items()}

    async def takers(self, organization: str, source_type: str, since: int = 0) -> list[Takers]:
        """Return the pipelines that accept events from a type of source, as fresh as `of`.

        They are determined once, not for each event, and grouped by equal sources.
        """
        pipelines, key = await self.of(organization, since), (organization, source_type)
        known = self._takers.get(key)
        if known is None or known[0] is not pipelines:
            chosen = (
                one for one in pipelines.values() if one.accepts_events and one.source_type == source_type
            )
            known = pipelines, self._grouped(organization, chosen)
            _keep(self._takers, key, known, _ORGANIZATIONS)
        return known[1]

    def _grouped(self, organization: str, pipelines: Iterable[Pipeline]) -> list[Takers]:
        groups: dict[str, Takers] = {}
        for pipeline in pipelines:
            source = self._source(organization, pipeline)
            alike = pipeline.id if isinstance(source, BrokenDefinition) else source.model_dump_json()
            groups.setdefault(alike, Takers(source, [])).pipelines.append(pipeline)
        return list(groups.values())

    def _source(self, organization: str, pipeline: Pipeline) -> Source | ExtensionSource | BrokenDefinition:
        try:
            return self.compiled(organization, pipeline).plan.definition.source
        except BrokenDefinition as error:
            return error

    async def running(self, organization: str, pipeline_id: str) -> Pipeline:
        """Return the pipeline, read again unless it is known to be running. Raises `NotFound`."""
        known = (await self.of(organization)).get(pipeline_id)
        # A stale answer may admit an event just after a stop, which does no harm, but must not reject one
        # after a start was answered.
        if known and known.state == "running":
            return known
        return await self._store.get(organization, pipeline_id)

    def forget(self, organization: str) -> None:
        """Drop an organization's pipelines after a change here. Other processes see it within seconds."""
        self._known.pop(organization, None)

    def compiled(self, organization: str, pipeline: Pipeline) -> CompiledPipeline:
        """Return the current version, compiled. Raises `BrokenDefinition`."""
        key = (organization, pipeline.id, pipeline.version)
        return self._compiled.get(key) or self._remember(key, pipeline.definition)

    async def version(self, organization: str, pipeline_id: str, version: int) -> CompiledPipeline:
        """Return any version, compiled. Raises `NotFound` and `BrokenDefinition`."""
        key = (organization, pipeline_id, version)
        if key in self._compiled:
            return self._compiled[key]
        return self._remember(key, await self._store.definition(organization, pipeline_id, version))

    async def with_step(self, key: Key) -> CompiledPipeline | None:
        """Return the last version that has the step of a window's or batch's key."""
        version = await self._store.version_with(key.organization, key.pipeline, key.step)
        return await self.version(key.organization, key.pipeline, version) if version else None

    def _remember(self, key: tuple[str, str, int], definition: dict[str, object]) -> CompiledPipeline:
        organization, pipeline_id, version = key
        try:
            compiled = compile_pipeline(organization, pipeline_id, version, stored_definition(definition))
        except Exception as error:
            if is_transient(error):
                raise
            raise BrokenDefinition(pipeline_id, version, error) from error
        _keep(self._compiled, key, compiled, _PLANS)
        return compiled


def _keep(cache: dict[K, V], key: K, value: V, most: int) -> None:
    """Add a value to a cache, replacing the oldest.

    If a full cache were cleared, a batch with more organizations than fit would read and compile those in use
    again and again.
    """
    if key not in cache and len(cache) >= most:
        del cache[next(iter(cache))]
    cache[key] = value


def stateful_hashes(compiled: CompiledPipeline) -> Iterator[str]:
    """Yield the hashes of the steps that hold events back, which timers refer to."""
    return (step.hash for step in compiled.plan.steps if step.state is not None)
