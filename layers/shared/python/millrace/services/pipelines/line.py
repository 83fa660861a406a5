"""What a function that works on pipelines holds: stores, queues, compiled plans."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from millrace.domain.clock import Clock, now_ms
from millrace.domain.pipelines import Pipeline
from millrace.errors import InvalidRequest, MillraceError, is_transient
from millrace.pipelines.definitions.definition import PipelineDefinition, stored_definition
from millrace.pipelines.expressions.compiler import Scalar
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.plan import Plan, compile_plan
from millrace.pipelines.state.store import Key
from millrace.pipelines.together import sends_items
from millrace.services.pipelines.meter import Meter
from millrace.services.pipelines.state import WindowStore
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.dead_letters import DeadLetterStore
from millrace.stores.delivery_state import DeliveryState
from millrace.stores.dynamo import Dynamo
from millrace.stores.journal import Journal
from millrace.stores.large_objects import LargeObjects
from millrace.stores.pipeline_metrics import PipelineMetrics
from millrace.stores.pipelines import PipelineStore
from millrace.stores.queues import Queue
from millrace.stores.windows import WindowTable

CACHE_SECONDS = 3.0
_PLANS = 500
_ORGANIZATIONS = 1_000


@dataclass(frozen=True, slots=True)
class Made:
    """A version of a pipeline, compiled; `guards` are its destinations' `when`, `together` the numbers of
    those that get a batch's items one by one."""

    organization: str
    pipeline_id: str
    version: int
    plan: Plan
    guards: tuple[Scalar | None, ...]
    together: frozenset[int] = frozenset()


def make(organization: str, pipeline_id: str, version: int, definition: PipelineDefinition) -> Made:
    """Compiles a checked definition."""
    plan = compile_plan(definition, organization, pipeline_id)
    guards = [compile_expression(one.when).evaluate if one.when else None for one in definition.targets]
    together = frozenset(
        at for at, one in enumerate(definition.targets) if sends_items(definition.transforms, one)
    )
    return Made(organization, pipeline_id, version, plan, tuple(guards), together)


class BrokenDefinition(InvalidRequest):
    """A stored definition cannot be compiled: an earlier release took it."""

    code = "definition_broken"

    def __init__(self, pipeline_id: str, version: int, error: Exception) -> None:
        reason = error.message if isinstance(error, MillraceError) else type(error).__name__
        super().__init__(
            f"Version {version} of the pipeline {pipeline_id} cannot be compiled; replace it. {reason}"[
                :1_000
            ]
        )


class Plans:
    """Pipelines of organisations, up to three seconds old unless asked for fresher ones, and compiled
    versions, which never change."""

    def __init__(self, store: PipelineStore, clock: Clock = now_ms) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[float, int, dict[str, Pipeline]]] = {}
        self._made: dict[tuple[str, str, int], Made] = {}

    async def of(self, organization: str, since: int = 0) -> dict[str, Pipeline]:
        """An organisation's pipelines by id, as they were at `since` (epoch ms) or later: an event that was
        sent after a start was answered meets that pipeline."""
        cached = self._known.get(organization)
        if cached and time.monotonic() - cached[0] < CACHE_SECONDS and cached[1] > since:
            return cached[2]
        if len(self._known) >= _ORGANIZATIONS:
            self._known.clear()
        asked, at = time.monotonic(), self._clock()
        found = {one.id: one for one in await self._store.all(organization)}
        self._known[organization] = (asked, at, found)
        return found

    async def running(self, organization: str, pipeline_id: str) -> Pipeline:
        """The pipeline, read again unless it is known to run. Raises `NotFound`."""
        known = (await self.of(organization)).get(pipeline_id)
        if known and known.state == "running":
            return known
        return await self._store.get(organization, pipeline_id)

    def forget(self, organization: str) -> None:
        """One of its pipelines was changed here; other processes see that within seconds."""
        self._known.pop(organization, None)

    def made(self, organization: str, pipeline: Pipeline) -> Made:
        """The current version, compiled. Raises `BrokenDefinition`."""
        key = (organization, pipeline.id, pipeline.version)
        return self._made.get(key) or self._remember(key, pipeline.definition)

    async def version(self, organization: str, pipeline_id: str, version: int) -> Made:
        """Any version, compiled. Raises `NotFound` and `BrokenDefinition`."""
        key = (organization, pipeline_id, version)
        if key in self._made:
            return self._made[key]
        return self._remember(key, await self._store.definition(organization, pipeline_id, version))

    async def with_step(self, key: Key) -> Made | None:
        """The last version that has the step which a window's or batch's key belongs to."""
        version = await self._store.version_with(key.tenant, key.pipeline, key.step)
        return await self.version(key.tenant, key.pipeline, version) if version else None

    def _remember(self, key: tuple[str, str, int], definition: dict[str, object]) -> Made:
        if len(self._made) >= _PLANS:
            self._made.clear()
        organization, pipeline_id, version = key
        try:
            made = make(organization, pipeline_id, version, stored_definition(definition))
        except Exception as error:
            if is_transient(error):
                raise
            raise BrokenDefinition(pipeline_id, version, error) from error
        self._made[key] = made
        return made


