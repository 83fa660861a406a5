"""The words with which servers say that a prompt is too long."""

import pytest

from millrace.agent.context.refusals import limit_in
from millrace.agent.context.windows import window_of
from millrace.agent.providers.failures import Server, failure

TOO_LONG = [
    (
        400,
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130119 "
        "tokens. Please reduce the length of the messages.",
        128_000,
    ),
    (
        400,
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        None,
    ),
    (400, "prompt is too long: 208310 tokens > 200000 maximum", 200_000),
    (
        400,
        "input length and `max_tokens` exceed context limit: 195000 + 8192 > 200000, decrease input length "
        "or `max_tokens` and try again",
        200_000,
    ),
    (400, "Input is too long for requested model.", None),
    (
        400,
        "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds "
        "maximum length. Please update the input to try again.",
        None,
    ),
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", None),
    (
        400,
        "the request exceeds the available context size (4096 tokens), try increasing the context size or "
        "enable context shift",
        4096,
    ),
    (
        400,
        "This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 tokens",
        32_768,
    ),
    (
        400,
        "Prompt contains 40960 tokens and 0 draft tokens, too large for model with 32768 maximum context "
        "length",
        None,
    ),
    (
        413,
        "Request too large for model `llama-3.3-70b-versatile` in organization `org` service tier "
        "`on_demand` on tokens per minute (TPM): Limit 12000, Requested 15021, please reduce your message "
        "size and try again.",
        12_000,
    ),
    (
        429,
        "Request too large for gpt-4o in organization org on tokens per min (TPM): Limit 30000, Requested "
        "34567. The input or output tokens must be reduced in order to run successfully.",
        30_000,
    ),
    (
        500,
        "Trying to keep the first 5120 tokens when context the overflows. However, the model is loaded with "
        "context length of only 4096 tokens, which is not enough.",
        4096,
    ),
    (
        422,
        "inputs tokens + max_new_tokens must be <= 4096. Given: 4000 inputs tokens and 200 max_new_tokens",
        4096,
    ),
]
OTHERS = [
    (400, "The provided model identifier is invalid.", "provider_rejected"),
    (
        400,
        "Invalid 'max_tokens': integer above maximum value. Expected a value <= 16384.",
        "provider_rejected",
    ),
    (
        400,
        "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens",
        "provider_rejected",
    ),
    (401, "Incorrect API key: it is too long", "provider_auth"),
    (429, "Too many tokens, please wait before trying again.", "rate_limited"),
    (429, "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000", "rate_limited"),
    (400, "messages: text content blocks must be non-empty", "provider_rejected"),
]


@pytest.mark.parametrize(("status", "message", "limit"), TOO_LONG)
def test_prompt_too_long_has_a_code_of_its_own(status: int, message: str, limit: int | None) -> None:
    error = failure(Server("X", ""), status, message)
    assert (error.code, error.retryable) == ("context_exceeded", False)
    if limit:
        assert limit_in(error.message) == limit


@pytest.mark.parametrize(("status", "message", "code"), OTHERS)
def test_other_refusals_keep_their_code(status: int, message: str, code: str) -> None:
    assert failure(Server("X", ""), status, message).code == code


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("anthropic:claude-sonnet-4-5", 200_000),
        ("bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0", 200_000),
        ("bedrock:us.amazon.nova-lite-v1:0", 300_000),
        ("bedrock:meta.llama3-70b-instruct-v1:0", 8_192),
        ("bedrock:meta.llama3-1-70b-instruct-v1:0", 128_000),
        ("openai:gpt-4.1-mini", 1_047_576),
        ("openai:gpt-4o-mini", 128_000),
        ("openrouter:openai/gpt-4-turbo", 128_000),
        ("openai:my-own", None),
        ("openai:solo1-chat", None),
    ],
)
def test_window_goes_by_the_name(model: str, window: int | None) -> None:
    assert window_of(model) == window
