"""Images and files in the turns that a model is sent."""

from collections.abc import Sequence

from millrace.agent.model import Block, Message
from millrace.domain.content import attached, note_of


def with_notes(turns: Sequence[Message]) -> list[Message]:
    """The turns with a note in the place of each image and file."""
    return [turn | {"content": [_noted(block) for block in turn["content"]]} for turn in turns]


def _noted(block: Block) -> Block:
    return {"text": note_of(block)} if attached(block) else block
