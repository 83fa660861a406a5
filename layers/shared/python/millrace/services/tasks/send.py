"""Messages of A2A clients, which begin tasks, answer a task's questions, or join a working one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import orjson
from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.agents import CONFORMANCE, Agent
from millrace.domain.approvals import GivenAnswer, WaitingCall
from millrace.domain.ids import new_id
from millrace.domain.runs import LeaseRecord, Run
from millrace.domain.tasks import CLIENT, TaskMessage, new_context
from millrace.errors import Conflict, InvalidRequest, Unavailable
from millrace.services.runs.access import authorize
from millrace.services.runs.answers import answer_call
from millrace.services.runs.kept_files import given_up_if_deleted
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, ReplayedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send_busy import give_live, replay, to_waiting
from millrace.services.tasks.push import NewPush, Pushes
from millrace.services.tasks.read import task_run
from millrace.stores.connect import Stores
from millrace.stores.dynamo import TransactItem
from millrace.stores.idempotency import Repeated

TRIES = 20
"""Attempts of a follow-up on a task that changes concurrently."""
RETRY_SECONDS = 0.1
_WORDS = {"approve": "approve", "approved": "approve", "reject": "reject", "rejected": "reject"}


class FollowedTask(Struct, frozen=True):
    """A task in some process, and the number of the event after which it is followed."""

    run: Run
    after: int


Beginner = Callable[[str, NewMessage], Awaitable[RunSession | Run | ReplayedRun | AcceptedMessage]]
"""Begins a run in a conversation, in this process or in another one: `send_and_launch` or
`send_and_hand_over`."""


async def send_message(
    platform: Platform,
    caller: Principal,
    agent: Agent,
    message: TaskMessage,
    push: NewPush | None,
    beginner: Beginner,
) -> RunSession | FollowedTask:
    """Begin a task or continue one. A repeated message has the result of the first.

    Raises as `send` does, and `Conflict` (`task_ended`) for a task that has ended.
    """
    if message.task_id:
        followed = await _follow_up(platform, caller, agent, message)
        if push:
            await Pushes(platform).create(followed.run, push)
        await Pushes(platform).wake(followed.run)
        return followed
    if message.answers:
        raise InvalidRequest("An answer needs the taskId of the task that asked.", code="invalid_answer")
    found = await beginner(*_new_task(platform, caller, agent, message, push))
    if isinstance(found, RunSession):
        return found
    if isinstance(found, Run):
        return FollowedTask(found, 0)
    joined = await _joined(platform.stores, caller, found)
    if push:
        await Pushes(platform).create(joined.run, push)
    return joined


def _new_task(
    platform: Platform, caller: Principal, agent: Agent, message: TaskMessage, push: NewPush | None
) -> tuple[str, NewMessage]:
    """The message that begins a task, and the conversation that it belongs into."""
    if not message.content:
        raise InvalidRequest("The message is empty.", code="empty_message")
    stores = platform.stores

    async def writes(run: Run) -> Sequence[TransactItem]:
        pushed = await Pushes(platform).begin(run, push) if push else []
        return [stores.tasks.listed(run), *pushed]

    # The conformance kit uses the same id and text for all of its messages of a kind.
    repeatable = agent.id != CONFORMANCE.id
    given = NewMessage(
        message.content,
        agent.id,
        idempotency_key=message.key if repeatable else None,
        if_busy="inject",
        client_data={CLIENT: {"messageId": message.id}},
        writes=writes,
    )
    own = new_context(caller, agent.id, message) if repeatable else new_id("ctx")
    context = message.context_id or own
    return context, given


async def _joined(stores: Stores, caller: Principal, found: ReplayedRun | AcceptedMessage) -> FollowedTask:
    if isinstance(found, ReplayedRun):
        return FollowedTask(found.run, 0)
    run = await stores.runs.get(caller.organization, found.run_id)
    return FollowedTask(run, (await stores.leases.peek(run.slot)).seq)


async def _follow_up(
    platform: Platform, caller: Principal, agent: Agent, message: TaskMessage
) -> FollowedTask:
    stores = platform.stores
    run = await task_run(stores, caller, message.task_id, agent.id)
    if message.context_id not in ("", run.slot.conversation_id):
        raise InvalidRequest("The contextId does not belong to the task.", code="context_mismatch")
    if not message.content and not message.answers:
        raise InvalidRequest("The message is empty.", code="empty_message")
    await authorize(stores, caller, run.slot, "write")
    given = _as_given(caller, run, message)
    async with given_up_if_deleted(stores, run.slot, caller.id, given.content):
        return await _given_to(platform, caller, run, message, given)


async def _given_to(
    platform: Platform, caller: Principal, run: Run, message: TaskMessage, given: NewMessage
) -> FollowedTask:
    stores = platform.stores
    for _ in range(TRIES):
        lease = await stores.leases.peek(run.slot)
        if repeated := await stores.leases.earlier_use(run.slot, message.key):
            return await _repeated(stores, run, given, repeated)
        if lease.run_id != run.id:
            raise Conflict("The task has ended; send a message without its taskId.", code="task_ended")
        try:
            if await _give(platform, caller, run, lease, message, given):
                return FollowedTask(run, lease.seq)
        except Repeated as repeated_now:
            return await _repeated(stores, run, given, repeated_now)
        await asyncio.sleep(RETRY_SECONDS)
    raise Unavailable("The task keeps changing; send the message again.", retry_after=1)


def _as_given(caller: Principal, run: Run, message: TaskMessage) -> NewMessage:
    said = "".join([message.text, *(orjson.dumps(answer).decode() for answer in message.answers)])
    return NewMessage(
        said if message.answers else message.content,
        thread_id=run.slot.thread_id,
        idempotency_key=message.key,
        if_busy="inject",
        created_by=caller.id,
    )


async def _repeated(stores: Stores, run: Run, given: NewMessage, repeated: Repeated) -> FollowedTask:
    await replay(stores, run.slot, given, repeated)
    return FollowedTask(run, (await stores.leases.peek(run.slot)).seq)


async def _give(
    platform: Platform,
    caller: Principal,
    run: Run,
    lease: LeaseRecord,
    message: TaskMessage,
    given: NewMessage,
) -> bool:
    """Send a message to an active task. Return False if the task's state has to be read again."""
    stores = platform.stores
    if lease.parked == "waiting":
        calls = await stores.approvals.of_run(run.slot, run.id)
        waiting = [call for call in calls if call.state == "waiting"]
        if answers := _answers(message, waiting):
            for number, answer in enumerate(answers, 1):
                # The last answer uses up the key. Those stored before it are the same if they are repeated.
                marker = given.marker() if number == len(answers) else None
                await answer_call(stores, caller, run.id, answer, marker)
            return True
        found = await to_waiting(stores, platform.models, run.slot, run.id, given)
    else:
        found = await give_live(stores, platform.models, run.slot, run.id, given)
    return isinstance(found, AcceptedMessage | ReplayedRun)


