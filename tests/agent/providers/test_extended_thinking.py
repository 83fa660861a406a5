"""Thinking: requested by budget or by effort from models that support it."""

from typing import Any

import pytest

from millrace.agent.budget import CALL_TOKENS, Budget
from millrace.agent.model import Block, Message
from millrace.agent.providers.anthropic import messages_request
from millrace.agent.providers.bedrock import converse_request
from millrace.agent.providers.extended_thinking import can_think, thinking_fields
from millrace.domain.agents import AgentLimits
from millrace.domain.conversations import LIVE_MESSAGE_MARKER
from tests.agent.providers.asking import called, request, result, user

THOUGHT: Block = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}}
ADAPTIVE = {"type": "adaptive", "display": "summarized"}


def asked(model: str, *messages: Message, **more: Any) -> dict[str, Any]:
    given = request(*messages, model=model, **({"max_tokens": 12_000, "thinking_tokens": 4000} | more))
    return thinking_fields(given, given.messages)


@pytest.mark.parametrize(
    "model",
    [
        "claude-3-7-sonnet-20250219",
        "claude-sonnet-4-20250514",
        "claude-opus-4@20250514",
        "claude-opus-4-1-20250805",
        "claude-sonnet-4-5",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0",
        "a-model-behind-a-gateway",
    ],
)
def test_older_models_get_a_budget(model: str) -> None:
    assert asked(model) == {"thinking": {"type": "enabled", "budget_tokens": 4000}}


@pytest.mark.parametrize(
    "model",
    [
        "claude-opus-4-6",
        "us.anthropic.claude-opus-4-6-v1",
        "claude-opus-4-7-20260416",
        "claude-sonnet-5",
        "global.anthropic.claude-sonnet-5-5",
        "claude-opus-4-10",
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
    ],
)
def test_newer_models_get_an_effort_and_are_told_to_show_their_thinking(model: str) -> None:
    assert asked(model) == {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}


@pytest.mark.parametrize(
    ("tokens", "effort"),
    [(1024, "low"), (4096, "low"), (4097, "medium"), (16_384, "medium"), (16_385, "high")],
)
def test_larger_thinking_budgets_ask_for_more_effort(tokens: int, effort: str) -> None:
    fields = asked("claude-sonnet-5", max_tokens=64_000, thinking_tokens=tokens)
    assert fields["output_config"] == {"effort": effort}


@pytest.mark.parametrize(
    ("max_tokens", "budget"),
    [(20_000, 4000), (5024, 4000), (5000, 3976), (2048, 1024), (2047, None), (1, None)],
)
def test_budget_leaves_tokens_for_the_answer_and_is_no_smaller_than_allowed(
    max_tokens: int, budget: int | None
) -> None:
    fields = asked("claude-sonnet-4-5", max_tokens=max_tokens)
    assert fields.get("thinking", {}).get("budget_tokens") == budget


def test_agent_that_asks_for_none_sends_nothing() -> None:
    assert asked("claude-sonnet-4-5", thinking_tokens=0) == {}


@pytest.mark.parametrize(("thought", "thinks"), [([THOUGHT], True), ([], False)])
def test_tool_calls_that_began_without_thinking_end_without(thought: list[Block], thinks: bool) -> None:
    """As after a change of the agent's settings: older models refuse a budget here."""
    call = called("t", "weather", {"city": "Rome"})
    call["content"] = [*thought, *call["content"]]
    assert bool(asked("claude-sonnet-4-5", user("Hi"), call, result("t", "sun"))) is thinks
    assert asked("claude-sonnet-4-5", user("Hi"), call, result("t", "sun"), user("And now?"))
    assert asked("claude-sonnet-5", user("Hi"), call, result("t", "sun"))


def thoughts_sent(*messages: Message) -> list[int]:
    """The turns of the request that hold thinking."""
    sent = converse_request(request(*messages))["messages"]
    return [number for number, turn in enumerate(sent) if "reasoningContent" in str(turn)]


def test_thinking_goes_back_with_the_calls_of_this_question_only() -> None:
    """The agent may change from one question to the next, and thinking is bound to all that is before it."""
    call = called("t", "weather", {"city": "Rome"})
    call["content"] = [THOUGHT, *call["content"]]
    live = result("t", "sun", f"{LIVE_MESSAGE_MARKER}\nHurry")
    answered = [
        user("Hi"),
        call,
        result("t", "sun"),
        {"role": "assistant", "content": [THOUGHT, {"text": "Sun."}]},
    ]
    assert thoughts_sent(user("Hi"), call, result("t", "sun")) == [1]
    assert thoughts_sent(user("Hi"), call, live) == [1]
    assert thoughts_sent(*answered, user("And Paris?")) == []
    assert thoughts_sent(*answered, user("And Paris?"), call, result("t", "rain")) == [5]
    assert thoughts_sent(user("Hi"), call, result("t", "cut off", "And Paris?")) == []


def test_both_servers_get_it_in_their_own_place_without_a_temperature() -> None:
    given = request(user("Hi"), model="claude-sonnet-4-5", max_tokens=9000, thinking_tokens=4000)
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 4000}}
    anthropic, bedrock = messages_request(given), converse_request(given)
    assert anthropic | thinking == anthropic
    assert anthropic["max_tokens"] == bedrock["inferenceConfig"]["maxTokens"] == 9000
    assert bedrock["additionalModelRequestFields"] == thinking
    assert "temperature" not in str(anthropic) + str(bedrock)


def test_call_may_take_its_thinking_on_top_of_its_answer() -> None:
    budget = Budget(AgentLimits(max_tokens=30_000))
    assert (budget.call_tokens(), budget.call_tokens(10_000)) == (CALL_TOKENS, CALL_TOKENS + 10_000)
    budget.output = 29_000
    assert budget.call_tokens(10_000) == 1000


@pytest.mark.parametrize(
    ("provider", "model", "possible"),
    [
        ("anthropic", "claude-sonnet-5", True),
        ("anthropic", "claude-3-7-sonnet-latest", True),
        ("anthropic", "claude-3-5-haiku-20241022", False),
        ("anthropic", "claude-3-opus-20240229", False),
        ("bedrock", "anthropic.claude-v2:1", False),
        ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", True),
        ("bedrock", "amazon.nova-pro-v1:0", False),
        ("openai", "gpt-5", False),
        ("demo", "", False),
        ("echo", "", False),
    ],
)
def test_thinking_models_are_recognized(provider: str, model: str, possible: bool) -> None:
    assert can_think(provider, model) is possible
