"""Estimates of tokens, for model calls whose server did not count them because they were stopped or
failed."""

from collections.abc import Sequence
from typing import Any

import orjson

from millrace.agent.attachments import tokens_of
from millrace.agent.model import Message, ModelRequest
from millrace.domain.content import attached

BYTES_PER_TOKEN = 4
"""Bytes of UTF-8 per token. English text has about four characters per token; scripts with more bytes per
character have more tokens per character, so the ratio holds for them as well."""


def tokens_in(*texts: str) -> int:
    """Return the estimated tokens of these texts, rounded up."""
    return -(-sum(len(text.encode(errors="replace")) for text in texts) // BYTES_PER_TOKEN)


def prompt_tokens(request: ModelRequest) -> int:
    """Return the estimated tokens of everything in a request."""
    tools = [[tool.name, tool.description, tool.parameters] for tool in request.tools]
    said, beside = without_attachments(request.messages)
    return tokens_in(request.system, _json(said), _json(tools) if tools else "") + beside


def without_attachments(messages: Sequence[Message]) -> tuple[Sequence[Message], int]:
    """Return the messages without images and files, and the tokens of those."""
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
