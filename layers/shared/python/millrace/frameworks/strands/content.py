"""Messages in the form of Strands."""

import re
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from millrace.agent.model import Block, Message
from millrace.domain.content import attached

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")


def message_of(turn: Message) -> Any:
    """Return a message with its texts, images and files."""
    return {"role": turn["role"], "content": content_of(turn["content"])}


def content_of(blocks: Sequence[Block]) -> list[Any]:
    """Return the content of a message."""
    return [_part(block) for block in blocks]


def _part(block: Block) -> Any:
    about = attached(block)
    if about is None:
        return {"text": block["text"]}
    made = {"format": about["mediaType"].partition("/")[2], "source": {"bytes": b64decode(about["data"])}}
    if "image" in block:
        return {"image": made}
    return {"document": made | {"name": _NOT_IN_NAMES.sub(" ", about.get("name") or "file")}}
