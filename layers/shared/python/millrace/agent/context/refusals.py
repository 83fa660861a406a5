"""Recognizes a server's refusal of a prompt that is too long for its model."""

import re

_TOO_LONG = re.compile(
    r"context.?length|context.?window|context.?size|maximum context|max(imum)? (model|sequence|prompt) len"
    r"|(prompt|input|message|conversation|request|text)s?\b.{0,40}\b(is|are) too (long|large)"
    r"|too many (input |total )?tokens|request too large for |reduce the length|context overflow"
    r"|exceeds? .{0,60}(context|maximum (number of )?(input )?tokens|token limit|max_model_len)"
    r"|(token|tokens) .{0,40}exceeds? |longer than the (model|maximum)|n_ctx"
    r"|maximum (allowed )?(input |prompt )?(length|tokens)|input length|max_new_tokens`? must be <=",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"request too large for ", re.IGNORECASE)
_LIMITS = (
    r"maximum context length (?:is|of) (?P<limit>[\d,]+)",
    r"tokens > (?P<limit>[\d,]+) maximum",
    r"\d+ \+ \d+ > (?P<limit>[\d,]+)",
    r"max_new_tokens`? must be <= (?P<limit>[\d,]+)",
    r"(?:context (?:size|window|length)|n_ctx|max_model_len|maximum (?:allowed )?(?:number of tokens|length))"
    r"[^\d]{0,30}(?P<limit>\d[\d,]{2,})",
    r"limit:? (?:of |is )?(?P<limit>\d[\d,]{2,})",
)
_LIMIT = [re.compile(pattern, re.IGNORECASE) for pattern in _LIMITS]


def says_too_long(status: int, message: str) -> bool:
    """Return whether a server refused a prompt for its length.

    The message of a rate limit may mention tokens as well, but the same prompt is accepted later, unless the
    prompt alone exceeds the limit.
    """
    return bool((_TOO_LARGE if status == 429 else _TOO_LONG).search(message))


def limit_in(message: str) -> int | None:
    """Return the limit in tokens that the message states; None if it states none."""
    found = next((match for pattern in _LIMIT if (match := pattern.search(message))), None)
    return int(found["limit"].replace(",", "")) if found else None
