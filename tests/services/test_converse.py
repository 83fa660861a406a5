"""The services that protocol endpoints share: begin, join, continue reading, answer, stop."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from millrace.agent.model import Text
from millrace.domain.access import Principal
from millrace.domain.approvals import GivenAnswer
from millrace.domain.events import LogEntry
from millrace.errors import Conflict, NotFound
from millrace.services.runs import event_feed
from millrace.services.runs.converse import (
    RunStream,
    answer_calls,
    converse,
    default_agent_id,
    newest_run_id,
    rejoin,
    stop,
)
from millrace.services.runs.new_message import NewMessage
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last
from tests.aws import Aws
from tests.services.asking import Queue, call, go_on, hire
from tests.services.scripted import Talk, Turn, says

SETTINGS = Settings("us-east-1")


@pytest.fixture
async def stores(aws_environment: Aws) -> AsyncIterator[Stores]:
    made = Stores.connect(Settings.from_environment(aws_environment.environment("ConversationFunction")))
    yield made
    made.aws.close()


def talk_of(aws: Aws, stores: Stores, *turns: Turn, default_agent: str = "") -> Talk:
    read = Settings.from_environment(aws.environment("ConversationFunction"))
    return Talk(replace(read, default_agent=default_agent), stores, turns)


def user(talk: Talk) -> Principal:
    return Principal(talk.slot.organization, "user", frozenset({"chat"}))


async def begin(talk: Talk, content: str = "hi", **more: str) -> RunStream:
    message = NewMessage(content, default_agent_id=default_agent_id(talk.settings), **more)  # type: ignore[arg-type]
    found = await converse(talk.platform, user(talk), "c1", message, None)
    assert isinstance(found, RunStream)
    return found


async def read(stream: RunStream | None) -> list[LogEntry]:
    assert stream is not None
    found = [entry async for batch in stream.events for entry in batch]
    if stream.on_end:
        await stream.on_end()
    return found


def test_default_agent_is_the_deployments_else_the_one_with_a_model() -> None:
    assert default_agent_id(SETTINGS) == "demo"
    assert default_agent_id(replace(SETTINGS, default_model="openai:gpt-5.4-mini")) == "assistant"
    assert default_agent_id(replace(SETTINGS, default_agent="clerk")) == "clerk"


async def test_new_conversation_gets_the_default_agent_and_keeps_its_own(
    aws_environment: Aws, stores: Stores
) -> None:
    talk = talk_of(aws_environment, stores)
    stream = await begin(talk)
    await read(stream)
    assert stream.run.agent_id == "demo"
    other = talk_of(aws_environment, stores, default_agent="clerk")
    await hire(other)
    stream = await begin(other)
    await read(stream)
    assert stream.run.agent_id == "clerk"
    kept = Talk(talk.settings, stores)
    kept.slot = other.slot
    stream = await begin(kept, "again")
    await read(stream)
    assert stream.run.agent_id == "clerk"


async def test_default_agent_that_does_not_exist_is_not_found(aws_environment: Aws, stores: Stores) -> None:
    talk = talk_of(aws_environment, stores, default_agent="nobody")
    with pytest.raises(NotFound, match="nobody"):
        await begin(talk)


async def test_same_key_joins_the_run_and_reads_the_same_events(aws_environment: Aws, stores: Stores) -> None:
    talk = talk_of(aws_environment, stores, says("a", "b"))
    first = await begin(talk, idempotency_key="k")
    seen = await read(first)
    again = await begin(talk, idempotency_key="k")
    assert (first.fresh, again.fresh) == (True, False)
    assert again.run.id == first.run.id
    assert [entry.data for entry in await read(again)] == [entry.data for entry in seen]


async def test_client_that_is_far_behind_reads_the_rest_from_the_log(
    aws_environment: Aws, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "MOST_EVENTS", 3)
    monkeypatch.setattr(event_feed, "STALLED_SECONDS", 0)
    talk = talk_of(aws_environment, stores, says(*"abcdefgh"))
    stream = await begin(talk)
    assert stream.on_end
    await stream.on_end()  # the run is over before the client reads anything
    seen = await read(stream)
    assert [entry.seq for entry in seen] == list(range(1, len(seen) + 1))
    assert "".join(entry.event["token"] for entry in seen if entry.type == "token") == "abcdefgh"
    assert is_last(seen[-1])


async def test_rejoined_run_is_read_from_its_start_until_nothing_is_left(
    aws_environment: Aws, stores: Stores
) -> None:
    talk = talk_of(aws_environment, stores, says("a", "b"))
    stream = await begin(talk)
    seen = await read(stream)
    rejoined = await rejoin(stores, user(talk), stream.run.id, seen[1].seq, None)
    assert rejoined is not None
    assert rejoined.seen == seen[1].seq
    assert [entry.seq for entry in await read(rejoined)] == [entry.seq for entry in seen]
    assert await rejoin(stores, user(talk), stream.run.id, seen[-1].seq, None) is None


async def test_another_users_run_is_not_found(aws_environment: Aws, stores: Stores) -> None:
    talk = talk_of(aws_environment, stores)
    stream = await begin(talk)
    await read(stream)
    other = Principal(talk.slot.organization, "other", frozenset({"chat"}))
    for attempt in (
        rejoin(stores, other, stream.run.id, 0, None),
        newest_run_id(stores, other, talk.slot),
        stop(stores, other, talk.slot),
        answer_calls(stores, other, stream.run.id, [GivenAnswer("c", "approve")]),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await newest_run_id(stores, user(talk), talk.slot, active=True) is None
    with pytest.raises(Conflict, match="No run"):
        await stop(stores, user(talk), talk.slot)


async def test_answered_run_goes_on_behind_its_waiting(
    aws_environment: Aws, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = call("ask_user", question="Which?")
    talk = talk_of(aws_environment, stores, [wanted], [Text("fine")])
    await hire(talk, "ask_user")
    queue = Queue(talk)
    stream = await begin(talk, agent_id="clerk")
    seen = await read(stream)
    assert seen[-1].type == "waiting"
    assert await newest_run_id(stores, user(talk), talk.slot, active=True) == stream.run.id
    given = GivenAnswer(wanted.id, "answer", content="this one")
    [answered], after = await answer_calls(stores, user(talk), stream.run.id, [given])
    assert answered.answer is not None
    assert after == seen[-1].seq
    assert queue.sent == [(stream.run.id, "answered")]
    await go_on(talk)
    rest = await read(await rejoin(stores, user(talk), stream.run.id, after, None))
    assert [entry.seq for entry in rest[: len(seen)]] == [entry.seq for entry in seen]
    assert rest[-1].type == "done"
