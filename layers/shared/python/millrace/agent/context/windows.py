"""The context windows of models: the tokens of a prompt and its answer together.

The table was written from general knowledge of the models, as of November 2026, and has not been compared
with the makers' pages line by line. Where the limit depends on the server or a setting, it has the lower
number: the newest Claude models accept 1,000,000 tokens, but not everywhere. A number that is too high costs
a refused request, from which the limit is learned; one that is too low costs an early summary. The window of
a self-hosted server may be smaller: set `contextTokens` of the agent.
"""

import re

_WINDOWS = {
    "claude-": 200_000,
    "claude-2.0": 100_000,
    "claude-instant": 100_000,
    "nova-micro": 128_000,
    "nova-lite": 300_000,
    "nova-pro": 300_000,
    "nova-premier": 1_000_000,
    "nova-2-lite": 1_000_000,
    "titan-text-lite": 4_096,
    "titan-text-express": 8_192,
    "titan-text-premier": 32_000,
    "gpt-3.5-turbo": 16_385,
    "gpt-4": 8_192,
    "gpt-4-32k": 32_768,
    "gpt-4-turbo": 128_000,
    "gpt-4o": 128_000,
    "chatgpt-4o": 128_000,
    "gpt-4.1": 1_047_576,
    "gpt-5": 400_000,
    "gpt-5-chat": 128_000,
    "gpt-oss": 131_072,
    "o1": 200_000,
    "o1-mini": 128_000,
    "o1-preview": 128_000,
    "o3": 200_000,
    "o4-mini": 200_000,
    "gemini-1.5": 1_000_000,
    "gemini-2": 1_000_000,
    "gemini-3": 1_000_000,
    "deepseek-chat": 128_000,
    "deepseek-reasoner": 128_000,
    "mistral-7b": 32_000,
    "mixtral-8x7b": 32_000,
    "mixtral-8x22b": 64_000,
    "mistral-large": 128_000,
    "mistral-medium": 128_000,
    "ministral": 128_000,
    "llama3-8b": 8_192,
    "llama3-70b": 8_192,
    "llama3-1": 128_000,
    "llama3-2": 128_000,
    "llama3-3": 128_000,
    "llama-3.1": 128_000,
    "llama-3.3": 128_000,
    "command-r": 128_000,
    "jamba-1-5": 256_000,
    "grok-3": 131_072,
    "grok-4": 256_000,
}
# Longest first, since a pattern matches the first alternative that fits: `gpt-4o` also begins with `gpt-4`.
_NAMES = re.compile(
    "(?:^|[/.:_])(" + "|".join(re.escape(name) for name in sorted(_WINDOWS, key=len, reverse=True)) + ")"
)


def window_of(model: str) -> int | None:
    """Return the window of a model, by its name with or without its provider; None if it is not known."""
    found = _NAMES.search(model.lower())
    return _WINDOWS[found[1]] if found else None