@dataclass(frozen=True)
class Line:
    """The stores and queues of a deployment's pipelines; `clock` gives epoch milliseconds."""

    settings: Settings
    aws: Aws
    clock: Clock = field(default=now_ms)

    def warm(self) -> None:
        """Makes in init the clients that every invocation needs."""
        for service in ("dynamodb", "sqs", "s3"):
            self.aws.client(service)

    @cached_property
    def dynamo(self) -> Dynamo:
        return Dynamo(self.aws)

    @cached_property
    def pipelines(self) -> PipelineStore:
        return PipelineStore(self.dynamo, self.settings.pipelines_table)

    @cached_property
    def plans(self) -> Plans:
        return Plans(self.pipelines, self.clock)

    @cached_property
    def windows(self) -> WindowStore:
        return WindowStore(self.window_table)

    @cached_property
    def window_table(self) -> WindowTable:
        return WindowTable(self.aws, self.settings.windows_table)

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.aws, self.dynamo, self.settings.journal_bucket, self.settings.pipelines_table)

    @cached_property
    def letters(self) -> DeadLetterStore:
        return DeadLetterStore(self.dynamo, self.settings.dead_letters_table, self.large_objects)

    @cached_property
    def large_objects(self) -> LargeObjects:
        return LargeObjects(self.aws, self.settings.journal_bucket)

    @cached_property
    def delivery_state(self) -> DeliveryState:
        return DeliveryState(self.dynamo, self.settings.delivery_table, self.clock)

    @cached_property
    def metrics(self) -> PipelineMetrics:
        return PipelineMetrics(self.dynamo, self.settings.pipelines_table)

    @cached_property
    def meter(self) -> Meter:
        return Meter.connect(self.settings, self.dynamo, self.settings.pipelines_table, self.clock)

    @cached_property
    def ingest(self) -> Queue:
        return Queue(self.aws, self.settings.ingest_queue_url, self.large_objects)

    @cached_property
    def timers(self) -> Queue:
        return Queue(self.aws, self.settings.timer_queue_url)

    @cached_property
    def deliveries(self) -> Queue:
        return Queue(self.aws, self.settings.delivery_queue_url, self.large_objects)

    @classmethod
    def connect(cls, settings: Settings, aws: Aws | None = None, clock: Clock = now_ms) -> "Line":
        """No call goes out and no client is made yet."""
        return cls(settings, aws or Aws(settings.region), clock)


def stateful_hashes(made: Made) -> Iterator[str]:
    """The hashes of the steps that hold events back: their timers name them."""
    return (step.hash for step in made.plan.steps if step.state is not None)
