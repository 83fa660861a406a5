"""Estimates of tokens, for model calls whose server did not count them: they were stopped, or failed."""

from collections.abc import Sequence
from typing import Any

import orjson

from millrace.agent.attachments import tokens_of
from millrace.agent.model import Message, ModelRequest
from millrace.domain.content import attached

BYTES_PER_TOKEN = 4
"""Of UTF-8. English text has about four characters in a token; scripts with more bytes to a character have
more tokens to one, so bytes hold for them as well."""


def tokens_in(*texts: str) -> int:
    """The tokens of these texts, rounded up."""
    return -(-sum(len(text.encode(errors="replace")) for text in texts) // BYTES_PER_TOKEN)


def prompt_tokens(request: ModelRequest) -> int:
    """The tokens of all that a model is sent."""
    tools = [[tool.name, tool.description, tool.parameters] for tool in request.tools]
    said, beside = without_attachments(request.messages)
    return tokens_in(request.system, _json(said), _json(tools) if tools else "") + beside


def without_attachments(messages: Sequence[Message]) -> tuple[Sequence[Message], int]:
    """The messages without images and files, and the tokens of those."""
    beside = sum(tokens_of(block) for message in messages for block in message["content"])
    if not beside:
        return messages, 0
    left = [
        message | {"content": [block for block in message["content"] if not attached(block)]}
        for message in messages
    ]
    return left, beside


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
