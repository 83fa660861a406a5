"""A2A tasks that work while they are being stored, with the same head start as other clients."""

import asyncio
from typing import Any

import pytest
from a2a.types.a2a_pb2 import SendMessageRequest, SendMessageResponse
from google.protobuf.json_format import ParseDict

from millrace.api.a2a_call import Call
from millrace.api.a2a_tasks import Tasks, TaskStream
from millrace.domain.agents import ECHO
from millrace.errors import Conflict
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.services.gated import WITHIN, Gated, Silent, clock, gated, talk
from tests.services.scripted import Talk, says, text_of

__all__ = ["clock", "gated", "talk"]

COMPLETED = 3


def asking(text: str, id: str = "m1", context: str = "c1", **configuration: Any) -> SendMessageRequest:
    said = {"role": "ROLE_USER", "messageId": id, "contextId": context, "parts": [{"text": text}]}
    request = SendMessageRequest()
    ParseDict({"message": said, "configuration": configuration}, request)
    return request


def sending(talk: Talk, request: SendMessageRequest) -> asyncio.Task[SendMessageResponse]:
    return asyncio.create_task(Tasks(talk.platform).send(Call(talk.caller, ECHO), request))


def streaming(talk: Talk, request: SendMessageRequest) -> asyncio.Task[TaskStream]:
    return asyncio.create_task(Tasks(talk.platform).stream(Call(talk.caller, ECHO), request))


async def nothing_is_stored(talk: Talk) -> bool:
    lease = await talk.stores.leases.peek(talk.slot)
    return lease.run_id is None and await talk.messages() == []


def silently_asked(talk: Talk, gated: Gated) -> Silent:
    """Make the next message's model silent, and hold its transaction up."""
    silent = Silent()
    talk.models.turns = [[silent]]
    gated.shut()
    return silent


async def test_model_answers_a_streamed_task_while_that_is_stored(talk: Talk, gated: Gated) -> None:
    answered = asyncio.Event()

    async def note() -> None:
        answered.set()

    talk.models.turns = [[*says("Hello"), note]]
    gated.shut()
    starting = streaming(talk, asking("Hi"))
    async with asyncio.timeout(WITHIN):
        await answered.wait()
        await gated.reached.wait()
    assert not starting.done()
    assert await nothing_is_stored(talk)
    gated.gate.set()
    found = await starting
    assert found.session is not None
    updates = [one async for batch in found.updates for one in batch]
    assert updates
    assert found.projection.over
    await found.session.over()
    assert [text_of(one) for one in await talk.messages()] == ["Hi", "Hello"]


async def test_model_answers_a_task_that_is_waited_for_while_that_is_stored(talk: Talk, gated: Gated) -> None:
    asked = asyncio.Event()

    async def note() -> None:
        asked.set()

    talk.models.turns = [[note, *says("Hello")]]
    gated.shut()
    starting = sending(talk, asking("Hi"))
    async with asyncio.timeout(WITHIN):
        await asked.wait()
        await gated.reached.wait()
    assert await nothing_is_stored(talk)
    gated.gate.set()
    assert (await starting).task.status.state == COMPLETED


async def test_task_that_another_process_goes_on_with_asks_no_model_here(talk: Talk) -> None:
    answer = await sending(talk, asking("Hi", returnImmediately=True))
    assert talk.models.requests == []
    lease = await talk.stores.leases.peek(talk.slot)
    assert (lease.run_id, lease.parked) == (answer.task.id, "handed_over")


async def test_repeated_message_leaves_its_model_and_follows_the_task_of_the_first(
    settings: Settings, talk: Talk, gated: Gated
) -> None:
    silent = silently_asked(talk, gated)
    late = sending(talk, asking("Hi"))
    async with asyncio.timeout(WITHIN):
        await silent.asked.wait()
        await gated.reached.wait()
    first = Talk(settings, Stores.connect(settings))
    first.slot = talk.slot
    task = (await sending(first, asking("Hi"))).task
    gated.gate.set()
    assert (await late).task.id == task.id
    assert silent.left.is_set()
    assert [text_of(one) for one in await talk.messages()] == ["Hi", "ok"]
    await asyncio.to_thread(first.stores.aws.close)


async def test_client_that_leaves_before_its_task_is_stored_leaves_no_model_at_work(
    talk: Talk, gated: Gated
) -> None:
    silent = silently_asked(talk, gated)
    starting = streaming(talk, asking("Hi"))
    async with asyncio.timeout(WITHIN):
        await silent.asked.wait()
        await gated.reached.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert silent.left.is_set()
    assert await nothing_is_stored(talk)


async def test_deletion_before_a_task_is_stored_leaves_no_model_at_work(
    settings: Settings, talk: Talk, gated: Gated
) -> None:
    await sending(talk, asking("Hi"))
    silent = silently_asked(talk, gated)
    late = sending(talk, asking("And?", "m2"))
    async with asyncio.timeout(WITHIN):
        await silent.asked.wait()
        await gated.reached.wait()
    others = Stores.connect(settings)
    assert await others.deletions.begin(talk.slot)
    gated.gate.set()
    with pytest.raises(Conflict) as refused:
        await late
    assert refused.value.code == "conversation_deleted"
    assert silent.left.is_set()
    await asyncio.to_thread(others.aws.close)
