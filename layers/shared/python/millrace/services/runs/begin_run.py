"""Beginning the run of a message: what is stored for it, in one transaction with its lease."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

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
from millrace.services.runs.initial_state import InitialState
from millrace.services.runs.model_history import model_history
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.run_session import RunSession
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
    try:
        return await _begin(stores, models, caller, slot, initial, message, asking)
    except ConditionFailed:
        asking.first = True
        return None


async def _begin(
    stores: Stores,
    models: Models,
    caller: Principal,
    slot: Slot,
    initial: InitialState,
    message: NewMessage,
    asking: Admission,
) -> StartedRun:
    if message.branch and message.branch.is_message and not initial.exists:
        raise unknown_conversation()
    snapshot, agent = initial.snapshot, agent_for(models, initial, message)
    parent = await find_parent(stores, slot, snapshot, message.branch)
    provider, model = models.provider_for(agent)
    now = iso(stores.clock())
    run = _run(models, caller, slot, initial, message, agent, asking)
    question = None if message.asks_again else await _question(stores, models, agent, run, message, now)
    earlier: list[StoredMessage] = []
    if message.options.earlier and not snapshot.lease_record.messages:
        earlier = await message.options.earlier_messages(stores, slot, now, caller.id)
    new = [*earlier, question] if question else earlier
    counting = _counting(stores, caller, initial, run, asking)
    planned = stores.leases.beginning(
        run,
        new_id("env"),
        _conversation(initial, message, question, run, now),
        question,
        snapshot.lease_record,
        message.marker(),
        RunDefinition(
            "agent",
            agent.model_copy(update={"model": run.model}),
            caller,
            client_tools=message.options.client_tools,
        ),
        earlier=earlier,
        more=[*(await message.writes(run) if message.writes else ()), *counting, *initial.noted],
        parent=parent,
    )
    history = asyncio.create_task(_history(stores, slot, snapshot, parent, new))
    started = StartedRun(
        planned.lease,
        caller,
        agent,
        provider,
        model,
        history,
        snapshot.lease_record.pending_live_messages,
        message.options.client_tools,
    )
    try:
        # Not where another message was quicker here or a limit may yet refuse the run, nor for code of the
        # deployment's own: it may have effects.
        is_late = stores.leases.begun.since(slot, initial.moment)
        if message.head_start and not (is_late or counting or run.model.startswith(CODE)):
            return await _with_head_start(stores, planned, started, message.head_start, asking)
        await stores.leases.begun.settled(slot)
        await stores.leases.begin(planned)
    except BaseException:
        history.cancel()
        raise
    return started


async def _with_head_start(
    stores: Stores,
    planned: Beginning,
    started: StartedRun,
    head_start: Callable[[StartedRun, Awaitable[bool]], RunSession],
    asking: Admission,
) -> StartedRun:
    """Store a run that is at work already. Nothing of it is stored or told before; should it be refused, it
    ends there, and what it has used of its model counts."""
    stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    session = head_start(started, stored)
    try:
        await stores.leases.begin(planned)
    except BaseException:
        stored.set_result(False)
        await asyncio.shield(session.over())
        asking.spent = bool(session.budget.input + session.budget.output)
        raise
    stored.set_result(True)
    return replace(started, session=session)


def _run(
    models: Models,
    caller: Principal,
    slot: Slot,
    initial: InitialState,
    message: NewMessage,
    agent: Agent,
    asking: Admission,
) -> Run:
    return Run(
        id=asking.run_id,
        slot=slot,
        agent_id=agent.id,
        agent_name=agent.name,
        model=models.name_of(agent),
        visibility=agent.visibility,
        state="running",
        started_at=asking.started_at,
        message_id=new_id("msg"),
        owner=initial.owner,
        created_by=caller.id,
        hops=current_hops(),
        traceparent=current_traceparent(),
        request=message.options.request,
    )


def _conversation(
    initial: InitialState, message: NewMessage, question: StoredMessage | None, run: Run, now: str
) -> Conversation:
    """The conversation as the run leaves it: its title is that of its first message."""
    known = initial.snapshot.conversation
    title = known.title if known and known.title else title_of(_text(message, question))
    return Conversation(run.slot.conversation_id, run.agent_id, title, now, now, run.owner)


def _counting(
    stores: Stores, caller: Principal, initial: InitialState, run: Run, asking: Admission
) -> list[TransactItem]:
    """The writes that count the run, and the conversation where the message begins it."""
    standing = initial.standing
    writes = list(stores.limits.writes(caller.organization, keys_of(run), standing, asking))
    if initial.exists:
        return writes
    return writes + stores.conversation_counts.creation(caller.organization, caller.id, standing.control)


async def _question(
    stores: Stores, models: Models, agent: Agent, run: Run, message: NewMessage, now: str
) -> StoredMessage:
    check = partial(models.check_accepted, agent)
    content = await kept_blocks(stores, run.slot, run.created_by, message.content, check)
    if message.client_data:
        content = [content[0] | {"providerData": message.client_data}, *content[1:]]
    return StoredMessage(new_id("msg"), "user", content, now, run.id, created_by=run.created_by)


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
