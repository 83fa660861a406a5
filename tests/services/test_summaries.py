"""The summary of a conversation is stored with it, so the next run and other processes continue from it."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial

import orjson
import pytest

from millrace.agent.model import Delta, ModelRequest
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.summaries import SUMMARY_ID, Summary
from millrace.errors import MillraceError
from millrace.services.runs.delete import delete_conversation
from millrace.services.runs.model_history import model_history
from millrace.services.runs.models import Models
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.dynamo import put
from millrace.stores.summaries import SUMMARY_KEY
from tests.agent.context.test_long_conversations import FACT_OF, telling
from tests.agent.context.windowed import WindowedModel
from tests.aws import Aws
from tests.services.asking import AGENT, Queue, go_on, hire
from tests.services.scripted import Talk

WINDOW = 1_300


@pytest.fixture
async def talk(aws_environment: Aws) -> AsyncIterator[Talk]:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    stores = Stores.connect(settings)
    talk = Talk(settings, stores)
    await hire(talk, model="openai:windowed", contextTokens=WINDOW)
    yield talk
    await asyncio.to_thread(stores.aws.close)


def serve(talk: Talk, model: WindowedModel) -> WindowedModel:
    talk.models.stream = model.stream  # type: ignore[method-assign]
    return model


async def test_summary_is_made_once_and_every_later_run_begins_with_it(talk: Talk) -> None:
    model = serve(talk, WindowedModel(WINDOW))
    for number in range(1, 18):
        assert (await talk.say(telling(number), agent_id=AGENT))[-1].type == "done"
    assert (await talk.say("Go on.", agent_id=AGENT))[-1].type == "done"
    assert model.refusals == 0
    assert len(model.summaries) >= 2
    rooms = [room for one in model.summaries for room in FACT_OF.findall(one.split("<conversation>")[1])]
    assert rooms == sorted(set(rooms), key=int)
    seen = await talk.say("What is the code of room 3?", agent_id=AGENT)
    assert "".join(one.event.get("token", "") for one in seen) == "1021"
    assert telling(1)[:30] in model.sent[-1], "the first question is there word by word"
    assert len(await talk.messages()) == 38, "the history itself is whole"
    assert await item_of(talk.stores, talk.slot) is not None
    await delete_conversation(talk.stores, talk.slot)
    assert await item_of(talk.stores, talk.slot) is None


async def test_summaries_of_a_model_that_is_not_there_are_refused_before_the_run(talk: Talk) -> None:
    await hire(talk, id="thrifty", model="echo:", compactionModel="anthropic:claude-haiku-4-5")
    talk.models.provider_for = partial(Models.provider_for, talk.models)  # type: ignore[method-assign]
    with pytest.raises(MillraceError, match=r"(?i)anthropic_api_key"):
        await talk.start("Hi", agent_id="thrifty")
    assert (await talk.stores.conversations.open(talk.slot)).conversation is None


async def test_run_that_lost_its_slot_stores_no_summary(talk: Talk) -> None:
    """Whoever has taken the run over goes by a summary of its own."""
    model = serve(talk, WindowedModel(WINDOW))

    async def replace_holder() -> None:
        key = {"pk": talk.slot.key, "sk": "RUN"}
        item = await talk.stores.conversations._dynamo.get(talk.stores.conversations.table, key)
        assert item is not None
        await talk.stores.conversations._dynamo.write(
            put(talk.stores.conversations.table, item | {"holder": "another"})
        )

    async def stream(request: ModelRequest) -> AsyncGenerator[Delta, None]:
        async for delta in WindowedModel.stream(model, request):
            if model.summaries and not taken:
                taken.append(True)
                await talk.until_begun()
                await replace_holder()
            yield delta

    taken: list[bool] = []
    talk.models.stream = stream  # type: ignore[method-assign]
    for number in range(1, 14):
        await talk.start(telling(number), agent_id=AGENT)
        await asyncio.gather(*talk.platform.tasks)
        if taken:
            break
    assert taken
    assert await item_of(talk.stores, talk.slot) is None


async def test_run_that_is_handed_over_goes_on_with_its_summary_and_its_question(talk: Talk) -> None:
    await hire(talk, "echo_tool", id="worker", model="openai:windowed", contextTokens=WINDOW)
    Queue(talk)
    model = serve(talk, WindowedModel(WINDOW, rounds=16))
    model.tool = "echo_tool"
    question = "Go on to the end, then: what is the code of room 7? The code of room 7 is 4711."
    session = await talk.start(question, agent_id="worker")

    async def stream(request: ModelRequest) -> AsyncGenerator[Delta, None]:
        if model.summaries:
            session.hand_over_at = 0.0
        async for delta in WindowedModel.stream(model, request):
            yield delta

    talk.models.stream = stream  # type: ignore[method-assign]
    await session.over()
    made, asked = len(model.summaries), len(model.sent)
    assert made >= 1
    assert model.rounds > 0, "the run is not at its end"
    talk.models.stream = model.stream  # type: ignore[method-assign]
    seen = await go_on(talk, "handed_over")
    assert seen[-1]["type"] == "done"
    assert "".join(event.get("token", "") for event in seen) == "4711"
    assert model.refusals == 0
    assert len(model.sent) > asked
    assert all(question in sent for sent in model.sent)
    contained = [one.split("<conversation>")[1] for one in model.summaries]
    rounds = [number for one in contained for number in ROUND.findall(one)]
    assert rounds
    assert len(rounds) == len(set(rounds)), "no round is summarized twice"


ROUND = re.compile(r"Tool call: echo_tool \{\W*text\W*round (\d+) ")


async def item_of(stores: Stores, slot: Slot) -> object:
    return await stores.conversations._dynamo.get(
        stores.conversations.table, {"pk": slot.key, "sk": SUMMARY_KEY}
    )


async def test_all_that_follows_the_summary_is_sent_however_far_back_it_begins(talk: Talk) -> None:
    """Two thousand messages of 1 KB: several answers of DynamoDB's."""
    stores, slot, count = talk.stores, talk.slot, 2_000
    made = [
        StoredMessage(f"msg_{number}", "user", [{"text": f"{number} " + "x" * 1_000}], "")
        for number in range(count)
    ]
    for start in range(0, count, 100):
        heads, _ = stores.messages.puts(slot, start + 1, made[start : start + 100], "test")
        await stores.conversations._dynamo.transact(*heads)
    summary = Summary("What came before.", "msg_7")
    body = orjson.dumps(summary.to_json()).decode()
    item = {"pk": slot.key, "sk": SUMMARY_KEY, "body": body}
    await stores.conversations._dynamo.write(put(stores.conversations.table, item))
    history = await model_history(stores, slot, await stores.conversations.open(slot))
    assert [one.id for one in history] == [SUMMARY_ID, *(f"msg_{number}" for number in range(7, count))]


@pytest.mark.parametrize("character", ["x", "中", "😀", "\x01", "\ud800"])
async def test_summary_with_a_question_of_any_size_is_stored(talk: Talk, character: str) -> None:
    kept = asyncio.Event()

    async def wait() -> None:
        await kept.wait()

    talk.models.turns = [[wait]]
    session = await talk.start("Hi", agent_id=AGENT)
    question = character * (512 * 1024 // len(character.encode(errors="surrogatepass")))
    await session.keep_summary(Summary("What came before.", "msg_1", "Hi", question))
    found = (await talk.stores.conversations.open(talk.slot)).summary
    assert found
    assert found.text == "What came before."
    assert len(found.latest) > 10_000
    assert found.latest.startswith("?" if character == "\ud800" else character)
    kept.set()
    await session.over()
