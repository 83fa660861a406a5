"""Structured output of Claude, the same on Anthropic and on Bedrock.

Claude since Opus 4.1 and Sonnet 4.5 can enforce a schema that has no bounds or patterns. Other models, and
other schemas, get it as part of the instructions. Format:
https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
"""

import re
from typing import Any

from millrace.agent.output import is_plain

_HOLDS = re.compile(r"claude-(opus-4-1|(opus|sonnet|haiku)-4-[5-9]|[a-z]+-([5-9]|\d\d)(?!\d))")


def can_hold_to(model: str, schema: dict[str, Any]) -> bool:
    """Return whether the model's server makes every answer match this schema."""
    return bool(_HOLDS.search(model)) and is_plain(schema)
