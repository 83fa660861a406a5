"""Messages, answers, tool results and tokens of any size: nothing is cut, refused too late, or blocking."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from millrace.agent.budget import Budget
from millrace.agent.model import Thinking
from millrace.agent.tools.toolbox import RESULT_LIMIT, cut
from millrace.domain.access import Principal
from millrace.domain.agents import ECHO
from millrace.domain.runs import INJECTION_TTL_MS, LEASE_MS
from millrace.services.runs.delete import delete_conversation
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.recover import give_up_lost_run
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import send
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.dynamo import Dynamo, delete, put
from millrace.stores.messages import RECENT_RESULT_BYTES
from millrace.stores.runs import stream_of
from tests.aws import Aws
from tests.services.live import inject
from tests.services.scripted import Talk, Turn, calls, results_of, says, text_of


class Sized(NamedTuple):
    """A text of one letter with so many bytes of UTF-8."""

    character: str
    size: int

    def text(self) -> str:
        return self.character * max(1, self.size // len(self.character.encode()))


class Plan(NamedTuple):
    """A run: rounds of tools by their results, a thought, and the answer's tokens."""

    tools: list[list[Sized]]
    thought: Sized
    answer: list[Sized]

    def turns(self) -> list[Turn]:
        tools: list[Turn] = [calls(*(one.text() for one in each)) for each in self.tools]
        answer = [Thinking(self.thought.text()), *says(*(one.text() for one in self.answer))]
        return [*tools, answer]


def sized(high: int) -> st.SearchStrategy[Sized]:
    """Any size, the ends more often."""
    sizes = st.one_of(st.integers(1, high), st.sampled_from([1, high]))
    return st.builds(Sized, st.sampled_from(["x", "é", "中", "😀", "\x01", '"']), sizes)


TOOLS = st.lists(st.lists(sized(40_000), min_size=1, max_size=16), max_size=3)
PLANS = st.builds(Plan, TOOLS, sized(300_000), st.lists(sized(400_000), min_size=1, max_size=3))


@pytest.fixture
def environment(aws_environment: Aws) -> Settings:
    return Settings.from_environment(aws_environment.environment("ConversationFunction"))


@pytest.fixture
async def stores(environment: Settings) -> AsyncIterator[Stores]:
    made = Stores.connect(environment)
    yield made
    await asyncio.to_thread(made.aws.close)


