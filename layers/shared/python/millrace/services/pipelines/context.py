"""The resources of a function that works on pipelines: stores, queues, compiled plans."""

from functools import cached_property

from msgspec import Struct, field

from millrace.domain.clock import Clock, now_ms
from millrace.services.pipelines.meter import Meter
from millrace.services.pipelines.plans import Plans
from millrace.services.pipelines.window_store import WindowStore
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.dead_letters import DeadLetterStore
from millrace.stores.delivery_state import DeliveryState
from millrace.stores.dynamo import Dynamo
from millrace.stores.journal import Journal
from millrace.stores.large_objects import LargeObjects
from millrace.stores.limits import LimitStore
from millrace.stores.pipeline_metrics import PipelineMetrics
from millrace.stores.pipelines import PipelineStore
from millrace.stores.queues import Queue
from millrace.stores.redrives import RedriveStore
from millrace.stores.runs import RunStore
from millrace.stores.windows import WindowTable


class PipelineContext(Struct, frozen=True, dict=True):
    """The stores and queues of a deployment's pipelines. `clock` returns epoch milliseconds."""

    settings: Settings
    aws: Aws
    clock: Clock = field(default=now_ms)

    def warm(self, *also: str) -> None:
        """Create the clients that every invocation needs, and those in `also`, during init.

        A service that only botocore can call takes more CPU than the rest of an intake function's init.
        """
        for service in ("dynamodb", "sqs", *also):
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
    def dead_letters(self) -> DeadLetterStore:
        return DeadLetterStore(self.dynamo, self.settings.dead_letters_table, self.large_objects)

    @cached_property
    def large_objects(self) -> LargeObjects:
        return LargeObjects(self.aws, self.settings.journal_bucket)

    @cached_property
    def limits(self) -> LimitStore:
        runs = RunStore(self.dynamo, self.settings.runs_table)
        return LimitStore.connect(self.settings, self.aws, runs, self.clock)

    @cached_property
    def redrives(self) -> RedriveStore:
        return RedriveStore(self.dynamo, self.settings.pipelines_table)

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
    def connect(cls, settings: Settings, aws: Aws | None = None, clock: Clock = now_ms) -> "PipelineContext":
        """Create the context without making a call or a client."""
        return cls(settings, aws or Aws(settings.region), clock)
