"""Messages in the form of the OpenAI Agents SDK."""

from collections.abc import Sequence
from typing import Any

from millrace.agent.model import Block, Message
from millrace.domain.content import attached
from millrace.frameworks.common.content import text_or_parts


def item_of(turn: Message) -> dict[str, Any]:
    """Return a message as an item of the input: with a text, or with texts, images and files."""
    return {"role": turn["role"], "content": content_of(turn["content"])}


def content_of(blocks: Sequence[Block]) -> str | list[dict[str, Any]]:
    """Return the content of a message."""
    return text_or_parts(blocks, _part)


def _part(block: Block) -> dict[str, Any]:
    about = attached(block)
    if about is None:
        return {"type": "input_text", "text": block["text"]}
    data = f"data:{about['mediaType']};base64,{about['data']}"
    if "image" in block:
        return {"type": "input_image", "image_url": data, "detail": "auto"}
    return {"type": "input_file", "file_data": data, "filename": about.get("name") or "file.pdf"}
