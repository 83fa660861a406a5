"""Estimates of tokens, for model calls whose server did not count them: they were stopped, or failed."""

from typing import Any

import orjson

from millrace.agent.model import ModelRequest

BYTES_PER_TOKEN = 4
"""Of UTF-8. English text has about four characters in a token; scripts with more bytes to a character have
more tokens to one, so bytes hold for them as well."""


def tokens_in(*texts: str) -> int:
    """The tokens of these texts, rounded up."""
    return -(-sum(len(text.encode(errors="replace")) for text in texts) // BYTES_PER_TOKEN)


def prompt_tokens(request: ModelRequest) -> int:
    """The tokens of all that a model is sent."""
    tools = [[tool.name, tool.description, tool.parameters] for tool in request.tools]
    return tokens_in(request.system, _json(request.messages), _json(tools) if tools else "")


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
