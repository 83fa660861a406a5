"""Files that a message has kept with a conversation that was deleted meanwhile."""

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
    """Knowledge of a conversation: `existed` once it was seen. One that never was may be begun by another
    message with the same files, so they stay for that and for a repeat."""

    existed: bool


@asynccontextmanager
async def given_up_if_deleted(
    stores: Stores, slot: Slot, user: str, content: Content, *, existed: bool = True
) -> AsyncGenerator[Sight, None]:
    """Delete the files of a message that fails, if its conversation, which was there, is not any more. Its
    deletion may have looked into the bucket before they were copied, and nothing else would find them."""
    sight = Sight(existed)
    try:
        yield sight
    except BaseException:
        found = [one for one in attachments(content) if one.url is None]
        if found and sight.existed:
            # To its end even where the request is cancelled.
            await asyncio.shield(_give_up_or_report(stores, slot.root(), user, found))
        raise


async def _give_up_or_report(stores: Stores, root: Slot, user: str, found: list[Attachment]) -> None:
    try:
        await _give_up(stores, root, user, found)
    except Exception:  # the sender is told why the message failed, and not this
        log.exception("files of %s may be left, which is deleted", root.key)


async def _give_up(stores: Stores, root: Slot, user: str, found: list[Attachment]) -> None:
    # Where it can be restored the files may be those of its other messages; a deletion finds them later.
    if not await stores.deletions.is_deleted(root, for_good=True):
        return
    for one in found:
        id = content_id(root, one.bytes()) if one.data is not None else one.file_id or ""
        file = await stores.files.find(root.organization, id)
        if file and (file.owner, file.conversation_id) != (user, root.conversation_id):
            continue
        # The object first, and also without an item: the deletion may have taken that in between.
        await stores.file_objects.delete_kept(root, [id])
        if file:
            await stores.files.delete(file)
