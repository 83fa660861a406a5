"""Images and PDFs in the turns of a Converse request.

The names of documents may have letters, digits, single spaces, hyphens, parentheses and brackets. Each name
must be unique, and a turn with a document must have a text.
"""

import re
from collections.abc import Iterator
from itertools import count

from millrace.agent.model import Block, Message
from millrace.domain.content import attached

_REFUSED = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_LONGEST = 180


def with_documents(turns: list[Message]) -> list[Message]:
    """Return the turns with `image` and `document` blocks as Converse accepts them."""
    numbers = count(1)
    return [turn | {"content": [*_content(turn["content"], numbers)]} for turn in turns]


def _content(blocks: list[Block], numbers: Iterator[int]) -> Iterator[Block]:
    for block in blocks:
        yield _block(block, numbers) if attached(block) else block
    if any("file" in block for block in blocks) and not any("text" in block for block in blocks):
        yield {"text": "(a document)"}


def _block(block: Block, numbers: Iterator[int]) -> Block:
    about = attached(block) or {}
    source = {"bytes": about["data"]}
    format = about["mediaType"].rpartition("/")[2]
    if "image" in block:
        return {"image": {"format": format, "source": source}}
    name = _REFUSED.sub(" ", (about.get("name") or "").removesuffix(".pdf")).strip()[:_LONGEST]
    return {"document": {"format": format, "name": f"{name or 'document'} {next(numbers)}", "source": source}}
