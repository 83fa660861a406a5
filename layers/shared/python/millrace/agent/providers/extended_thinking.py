"""Extended thinking in Claude's API, the same on Anthropic and on Bedrock.

Models up to Claude 4.5 accept a budget and refuse the adaptive form; later ones decide themselves how long to
think, guided by an effort, and refuse a budget. Neither form allows a temperature, which we do not send. With
a budget, signed thinking must be sent back before the tool calls that it led to. Format:
https://platform.claude.com/docs/en/build-with-claude/extended-thinking and .../adaptive-thinking.
"""

import re
from typing import Any

from millrace.agent.model import Message, ModelRequest

MIN_BUDGET = 1024
_ANSWER_TOKENS = 1024  # the minimum that a budget leaves of the call's tokens
_EFFORTS = ((4096, "low"), (16_384, "medium"))
_TAKES_BUDGET = re.compile(r"claude-(3-7-|(opus|sonnet|haiku)-4(-[0-5])?(?!\d|-\d{1,2}(?!\d)))")
_NEVER_THINKS = re.compile(r"claude-(v?[12]|instant|3-(5|opus|sonnet|haiku))")


def can_think(provider: str, model: str) -> bool:
    """Return whether a model may accept `thinking_tokens`: Claude since 3.7, a Bedrock ARN that does not name
    its model, and any other server that speaks Anthropic's protocol."""
    if _NEVER_THINKS.search(model):
        return False
    return provider == "anthropic" or (provider == "bedrock" and ("claude" in model or model[:4] == "arn:"))


def thinking_fields(request: ModelRequest, turns: list[Message]) -> dict[str, Any]:
    """Return the fields of a request's body that ask for thinking. Empty if it was not requested, if the
    call has too few tokens left, or if a budget would be refused because the current tool calls began
    without one."""
    budget = min(request.thinking_tokens, request.max_tokens - _ANSWER_TOKENS)
    if budget < MIN_BUDGET:
        return {}
    if not _adaptive(request.model):
        enabled = {"thinking": {"type": "enabled", "budget_tokens": budget}}
        return {} if _calls_began_without(turns) else enabled
    effort = next((name for most, name in _EFFORTS if budget <= most), "high")
    # Unless a display is requested, the newest models sign their thinking and show none of it.
    return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}


def _adaptive(model: str) -> bool:
    return ("claude" in model or model.startswith("arn:")) and not _TAKES_BUDGET.search(model)


def _calls_began_without(turns: list[Message]) -> bool:
    under_way = len(turns) > 1 and any("toolResult" in block for block in turns[-1]["content"])
    return under_way and "reasoningContent" not in turns[-2]["content"][0]
