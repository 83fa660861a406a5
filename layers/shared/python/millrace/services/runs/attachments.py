"""The images and files of a message: kept with their conversation before the message is accepted."""

from millrace.domain.content import Block, Content, TextPart, to_blocks
from millrace.domain.conversations import Slot
from millrace.errors import NotImplementedHere
from millrace.stores.connect import Stores


async def kept_blocks(stores: Stores, slot: Slot, user: str, content: Content) -> list[Block]:
    """The content as blocks of the history, once its conversation keeps what a user's message brings or
    refers to. Raises `NotImplementedHere`."""
    if not isinstance(content, str):
        for part in content:
            if not isinstance(part, TextPart) and part.url is None:
                raise NotImplementedHere("This deployment keeps no files; send the URL of one instead.")
    return to_blocks(content, {})
