import pytest

from millrace.agent.model import Usage
from millrace.agent.prices import cost

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "input", "output"),
    [
        ("anthropic:claude-sonnet-5-5", 2, 10),
        ("anthropic:claude-sonnet-4-5-20250929", 3, 15),
        ("anthropic:claude-sonnet-4-5@20250929", 3, 15),
        ("anthropic:claude-opus-4-0", 15, 75),
        ("anthropic:claude-opus-4-20250514", 15, 75),
        ("bedrock:global.anthropic.claude-sonnet-4-5-20250929-v1:0", 3, 15),
        ("bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3.3, 16.5),
        ("bedrock:anthropic.claude-opus-5-5", 4.4, 22),
        ("bedrock:us.anthropic.claude-sonnet-4-20250514-v1:0", 3, 15),
        ("bedrock:us.amazon.nova-lite-v1:0", 0.06, 0.24),
        ("bedrock:arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0:300k", 0.8, 3.2),
        ("openai:gpt-5-2025-08-07", 1.25, 10),
        ("openai:gpt-5-mini-2025-08-07", 0.25, 2),
        ("openai:gpt-4o-mini", 0.15, 0.6),
        ("demo:", 0, 0),
        ("echo:load", 0, 0),
    ],
)
def test_price_is_found_for_every_edition_of_a_model(model: str, input: float, output: float) -> None:
    assert cost(model, Usage(input=MILLION)) == pytest.approx(input)
    assert cost(model, Usage(output=MILLION)) == pytest.approx(output)


@pytest.mark.parametrize(
    "model",
    [
        "openai:gpt-5-chat-latest",
        "openai:gpt-5-pro",
        "openai:llama3.2:1b",
        "openai:anthropic/claude-sonnet-5",
        "anthropic:claude-instant",
        "anthropic:gpt-5",
        "bedrock:meta.llama3-70b-instruct-v1:0",
        "bedrock:arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc",
        "bedrock:claude-sonnet-5",
        "claude-sonnet-5",
        "",
    ],
)
def test_unlisted_model_has_an_unknown_cost(model: str) -> None:
    assert cost(model, Usage(1000, 1000)) is None


def test_cached_input_has_its_own_prices() -> None:
    usage = Usage(input=MILLION, output=0, cache_read=600_000, cache_write=300_000)
    assert cost("anthropic:claude-sonnet-5", usage) == pytest.approx(0.1 * 2 + 0.6 * 0.2 + 0.3 * 2.5)
    assert cost("openai:gpt-5", Usage(MILLION, 0, MILLION)) == pytest.approx(0.125)


def test_long_prompts_cost_their_own_price_or_an_unknown_one() -> None:
    assert cost("anthropic:claude-haiku-5-5", Usage(100_000)) == pytest.approx(0.01)
    assert cost("anthropic:claude-haiku-5-5", Usage(200_000, MILLION)) == pytest.approx(0.1 + 2.5)
    assert cost("openai:gpt-5.5", Usage(272_000)) == pytest.approx(1.36)
    assert cost("openai:gpt-5.5", Usage(272_001)) is None


def test_more_cached_than_input_is_never_a_negative_price() -> None:
    assert cost("openai:gpt-5", Usage(10, 0, 1000)) == pytest.approx(1000 * 0.125 / MILLION)