@examples(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(message=sized(512 * 1024), plan=PLANS)
async def test_any_sizes_leave_a_conversation_that_works_with_the_whole_text(
    environment: Settings, stores: Stores, message: Sized, plan: Plan
) -> None:
    talk = Talk(environment, stores, plan.turns())
    seen = await talk.say(message.text())
    assert seen[-1].type == "done"
    answer = "".join(one.text() for one in plan.answer)
    assert "".join(event.event["token"] for event in seen if event.type == "token") == answer
    run_id = seen[0].event["runId"]
    assert await stores.log.read(stream_of(talk.slot.organization, run_id)) == seen
    history = await talk.messages()
    assert text_of(history[0]) == message.text()
    assert text_of(history[-1]) == answer
    given = [[cut(one.text(), RESULT_LIMIT) for one in each] for each in plan.tools]
    assert [results_of(one) for one in history[2:-1:2]] == given
    assert (await talk.say("and now?"))[-1].type == "done"


async def test_answer_of_a_lost_run_is_kept_whole(environment: Settings) -> None:
    now = [1_800_000_000_000]
    stores = Stores.connect(environment, clock=lambda: now[0])
    speaking = asyncio.Event()

    async def goes_on() -> None:
        speaking.set()
        await asyncio.Event().wait()

    talk = Talk(environment, stores, [[goes_on]])
    session = await talk.start("hello")
    await speaking.wait()
    assert session.task is not None
    session.task.cancel()
    await asyncio.wait({session.task})
    session.ended = False
    session.emit({"type": "token", "token": "文" * 200_000})
    await session._flush()
    now[0] += LEASE_MS + 1
    assert await give_up_lost_run(stores, talk.slot, await stores.leases.peek(talk.slot))
    assert text_of((await talk.messages())[-1]).endswith("文" * 200_000)
    assert (await talk.say("and now?"))[-1].type == "done"
    await asyncio.to_thread(stores.aws.close)


async def test_old_tool_results_are_read_short_and_recent_ones_whole(
    environment: Settings, stores: Stores
) -> None:
    talk = Talk(environment, stores)
    for n in range(4):
        rounds = [calls(f"{4 * n + m:02}" + "x" * 32_000) for m in range(4)]
        talk.models.turns = [*rounds, says("done")]
        await talk.say("look")
    await talk.say("and now?")
    given = talk.models.requests[-1].messages
    texts = [
        block["toolResult"]["content"][0]["text"]
        for message in given
        for block in message["content"]
        if "toolResult" in block
    ]
    assert [text[:2] for text in texts] == [f"{n:02}" for n in range(16)]
    whole = [text for text in texts if len(text) == 32_002]
    assert 0 < len(whole) <= RECENT_RESULT_BYTES // 32_000
    assert texts[-len(whole) :] == whole
    assert all(len(text) < 2_200 and "32,002 bytes" in text for text in texts[: -len(whole)])


async def test_hundred_waiting_live_messages_of_32_kb_are_all_taken(
    environment: Settings, stores: Stores
) -> None:
    talk = Talk(environment, stores, [calls("go"), *[calls("x" * 32_000)] * 9, says("done")])
    session = await talk.start("hello")
    texts = [f"{n:03}" + "\x01" * 32_000 for n in range(100)]
    for text in texts:
        await inject(stores, talk.slot, text)
    seen = [event async for batch in session.event_feed for event in batch]
    await session.over()
    assert seen[-1].type == "done"
    injected = [text_of(message) for message in await talk.messages() if message.injected]
    assert injected == texts


async def test_message_that_cannot_be_read_does_not_end_its_conversation(
    environment: Settings, stores: Stores
) -> None:
    talk = Talk(environment, stores, [calls("x" * 20_000), says("one")])
    await talk.say("hello")
    table, dynamo = stores.conversations.table, Dynamo(stores.aws)
    (part, *_) = await dynamo.query(table, "pk = :pk AND begins_with(sk, :c)", pk=talk.slot.key, c="C#")
    await dynamo.write(delete(table, {"pk": part["pk"], "sk": part["sk"]}))
    await dynamo.write(put(table, {"pk": talk.slot.key, "sk": "M#00000004", "body": "{broken"}))
    assert (await talk.say("and now?"))[-1].type == "done"
    texts = [text_of(message) for message in await talk.messages()]
    assert texts == ["hello", "", "", "and now?", "ok"]


async def test_turn_with_live_messages_that_came_and_expired_fits_one_transaction(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many of each as may wait, and more unsaved messages than one transaction takes."""
    now = [1_800_000_000_000]
    stores = Stores.connect(environment, clock=lambda: now[0])
    talk = Talk(environment, stores)
    caller = Principal(talk.slot.organization, "user")
    started = await send(stores, talk.models, caller, "c1", NewMessage("hello", "echo"))
    assert isinstance(started, StartedRun)
    session = RunSession(stores, started.lease, Budget(ECHO.limits))
    for count in (40, 60):
        for _ in range(count):
            await inject(stores, talk.slot, "x" * 32_000)
        now[0] += INJECTION_TTL_MS // 2 + 1 if count == 60 else INJECTION_TTL_MS
        await session._flush()
    for n in range(70):
        session.add("assistant" if n % 2 else "user", [{"text": "y" * 60_000}])
    assert len(await session.drain(2)) == 60
    await session.stop("max_tokens")
    assert len(await talk.messages()) >= 1 + 60 + 70
    await asyncio.to_thread(stores.aws.close)


async def test_deleted_conversation_leaves_no_part_of_a_large_message(
    environment: Settings, stores: Stores
) -> None:
    answer = "".join(os.urandom(300_000).hex() for _ in range(8))
    talk = Talk(environment, stores, [calls("x" * 20_000), says(answer)])
    await talk.say("hello")
    dynamo, table = Dynamo(stores.aws), stores.conversations.table
    stored = await dynamo.query(table, "pk = :pk", pk=talk.slot.key)
    assert sum(item["sk"].startswith("C#") for item in stored) > 8
    await delete_conversation(stores, talk.slot)
    assert await dynamo.query(table, "pk = :pk", pk=talk.slot.key) == []
