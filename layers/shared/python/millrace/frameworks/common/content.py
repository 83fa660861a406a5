"""The content of messages in the form of most frameworks."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from millrace.agent.model import Block
from millrace.domain.content import attached

Part = TypeVar("Part")


def text_or_parts(blocks: Sequence[Block], part: Callable[[Block], Part]) -> str | list[Part]:
    """Return the content of a message: its text or, if it has images or files, a `part` for each block."""
    if any(map(attached, blocks)):
        return [part(block) for block in blocks]
    return "\n".join(block["text"] for block in blocks)
