"""All stores of a deployment, created from its settings."""

from msgspec import Struct

from millrace.domain.clock import Clock, now_ms
from millrace.settings import Settings
from millrace.stores.agent_values import AgentValueStore
from millrace.stores.agents import AgentStore
from millrace.stores.api_keys import ApiKeyStore
from millrace.stores.approvals import ApprovalStore
from millrace.stores.audit import AuditLog
from millrace.stores.aws import Aws
from millrace.stores.bus import EventBus
from millrace.stores.conversation_counts import ConversationCounts
from millrace.stores.conversations import ConversationStore
from millrace.stores.deletions import DeletionStore
from millrace.stores.directory import Directory
from millrace.stores.dynamo import Dynamo
from millrace.stores.erasures import ErasureStore
from millrace.stores.event_log import EventLog
from millrace.stores.export_objects import ExportObjects
from millrace.stores.exports import ExportStore
from millrace.stores.file_objects import FileObjects
from millrace.stores.files import FileStore
from millrace.stores.forgotten_agents import ForgottenAgentStore
from millrace.stores.injections import InjectionStore
from millrace.stores.leases import LeaseStore
from millrace.stores.limits import LimitStore
from millrace.stores.memories import MemoryStore
from millrace.stores.messages import MessageStore
from millrace.stores.nested_work import NestedWorkStore
from millrace.stores.push_queue import PushQueue
from millrace.stores.remains import Remains
from millrace.stores.run_definitions import RunDefinitionStore
from millrace.stores.run_ends import RunEndStore
from millrace.stores.run_names import RunNameStore
from millrace.stores.run_queue import RunQueue
from millrace.stores.runs import RunStore
from millrace.stores.sealing import Sealer
from millrace.stores.summaries import SummaryStore
from millrace.stores.takeovers import TakeoverStore
from millrace.stores.task_pushes import PushConfigs
from millrace.stores.tasks import TaskList


class Stores(Struct, frozen=True):
    """The stores that conversations need. `clock` returns epoch milliseconds; tests may fix it."""

    aws: Aws
    conversations: ConversationStore
    conversation_counts: ConversationCounts
    messages: MessageStore
    nested_work: NestedWorkStore
    agent_values: AgentValueStore
    summaries: SummaryStore
    directory: Directory
    runs: RunStore
    tasks: TaskList
    pushes: PushConfigs
    push_queue: PushQueue
    log: EventLog
    leases: LeaseStore
    takeovers: TakeoverStore
    run_ends: RunEndStore
    run_definitions: RunDefinitionStore
    run_names: RunNameStore
    run_queue: RunQueue
    injections: InjectionStore
    deletions: DeletionStore
    approvals: ApprovalStore
    memories: MemoryStore
    files: FileStore
    file_objects: FileObjects
    forgotten_agents: ForgottenAgentStore
    agents: AgentStore
    api_keys: ApiKeyStore
    limits: LimitStore
    audit: AuditLog
    erasures: ErasureStore
    exports: ExportStore
    export_objects: ExportObjects
    remains: Remains
    sealer: Sealer
    bus: EventBus
    clock: Clock

    @classmethod
    def connect(cls, settings: Settings, aws: Aws | None = None, clock: Clock = now_ms) -> "Stores":
        """Create the stores without making a call or a client."""
        aws = aws or Aws(settings.region)
        dynamo = Dynamo(aws)
        conversations = ConversationStore(dynamo, settings.conversations_table)
        messages = MessageStore(dynamo, conversations.table)
        runs = RunStore(dynamo, settings.runs_table)
        definitions = RunDefinitionStore(dynamo, conversations.table)
        approvals = ApprovalStore(dynamo, conversations.table)
        log = EventLog(dynamo, settings.events_table)
        limits = LimitStore.connect(settings, aws, runs, clock)
        counts = ConversationCounts(dynamo, settings.limits_table, conversations.table, limits)
        return cls(
            aws=aws,
            conversations=conversations,
            conversation_counts=counts,
            messages=messages,
            nested_work=NestedWorkStore(dynamo, conversations.table, messages),
            agent_values=AgentValueStore(dynamo, conversations.table),
            summaries=SummaryStore(dynamo, conversations.table),
            directory=Directory(dynamo, conversations.table),
            runs=runs,
            tasks=TaskList(dynamo, runs.table),
            pushes=PushConfigs(dynamo, conversations.table),
            push_queue=PushQueue(aws, settings.push_queue_url),
            log=log,
            leases=LeaseStore(dynamo, conversations, messages, runs, definitions, log, clock),
            takeovers=TakeoverStore(dynamo, conversations.table, messages, runs, approvals, log, clock),
            run_ends=RunEndStore(conversations, messages, runs, definitions, log),
            run_definitions=definitions,
            run_names=RunNameStore(dynamo, conversations.table, clock),
            run_queue=RunQueue(aws, settings.run_queue_url),
            injections=InjectionStore(
                dynamo, settings.injections_table, conversations.table, messages, clock
            ),
            deletions=DeletionStore(
                dynamo,
                (settings.conversations_table, settings.injections_table, settings.flows_table),
                runs,
                log,
                counts,
                clock,
            ),
            approvals=approvals,
            memories=MemoryStore(dynamo, settings.memories_table, clock, settings.memory_seconds),
            forgotten_agents=ForgottenAgentStore(dynamo, settings.memories_table),
            files=FileStore(dynamo, settings.files_table, clock, limits),
            file_objects=FileObjects(aws, settings.files_bucket),
            agents=AgentStore(dynamo, settings.agents_table),
            api_keys=ApiKeyStore(dynamo, settings.api_keys_table, clock),
            limits=limits,
            erasures=ErasureStore(dynamo, settings.limits_table, clock),
            exports=ExportStore(dynamo, settings.limits_table, clock),
            export_objects=ExportObjects(aws, settings.files_bucket),
            remains=Remains(aws, settings),
            audit=AuditLog(dynamo, settings.audit_table, clock, settings.audit_seconds),
            sealer=Sealer(aws, settings.secrets_key_id),
            bus=EventBus(aws, settings.bus_name),
            clock=clock,
        )
