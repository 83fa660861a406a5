"""Writes that took effect although their response was lost, and what others did before anyone checked:
senders learn what happened to their message, or that it is unknown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import tool
from millrace.domain.access import Principal
from millrace.domain.clock import now_ms
from millrace.domain.runs import LEASE_MS, ContinueRun
from millrace.errors import Unavailable
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, StartedRun
from millrace.services.runs.recover import give_up_lost_run
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import send
from millrace.services.runs.sweep_waiting import sweep_waiting
from millrace.settings import Settings
from millrace.stores.approvals import CHECK_MS
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.services.asking import (
    AGENT,
    ASKING,
    Queue,
    Till,
    ask,
    call,
    give,
    go_on,
    hire,
    run_of,
    waiting_calls,
)
from tests.services.live import inject
from tests.services.mortal import WRITES
from tests.services.scripted import Talk, says, text_of

Work = Callable[[], Awaitable[None]]


class LosingOne(AwsClients):
    """AWS where the answer to the next write is lost once it is armed; `meanwhile` happens before anybody
    looks, and with `deaf` reads fail from then on."""

    armed = False
    deaf = False
    meanwhile: Work | None = None

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation in WRITES and self.armed:
            self.armed = False
            await super().call(service, operation, **parameters)
            if self.meanwhile:
                await self.meanwhile()
            raise Unavailable("its answer was lost")
        if self.deaf and operation in ("get_item", "query"):
            raise Unavailable("no answer")
        return await super().call(service, operation, **parameters)


@dataclass
class World:
    """A conversation, and a sender whose answers are lost."""

    aws: LosingOne
    talk: Talk
    sender: Stores
    queue: Queue
    down: bool = False
    ahead: int = 0
    till: Till = field(default_factory=Till)


@pytest.fixture
async def world(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    talk, aws = Talk(settings, Stores.connect(settings)), LosingOne(settings.region)
    queue = Queue(talk)
    made = World(aws, talk, Stores.connect(settings, aws), queue)
    monkeypatch.setitem(BUILT_IN, "refund", tool(made.till.refund))

    async def enqueue(*message: Any, **more: Any) -> None:
        if made.down:
            raise Unavailable("sqs does not answer")
        await queue._enqueue(*message, **more)

    talk.stores.run_queue.enqueue = enqueue  # type: ignore[method-assign]
    made.sender.run_queue.enqueue = enqueue  # type: ignore[method-assign]
    yield made
    await talk.platform.close()
    await asyncio.to_thread(aws.close)


async def running(world: World, text: Work) -> list[str]:
    """A run in whose first turn something happens; the ids of the live messages that it took."""
    world.talk.models.turns = [[*says("one "), world.talk.until_begun, text], says("two")]
    session = await world.talk.start("hello")
    await session.over()
    return [one.id for one in await world.talk.messages() if one.injected]


async def test_live_message_that_was_taken_by_the_time_somebody_looked_is_accepted(world: World) -> None:
    slot, sessions, ids = world.talk.slot, list[RunSession](), list[str]()

    async def taken() -> None:
        await sessions[0].drain(2)

    async def send_it() -> None:
        world.aws.meanwhile, world.aws.armed = taken, True
        ids.append((await inject(world.sender, slot, "by the way", look=world.talk.stores)).id)

    world.talk.models.turns = [[*says("one "), world.talk.until_begun, send_it], says("two")]
    sessions.append(await world.talk.start("hello"))
    await sessions[0].over()
    assert len(ids) == 1
    assert [one.id for one in await world.talk.messages() if one.injected] == ids


async def test_sender_hears_that_nobody_knows_where_the_store_cannot_be_asked(world: World) -> None:
    codes: list[str] = []

    async def send_it() -> None:
        world.aws.armed = world.aws.deaf = True
        with pytest.raises(Unavailable) as error:
            await inject(world.sender, world.talk.slot, "by the way", look=world.talk.stores)
        codes.append(error.value.code)

    assert len(await running(world, send_it)) == 1
    assert codes == ["acceptance_unknown"]


async def test_repeat_with_its_key_gets_the_message_that_nobody_knew_of(world: World) -> None:
    ids: list[str] = []

    async def send_it() -> None:
        world.aws.armed = world.aws.deaf = True
        with pytest.raises(Unavailable):
            await inject(world.sender, world.talk.slot, "by the way", "key-1", look=world.talk.stores)
        world.aws.deaf = False
        ids.append(
            (await inject(world.sender, world.talk.slot, "by the way", "key-1", look=world.talk.stores)).id
        )

    assert await running(world, send_it) == ids


async def test_message_whose_run_was_ended_by_the_time_somebody_looked_has_begun(world: World) -> None:
    talk, began = world.talk, list[str | None]()
    caller = Principal(talk.slot.organization, "user")

    async def ended() -> None:
        lease = await talk.stores.leases.peek(talk.slot)
        began.append(lease.run_id)
        assert await give_up_lost_run(talk.stores, talk.slot, lease)

    world.aws.meanwhile, world.aws.armed = ended, True
    started = await send(world.sender, talk.models, caller, "c1", NewMessage("hello", "echo"))
    assert isinstance(started, StartedRun)
    await started.history
    assert [started.lease.run.id] == began
    assert [text_of(one) for one in await talk.messages() if one.role == "user"] == ["hello"]


@pytest.mark.parametrize("since", ["another process works on it", "the conversation has gone on"])
async def test_message_whose_run_has_left_its_process_by_the_time_somebody_looked_has_begun(
    world: World, since: str
) -> None:
    """Its sender would send it once more."""
    talk, sessions = world.talk, list[RunSession]()
    caller = Principal(talk.slot.organization, "user")

    async def left() -> None:
        lease = await talk.stores.leases.peek(talk.slot)
        if since == "the conversation has gone on":
            assert await give_up_lost_run(talk.stores, talk.slot, lease)
            await talk.say("what else?")
            return
        later = Stores.connect(talk.settings, talk.stores.aws, clock=lambda: now_ms() + LEASE_MS + 1000)
        taker = Talk(talk.settings, later)
        taker.models.turns = [says("taken over")]
        asked = ContinueRun(talk.slot.organization, lease.run_id or "", "lost")
        session = await continue_run(taker.platform, asked)
        assert session is not None
        sessions.append(session)

    world.aws.meanwhile, world.aws.armed = left, True
    started = await send(world.sender, talk.models, caller, "c1", NewMessage("hello", "echo"))
    assert isinstance(started, StartedRun)
    await started.history
    for session in sessions:
        await session.over()
    assert [text_of(one) for one in await talk.messages() if one.role == "user"].count("hello") == 1


async def test_message_is_unknown_where_the_store_cannot_be_asked_whether_its_run_began(world: World) -> None:
    caller = Principal(world.talk.slot.organization, "user")

    async def deaf() -> None:
        world.aws.deaf = True

    world.aws.meanwhile, world.aws.armed = deaf, True
    with pytest.raises(Unavailable) as error:
        await send(world.sender, world.talk.models, caller, "c1", NewMessage("hello", "echo"))
    assert error.value.code == "acceptance_unknown"


async def test_answer_counts_though_the_run_could_not_be_queued(world: World) -> None:
    talk, refund = world.talk, call("refund", order="7", amount=80)
    talk.models.turns = [[*says("I ask."), refund], says("Done.")]
    await hire(talk, ASKING)
    await ask(talk)
    world.down = True
    answered = await give(talk, refund.id, "approve")
    assert answered.answer is not None
    assert (await give(talk, refund.id, "approve")).answer == answered.answer
    world.down = False
    later = Stores.connect(talk.settings, talk.stores.aws, clock=lambda: talk.stores.clock() + CHECK_MS + 1)
    later.run_queue.enqueue = world.queue._enqueue  # type: ignore[method-assign]
    assert await sweep_waiting(later) >= 1
    run = await run_of(talk)
    assert run.id in [run_id for run_id, _ in world.queue.sent]
    await go_on(talk)
    assert world.till.paid == [("7", 80)]


async def test_reply_to_a_waiting_run_is_accepted_though_the_run_could_not_be_queued(world: World) -> None:
    talk = world.talk
    talk.models.turns = [[*says("I ask."), call("refund", order="7", amount=80)], says("As you like.")]
    await hire(talk, ASKING)
    await ask(talk)
    caller = Principal(talk.slot.organization, "user")
    world.down = True
    reply = NewMessage("Rather not.", AGENT, if_busy="inject")
    sent = await send(talk.stores, talk.models, caller, "c1", reply)
    assert isinstance(sent, AcceptedMessage)
    assert await waiting_calls(talk) == []
    await go_on(talk)
    assert [one.id for one in await talk.messages() if one.injected] == [sent.injection.id]
    assert world.till.paid == []
