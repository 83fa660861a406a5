"""Conversations that exceed their model's context window continue, and nothing important is forgotten."""

import re

import orjson
import pytest

from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from millrace.domain.agents import AgentLimits
from millrace.errors import ProviderError
from tests.agent.context.windowed import WindowedModel
from tests.agent.looping import Control, Conversation

FIRST = "You are to keep the codes of a house with many rooms."
LIMITS = AgentLimits(max_iterations=100, max_tokens=100_000)


def telling(number: int) -> str:
    return f"The code of room {number} is {1000 + number * 7}. " + f"Filler of message {number}. " * 12


async def test_two_hundred_turns_in_a_window_of_8000_tokens_are_never_refused_and_keep_the_facts() -> None:
    model, conversation = WindowedModel(), Conversation()
    await conversation.ask(FIRST, model, "windowed", context_tokens=8_000)
    for number in range(1, 200):
        asked = telling(number)
        if number % 20 == 0:
            asked = f"What is the code of room {number // 2}?"
        await conversation.ask(asked, model, "windowed", context_tokens=8_000)
        if number % 20 == 0 and (number // 2) % 20:
            assert conversation.text() == str(1000 + number // 2 * 7), number
    assert model.refusals == 0
    assert all(FIRST in sent for sent in model.sent)
    assert len(model.sent) == 200


async def test_summary_is_paid_once_and_counted_with_its_cached_tokens() -> None:
    model, conversation = WindowedModel(), Conversation()
    for number in range(1, 120):
        await conversation.ask(telling(number), model, "windowed", context_tokens=8_000)
    assert 2 <= len(model.summaries) < 30
    new = [FACT_OF.findall(one.split("<conversation>")[1]) for one in model.summaries]
    numbers = [room for each in new for room in each]
    assert numbers == sorted(set(numbers), key=int), "no message is summarized twice"
    assert sum(used["input"] for used in conversation.used) == model.used.input
    assert sum(used["output"] for used in conversation.used) == model.used.output
    assert sum(used["cacheRead"] for used in conversation.used) == model.used.cache_read


FACT_OF = re.compile(r"The code of room (\d+) is")


async def test_long_run_of_tools_fits_with_its_question() -> None:
    async def read_page(arguments: dict[str, object], context: ToolContext) -> ToolResult:
        text = f"Page {arguments['page']}: " + "words of the page " * 150
        return ToolResult(ok=True, text=text, summary="")

    tool = Tool(name="look", description="Reads a page.", parameters={"type": "object"}, run=read_page)
    model, conversation = WindowedModel(rounds=40), Conversation(tool)
    question = "Read all pages, then tell me the code of room 7? The code of room 7 is 4711."
    reason = await conversation.ask(question, model, "windowed", context_tokens=8_000, limits=LIMITS)
    assert reason == "stop"
    assert conversation.text() == "4711"
    assert model.refusals == 0
    assert all(question in orjson.loads(sent)[0]["content"] for sent in model.sent)
    assert model.summaries


@pytest.mark.parametrize("per_token", [4.0, 2.5])
async def test_refusal_for_length_leads_to_a_summary_and_another_try(per_token: float) -> None:
    model, conversation = WindowedModel(per_token=per_token), Conversation()
    for number in range(1, 80):
        await conversation.ask(telling(number), model, "of-nobody-knows-what-window")
    assert model.refusals > 0
    assert len(model.sent) == 79
    await conversation.ask("What is the code of room 3?", model, "of-nobody-knows-what-window")
    assert conversation.text() == "1021"


async def test_message_that_can_never_fit_is_refused_in_words() -> None:
    model, conversation = WindowedModel(), Conversation()
    with pytest.raises(ProviderError, match="does not fit into the model's context window") as refused:
        await conversation.ask("word " * 20_000, model, "windowed", context_tokens=8_000)
    assert (refused.value.code, model.refusals, model.sent) == ("context_exceeded", 0, [])


async def test_failed_summary_does_not_end_the_run() -> None:
    model, conversation = WindowedModel(), Conversation()
    for number in range(1, 30):
        await conversation.ask(telling(number), model, "windowed", context_tokens=30_000)

    def fail(text: str) -> str:
        raise ProviderError("Overloaded.", code="provider_unavailable")

    model._summary = fail  # type: ignore[method-assign]
    assert await conversation.ask("Go on.", model, "windowed", context_tokens=4_000) == "stop"
    assert conversation.summary is None, "it is tried again by the next run"


async def test_many_short_messages_of_a_stored_conversation_are_summarized(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages further back than a slot is read would be forgotten."""
    monkeypatch.setattr(Control, "most_messages", 150)
    model, conversation = WindowedModel(window=200_000), Conversation()
    for number in range(1, 81):
        await conversation.ask(f"The code of room {number} is {number}.", model, "windowed")
    assert len(model.summaries) == 1
    assert conversation.summary is not None
    await conversation.ask("What is the code of room 2?", model, "windowed")
    assert conversation.text() == "2"