def _answers(message: TaskMessage, waiting: list[WaitingCall]) -> list[GivenAnswer]:
    """Return the answers in a message: those of its data parts, or its text for the only waiting call.

    A text that does not answer an approval is the user's reply, which rejects the call.
    """
    if message.answers:
        given = [_given(answer, waiting) for answer in message.answers]
        if len({answer.call_id for answer in given}) < len(given):
            raise InvalidRequest("callId: a message may answer each call only once.", code="invalid_answer")
        return given
    if len(waiting) != 1 or message.attachments:
        return []
    (call,) = waiting
    word = _WORDS.get(message.text.strip().lower())
    if call.kind == "question" and call.schema is None:
        return [GivenAnswer(call.call_id, "answer", content=message.text)]
    if call.kind == "approval" and word:
        return [GivenAnswer(call.call_id, "approve" if word == "approve" else "reject")]
    return []


def _given(answer: dict[str, object], waiting: list[WaitingCall]) -> GivenAnswer:
    only = waiting[0].call_id if len(waiting) == 1 else ""
    call_id = answer.get("callId") or only
    decision, arguments, reason = answer["decision"], answer.get("arguments"), answer.get("reason")
    if not isinstance(call_id, str) or not call_id:
        raise InvalidRequest(
            "callId: several calls are waiting; send the callId of the one that you answer.",
            code="invalid_answer",
        )
    if decision not in ("approve", "reject", "answer"):
        raise InvalidRequest("decision must be approve, reject or answer.", code="invalid_answer")
    if arguments is not None and not isinstance(arguments, dict):
        raise InvalidRequest("arguments must be an object.", code="invalid_answer")
    if reason is not None and not isinstance(reason, str):
        raise InvalidRequest("reason must be a string.", code="invalid_answer")
    return GivenAnswer(call_id, decision, arguments, answer.get("content"), reason)
