"""Prices of model calls in US dollars; None where a price is not known, never a made-up 0.

List prices for on-demand use, per million tokens, as published on 2026-11-01 at
https://platform.claude.com/docs/en/about-claude/pricing, https://developers.openai.com/api/docs/pricing and
https://aws.amazon.com/bedrock/pricing/ (us-east-1). Discounts, batches and service tiers are not in it.

A row is for one model: its dated, versioned and regional ids match it (`gpt-5-mini-2025-08-07`,
`us.anthropic.claude-sonnet-4-5-20250929-v1:0`, an ARN that ends so), other models of its family do not
(`gpt-5-chat-latest` is not `gpt-5`).
"""

import re

from msgspec import Struct

from millrace.agent.model import Usage

PUBLISHED = "2026-11-01"


class Price(Struct, frozen=True):
    """Prices in dollars per million tokens. Prompts of more than `longest` tokens have the prices of `above`,
    or, if that is not set, an unknown price."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    longest: int | None = None
    above: "Price | None" = None


def _claude(input: float, output: float, read: float = 0.1) -> Price:
    """Return the prices of a Claude model. Anthropic charges for its cache by factors of the input price:
    1.25 for five-minute writes, and a factor that depends on the model for reads."""
    return Price(input, output, input * read, input * 1.25)


def _gpt(input: float, output: float, read: float, longest: int | None = None) -> Price:
    """Return the prices of a GPT model. OpenAI does not charge for writes to its cache. Prompts of more than
    `longest` tokens have other prices."""
    return Price(input, output, read, input, longest)


_LONG = 272_000
_HAIKU_5_5 = Price(0.1, 0.5, 0.01, 0.125, longest=100_000, above=_claude(0.5, 2.5))

_CLAUDE = {
    "claude-fable-5-1": _claude(10, 50, read=0.025),
    "claude-fable-5": _claude(10, 50),
    "claude-mythos-5-1": _claude(10, 50, read=0.025),
    "claude-mythos-5": _claude(10, 50),
    "claude-opus-5-5": _claude(4, 20, read=0.05),
    "claude-opus-5": _claude(5, 25),
    "claude-opus-4-8": _claude(5, 25),
    "claude-opus-4-7": _claude(5, 25),
    "claude-opus-4-6": _claude(5, 25),
    "claude-opus-4-5": _claude(5, 25),
    "claude-opus-4-1": _claude(15, 75),
    "claude-opus-4": _claude(15, 75),
    "claude-sonnet-5-5": _claude(2, 10, read=0.05),
    "claude-sonnet-5": _claude(2, 10),
    "claude-sonnet-4-6": _claude(3, 15),
    "claude-sonnet-4-5": _claude(3, 15),
    "claude-sonnet-4": _claude(3, 15),
    "claude-haiku-5-5": _HAIKU_5_5,
    "claude-haiku-4-5": _claude(1, 5),
}
_NOVA = {
    "nova-2-lite": Price(0.3, 2.5, 0.075, 0.3),
    "nova-premier": Price(2.5, 12.5, 0.625, 2.5),
    "nova-pro": Price(0.8, 3.2, 0.2, 0.8),
    "nova-lite": Price(0.06, 0.24, 0.015, 0.06),
    "nova-micro": Price(0.035, 0.14, 0.00875, 0.035),
}
_OPENAI = {
    "gpt-6-astra": _gpt(10, 50, 1, _LONG),
    "gpt-5.6-terra": _gpt(2, 12, 0.2, _LONG),
    "gpt-5.6-luna": _gpt(0.2, 1.2, 0.02, _LONG),
    "gpt-5.5": _gpt(5, 30, 0.5, _LONG),
    "gpt-5.5-pro": _gpt(30, 180, 30, _LONG),
    "gpt-5.4": _gpt(2.5, 15, 0.25, _LONG),
    "gpt-5.4-mini": _gpt(0.75, 4.5, 0.075, _LONG),
    "gpt-5.4-nano": _gpt(0.2, 1.25, 0.02, _LONG),
    "gpt-5.2": _gpt(1.75, 14, 0.175),
    "gpt-5.1": _gpt(1.25, 10, 0.125),
    "gpt-5": _gpt(1.25, 10, 0.125),
    "gpt-5-mini": _gpt(0.25, 2, 0.025),
    "gpt-5-nano": _gpt(0.05, 0.4, 0.005),
    "gpt-4.1": _gpt(2, 8, 0.5),
    "gpt-4.1-mini": _gpt(0.4, 1.6, 0.1),
    "gpt-4.1-nano": _gpt(0.1, 0.4, 0.025),
    "gpt-4o": _gpt(2.5, 10, 1.25),
    "gpt-4o-mini": _gpt(0.15, 0.6, 0.075),
    "o3": _gpt(2, 8, 0.5),
    "o4-mini": _gpt(1.1, 4.4, 0.275),
}
# These run inside the function, whose price on Lambda is not the model's.
_FREE = Price(0, 0, 0, 0)

# The same model with an optional date, "latest" and Bedrock's version, in this order.
_EDITION = re.compile(r"([-@]\d{4}-?\d\d-?\d\d)?(-latest|-0)?(-v\d+(:\d+)?(:\d+k)?)?")
_BEDROCK_ID = re.compile(r"(?:(?P<area>[a-z-]+)\.)?(?P<maker>anthropic|amazon)\.(?P<name>.+)")
# From Claude 4.5 on, Bedrock charges 10 % more if the request must stay in a region or a geography.
_REGIONAL = 1.1
_SAME_EVERYWHERE = {"claude-opus-4-1", "claude-opus-4", "claude-sonnet-4"}


def cost(model: str, usage: Usage) -> float | None:
    """Return the dollars for one call of `model`, which has its provider's prefix; None if the price is not
    known."""
    price, factor = _listed(*model.partition(":")[::2])
    if price and price.longest is not None and usage.input > price.longest:
        price = price.above
    return None if price is None else _charge(price, usage) * factor / 1_000_000


def _charge(price: Price, usage: Usage) -> float:
    fresh = max(usage.input - usage.cache_read - usage.cache_write, 0)
    cached = usage.cache_read * price.cache_read + usage.cache_write * price.cache_write
    return fresh * price.input + cached + usage.output * price.output


def _listed(provider: str, name: str) -> tuple[Price | None, float]:
    """Return the row of a model and the factor to apply to it."""
    match provider:
        case "demo" | "echo" | "code":  # the models that an agent in code calls are charged separately
            return _FREE, 1.0
        case "anthropic":
            return _CLAUDE.get(_row(_CLAUDE, name)), 1.0
        case "openai":
            return _OPENAI.get(_row(_OPENAI, name)), 1.0
        case "bedrock":
            return _on_bedrock(name)
    return None, 1.0


def _on_bedrock(name: str) -> tuple[Price | None, float]:
    found = _BEDROCK_ID.fullmatch(name.rpartition("/")[2])
    if not found:
        return None, 1.0
    table = _CLAUDE if found["maker"] == "anthropic" else _NOVA
    row = _row(table, found["name"])
    plain = table is _NOVA or found["area"] == "global" or row in _SAME_EVERYWHERE
    return table.get(row), 1.0 if plain else _REGIONAL


def _row(table: dict[str, Price], name: str) -> str:
    """Return the longest row that `name` begins with if the rest is only an edition; otherwise ""."""
    rows = sorted((row for row in table if name.startswith(row)), key=len, reverse=True)
    return next((row for row in rows if _EDITION.fullmatch(name, len(row))), "")
