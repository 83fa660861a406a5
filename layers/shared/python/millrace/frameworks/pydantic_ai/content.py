"""Messages in the form of pydantic-ai."""

from base64 import b64decode
from collections.abc import Sequence

from pydantic_ai.messages import BinaryContent, UserContent

from millrace.agent.model import Block
from millrace.domain.content import attached
from millrace.frameworks.common.content import text_or_parts


def content_of(blocks: Sequence[Block]) -> str | list[UserContent]:
    """Return the content of a user's message: a text, or texts with images and files between them."""
    return text_or_parts(blocks, _part)


def _part(block: Block) -> UserContent:
    about = attached(block)
    if about is None:
        return str(block["text"])
    return BinaryContent(b64decode(about["data"]), media_type=about["mediaType"])
