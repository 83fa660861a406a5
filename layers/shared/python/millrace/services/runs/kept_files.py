"""Files that a message stored with a conversation that was deleted in the meantime."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from msgspec import Struct

from millrace.domain.content import Attachment, Content, attachments
from millrace.domain.conversations import Slot
from millrace.domain.files import content_id
from millrace.stores.connect import Stores

log = logging.getLogger(__name__)


class Sight(Struct):
    """A record of a conversation: `existed` once it was seen.

    If it never existed, another message with the same files may begin it, so the files stay for that message
    and for a repeated request.
    """

    existed: bool


@asynccontextmanager
async def given_up_if_deleted(
    stores: Stores, slot: Slot, user: str, content: Content, *, existed: bool = True
) -> AsyncGenerator[Sight, None]:
    """Delete the files of a message that fails, if its conversation existed but does not any more.

    Its deletion may have listed the bucket before the files were copied, and nothing else would find them.
    """
    sight = Sight(existed)
    try:
        yield sight
    except BaseException:
        found = [one for one in attachments(content) if one.url is None]
        if found and sight.existed:
            # Finish even if the request is canceled.
            await asyncio.shield(_give_up_or_report(stores, slot.root(), user, found))
        raise


async def _give_up_or_report(stores: Stores, root: Slot, user: str, found: list[Attachment]) -> None:
    try:
        await _give_up(stores, root, user, found)
    except Exception:  # the sender gets the error of the message instead
        log.exception("files of the deleted conversation %s may be left", root.key)


async def _give_up(stores: Stores, root: Slot, user: str, found: list[Attachment]) -> None:
    # If the conversation can be restored, the files may belong to its other messages; a deletion finds them
    # later.
    if not await stores.deletions.is_deleted(root, for_good=True):
        return
    for one in found:
        id = content_id(root, one.bytes()) if one.data is not None else one.file_id or ""
        file = await stores.files.find(root.organization, id)
        if file and (file.owner, file.conversation_id) != (user, root.conversation_id):
            continue
        # The object first, and even without an item: the deletion may have deleted the item in between.
        await stores.file_objects.delete_kept(root, [id])
        if file:
            await stores.files.delete(file)
