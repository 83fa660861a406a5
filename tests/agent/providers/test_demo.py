from collections.abc import Iterable
from typing import Any

import pytest

from millrace.agent.model import Delta, Message, ToolCall, ToolSpec
from millrace.agent.providers.demo import DemoProvider
from millrace.agent.providers.demo_intents import find_intents
from millrace.domain.conversations import LIVE_MESSAGE_MARKER
from tests.agent.providers.asking import (
    assistant,
    called,
    calls_of,
    finish_of,
    request,
    result,
    text_of,
    thoughts_of,
    user,
)

NAMES = ("calculator", "current_time", "search_conversations", "http_fetch")
TOOLS = [ToolSpec(name, name, {"type": "object"}) for name in NAMES]


async def demo(*messages: Message, tools: Iterable[ToolSpec] = TOOLS) -> list[Delta]:
    return [delta async for delta in DemoProvider(pace=0).stream(request(*messages, tools=tools))]


def sums(*expressions: str) -> list[Any]:
    return [("calculator", {"expression": expression}) for expression in expressions]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What is 12 * 7?", sums("12 * 7")),
        ("what's (2+3)*4.5 - 1?", sums("(2+3)*4.5 - 1")),
        ("12 times 7 please, and 9 divided by 3", sums("12 * 7", "9 / 3")),
        ("15% of 80", sums("15 / 100 * 80")),
        ("2^10 and 1,000,000 + 1", sums("2 ** 10", "1000000 + 1")),
        ("(is it 3 + 4)?", sums("3 + 4")),
        ("I was born on 2001-02-03", []),
        ("Version 2 is out", []),
        ("What time is it in Tokyo?", [("current_time", {"timezone": "Asia/Tokyo"})]),
        ("what's the time in New York and in Europe/Paris", [
            ("current_time", {"timezone": "Europe/Paris"}),
            ("current_time", {"timezone": "America/New_York"}),
        ]),
        ("What time is it?", [("current_time", {"timezone": "UTC"})]),
        ("It takes a lot of time", []),
        ("I love Tokyo", []),
        ("Search my earlier conversations for refunds!", [("search_conversations", {"query": "refunds"})]),
        ("Did we talk about the invoice?", [("search_conversations", {"query": "the invoice"})]),
        ("Fetch https://example.com/a?b=1+2.", [("http_fetch", {"url": "https://example.com/a?b=1+2"})]),
        ("see (http://example.com/x) twice: http://example.com/x", [("http_fetch", {"url": "http://example.com/x"})]),
        ("Tell me a joke", []),
        ("", []),
    ],
)  # fmt: skip
def test_text_asks_for_the_tools_that_it_needs(text: str, wanted: list[Any]) -> None:
    assert find_intents(text) == wanted


@pytest.mark.parametrize("text", ["1+" * 20_000, "(" * 20_000, "9 " * 20_000, "search conversation " * 2_000])
def test_hostile_text_is_read_in_no_time_and_asks_for_little(text: str) -> None:
    assert len(find_intents(text)) <= 13


async def test_demo_agent_plans_aloud_and_calls_the_real_tools() -> None:
    turn = await demo(user("What is 12 * 7, and what time is it in Tokyo?"))
    assert "calculator with 12 * 7" in thoughts_of(turn)
    assert calls_of(turn) == [*sums("12 * 7"), ("current_time", {"timezone": "Asia/Tokyo"})]
    assert len({delta.id for delta in turn if isinstance(delta, ToolCall)}) == 2
    assert finish_of(turn).reason == "tool_use"


async def test_demo_agent_answers_from_the_tools_results() -> None:
    messages = [
        user("What is 12 * 7?"),
        called("d1", "calculator", {"expression": "12 * 7"}),
        result("d1", "84"),
    ]
    turn = await demo(*messages)
    assert "12 * 7 = 84" in text_of(turn)
    assert (calls_of(turn), finish_of(turn).reason) == ([], "stop")


async def test_tool_that_failed_is_said_so() -> None:
    fetch = called("d1", "http_fetch", {"url": "http://x.example/"})
    turn = await demo(user("http://x.example/"), fetch, result("d1", "refused", status="error"))
    assert "did not work: refused" in text_of(turn)


async def test_only_the_first_answer_says_that_it_is_no_language_model() -> None:
    first = text_of(await demo(user("Hello!")))
    assert "not a language model" in first
    assert "not a language model" not in text_of(await demo(user("Hello!"), assistant(first), user("Thanks")))


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("What can you do?", "sums"),
        ("How do I connect a real model?", "OPENAI_BASE_URL"),
        ("How do I deploy this?", "make deploy"),
        ("What are pipelines?", "destinations"),
        ("Can I inject a message?", "/inject"),
        ("Tell me a joke", "no rule"),
    ],
)
async def test_demo_agent_knows_millrace(question: str, word: str) -> None:
    assert word in text_of(await demo(user(question)))


async def test_tools_that_are_not_offered_are_not_called() -> None:
    turn = await demo(user("What is 1 + 1?"), tools=[])
    assert (calls_of(turn), finish_of(turn).reason) == ([], "stop")


async def test_live_message_changes_the_plan_and_is_answered() -> None:
    live = f"{LIVE_MESSAGE_MARKER}\nAlso what is 3 + 4?"
    messages = [
        user("What is 12 * 7?"),
        called("d1", "calculator", {"expression": "12 * 7"}),
        result("d1", "84", live),
    ]
    second = await demo(*messages)
    assert "live message" in thoughts_of(second)
    assert calls_of(second) == sums("3 + 4")
    messages += [called("d2", "calculator", {"expression": "3 + 4"}), result("d2", "7")]
    third = text_of(await demo(*messages))
    assert "12 * 7 = 84" in third
    assert "3 + 4 = 7" in third
    assert "You added while I was working: “Also what is 3 + 4?”" in third


async def test_live_message_alone_is_answered() -> None:
    turn = await demo(user("Hi"), assistant("Hello"), user(f"{LIVE_MESSAGE_MARKER}\nHow do I deploy?"))
    assert "make deploy" in text_of(turn)


async def test_rounds_end_even_when_a_tool_never_counts_as_called() -> None:
    messages = [user("What is 1 + 1?")]
    for number in range(10):
        messages += [called(f"d{number}", "other", {}), result(f"d{number}", "?")]
    assert finish_of(await demo(*messages)).reason == "stop"
