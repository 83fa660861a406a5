"""Beginning the run of a message: what is stored for it, in one transaction with its lease."""

import asyncio
from collections.abc import Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.agents import CODE, Agent
from millrace.domain.clock import iso
from millrace.domain.content import plain_text, text_of
from millrace.domain.conversations import Conversation, Slot, StoredMessage, title_of
from millrace.domain.hops import current_hops
from millrace.domain.ids import new_id
from millrace.domain.run_definitions import RunDefinition
from millrace.domain.runs import Run
from millrace.domain.traces import current_traceparent
from millrace.services.runs.agent_choice import agent_for
from millrace.services.runs.attachments import kept_blocks
from millrace.services.runs.branches import find_parent
from millrace.services.runs.head_start import store_beginning
from millrace.services.runs.initial_state import InitialState
from millrace.services.runs.model_history import model_history
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.stores.admissions import Admission
from millrace.stores.connect import Stores
from millrace.stores.conversation_items import unknown_conversation
from millrace.stores.conversations import ConversationSnapshot
from millrace.stores.dynamo import ConditionFailed, TransactItem
from millrace.stores.leases import Beginning
from millrace.stores.limits import keys_of


async def begin_counted(
    stores: Stores,
    models: Models,
    caller: Principal,
    slot: Slot,
    initial: InitialState,
    message: NewMessage,
    asking: Admission,
) -> StartedRun | None:
    """Begin the run of a message. None where a limit refused it: it is asked first the next time, and says
    which it is. Raises `Repeated`, `SlotChanged`, `Contended` and what is wrong with the message."""
    if asking.first and not initial.exists:
        await stores.conversation_counts.check(caller.organization, caller.id, initial.standing.control)
    starting = _MessageStart(stores, models, caller, slot, initial, message, asking)
    try:
        return await starting.begin()
    except ConditionFailed:
        asking.first = True
        return None


class _MessageStart(Struct, frozen=True):
    stores: Stores
    models: Models
    caller: Principal
    slot: Slot
    initial: InitialState
    message: NewMessage
    asking: Admission

    async def begin(self) -> StartedRun:
        snapshot, message = self.initial.snapshot, self.message
        if message.branch and message.branch.is_message and not self.initial.exists:
            raise unknown_conversation()
        agent = agent_for(self.models, self.initial, message)
        parent = await find_parent(self.stores, self.slot, snapshot, message.branch)
        provider, model = self.models.provider_for(agent)
        now = iso(self.stores.clock())
        run = self._run(agent)
        question = None if message.asks_again else await self._question(agent, run, now)
        earlier = await self._earlier(now)
        counting = self._counting(run)
        planned = await self._planned(run, agent, question, earlier, counting, parent, now)
        new = [*earlier, question] if question else earlier
        history = asyncio.create_task(_history(self.stores, self.slot, snapshot, parent, new))
        started = StartedRun(
            planned.lease,
            self.caller,
            agent,
            provider,
            model,
            history,
            snapshot.lease_record.pending_live_messages,
            message.options.client_tools,
        )
        try:
            return await self._stored(planned, started, may_be_ahead=not counting)
        except BaseException:
            history.cancel()
            raise

    async def _stored(self, planned: Beginning, started: StartedRun, *, may_be_ahead: bool) -> StartedRun:
        head_start = None
        # Not where a limit may yet refuse the run, nor for code of the deployment's own: it may have effects.
        if self.message.head_start and may_be_ahead and not planned.lease.run.model.startswith(CODE):
            head_start = partial(self.message.head_start, started)
        session = await store_beginning(self.stores, planned, self.asking, self.initial.moment, head_start)
        return replace(started, session=session)

    async def _planned(
        self,
        run: Run,
        agent: Agent,
        question: StoredMessage | None,
        earlier: Sequence[StoredMessage],
        counting: Sequence[TransactItem],
        parent: int | None,
        now: str,
    ) -> Beginning:
        message = self.message
        definition = RunDefinition(
            "agent",
            agent.model_copy(update={"model": run.model}),
            self.caller,
            client_tools=message.options.client_tools,
        )
        return self.stores.leases.beginning(
            run,
            new_id("env"),
            _conversation(self.initial, message, question, run, now),
            question,
            self.initial.snapshot.lease_record,
            message.marker(),
            definition,
            earlier=earlier,
            more=[
                *(await message.writes(run) if message.writes else ()),
                *counting,
                *self.initial.noted,
            ],
            parent=parent,
        )

    def _run(self, agent: Agent) -> Run:
        return Run(
            id=self.asking.run_id,
            slot=self.slot,
            agent_id=agent.id,
            agent_name=agent.name,
            model=self.models.name_of(agent),
            visibility=agent.visibility,
            state="running",
            started_at=self.asking.started_at,
            message_id=new_id("msg"),
            owner=self.initial.owner,
            created_by=self.caller.id,
            hops=current_hops(),
            traceparent=current_traceparent(),
            request=self.message.options.request,
        )

    async def _question(self, agent: Agent, run: Run, now: str) -> StoredMessage:
        message, check = self.message, partial(self.models.check_accepted, agent)
        content = await kept_blocks(self.stores, run.slot, run.created_by, message.content, check)
        if message.client_data:
            content = [content[0] | {"providerData": message.client_data}, *content[1:]]
        return StoredMessage(new_id("msg"), "user", content, now, run.id, created_by=run.created_by)

    async def _earlier(self, now: str) -> list[StoredMessage]:
        """The history that a client brings along, for a conversation that has none."""
        options = self.message.options
        if not options.earlier or self.initial.snapshot.lease_record.messages:
            return []
        return await options.earlier_messages(self.stores, self.slot, now, self.caller.id)

    def _counting(self, run: Run) -> list[TransactItem]:
        """The writes that count the run, and the conversation if the message begins it."""
        organization, standing = self.caller.organization, self.initial.standing
        writes = list(self.stores.limits.writes(organization, keys_of(run), standing, self.asking))
        if self.initial.exists:
            return writes
        counts = self.stores.conversation_counts
        return writes + counts.creation(organization, self.caller.id, standing.control)


def _conversation(
    initial: InitialState, message: NewMessage, question: StoredMessage | None, run: Run, now: str
) -> Conversation:
    """The conversation as the run leaves it: its title is that of its first message."""
    known = initial.snapshot.conversation
    title = known.title if known and known.title else title_of(_text(message, question))
    return Conversation(run.slot.conversation_id, run.agent_id, title, now, now, run.owner)


def _text(message: NewMessage, question: StoredMessage | None) -> str:
    return text_of(message.content).strip() or (plain_text(question.content) if question else "")


async def _history(
    stores: Stores,
    slot: Slot,
    snapshot: ConversationSnapshot,
    parent: int | None,
    new: list[StoredMessage],
) -> list[StoredMessage]:
    return [*await model_history(stores, slot, snapshot, parent), *new]
