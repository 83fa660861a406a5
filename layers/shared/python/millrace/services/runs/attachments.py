"""Images and files of a message: validated, and stored with their conversation before it is accepted.

Uploads are inspected here for the first time: their size, and the type that their bytes show.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from millrace.domain.content import (
    Attachment,
    Block,
    Content,
    ImagePart,
    TextPart,
    attachments,
    to_blocks,
    unsupported,
)
from millrace.domain.conversations import Slot
from millrace.domain.files import StoredFile, check_size, content_id, unknown_file
from millrace.domain.media import HEAD_BYTES, IMAGE_TYPES, agrees
from millrace.errors import Conflict, InvalidRequest
from millrace.stores.connect import Stores
from millrace.stores.file_objects import Head

Check = Callable[[Sequence[Block]], None]
"""Raises an error for attachments that a model does not accept."""


def accept_all(blocks: Sequence[Block]) -> None:
    """Accept every image and file. A model that does not accept one gets a note instead."""


async def kept_blocks(
    stores: Stores,
    slot: Slot,
    user: str,
    content: Content,
    check: Check = accept_all,
) -> list[Block]:
    """Store a message's attachments with its conversation, and return the content as blocks for the history.

    `check` validates them for the model. Raises `NotFound`, `Conflict`, `InvalidRequest`, `UnsupportedMedia`
    or `TooLarge` before any is stored.
    """
    if isinstance(content, str) or not attachments(content):
        return to_blocks(content, {})
    root = slot.root()
    numbered = [
        (number, part)
        for number, part in enumerate(content)
        if not isinstance(part, TextPart) and part.url is None
    ]
    checked = await asyncio.gather(*(_checked(stores, root, user, part) for _, part in numbered))
    blocks = to_blocks(
        content, {number: one.file.block() for (number, _), one in zip(numbered, checked, strict=True)}
    )
    check(blocks)
    await _to_their_end(one.keep(stores, root) for one in {one.file.id: one for one in checked}.values())
    return blocks


async def _to_their_end(keeping: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all, even if one fails or the request is canceled, then raise the first failure.

    A write continues in its thread, and would otherwise finish after the deletion of a failed message's
    files.
    """
    tasks = [asyncio.create_task(one) for one in keeping]
    if not tasks:
        return
    try:
        await asyncio.wait(tasks)
    finally:
        await asyncio.wait(tasks)
    await asyncio.gather(*tasks)


class _Checked:
    """A file that may be stored.

    `data` came within the message; `head` is the inspected beginning of an upload.
    """

    def __init__(self, file: StoredFile, data: bytes | None = None, head: Head | None = None) -> None:
        self.file = file
        self._data = data
        self._head = head

    async def keep(self, stores: Stores, root: Slot) -> None:
        """Store the file with a conversation.

        The item is written first, so that every object in the bucket has one.
        """
        if self._data is not None:
            await stores.files.create(self.file)
            await stores.file_objects.put(self.file, self._data)
        elif self._head is not None:
            kept = await stores.files.keep(self.file, root)
            if not await stores.file_objects.copy(self.file, kept, self._head.tag):
                await stores.files.delete(kept)
                raise _changed(self.file)


async def _checked(stores: Stores, root: Slot, user: str, part: Attachment) -> _Checked:
    if part.data is not None:
        return _inline(stores, root, user, part)
    file = await stores.files.find(root.organization, part.file_id or "")
    if file is None or file.owner != user:
        raise unknown_file()
    if isinstance(part, ImagePart) != (file.media_type in IMAGE_TYPES):
        raise InvalidRequest(
            f"{file.name} is {file.media_type}: send it as "
            f"{'an image' if file.media_type in IMAGE_TYPES else 'a file'}.",
            code="invalid_request",
        )
    if file.conversation_id == root.conversation_id:
        return _Checked(file)
    if file.conversation_id:
        raise Conflict(
            f"{file.name} belongs to another conversation; upload it again for this one.",
            code="file_in_use",
        )
    head = await stores.file_objects.head(file, HEAD_BYTES)
    if head is None:
        raise Conflict(f"{file.name} has not been uploaded yet.", code="file_not_uploaded")
    if head.size != file.size or not agrees(file.media_type, head.data):
        raise _other_type(file)
    return _Checked(file, head=head)


def _inline(stores: Stores, root: Slot, user: str, part: Attachment) -> _Checked:
    data, media_type = part.bytes(), part.media_type or ""
    if not data or not agrees(media_type, data):
        raise unsupported(f"An attachment that is not of its stated type {media_type}")
    check_size(media_type, len(data))
    name = part.name or f"{part.type}.{media_type.rpartition('/')[2]}"
    file = StoredFile(
        content_id(root, data), root.organization, user, name, media_type, len(data), stores.clock()
    )
    return _Checked(replace(file, conversation_id=root.conversation_id), data=data)


def _other_type(file: StoredFile) -> Exception:
    return unsupported(f"{file.name}, whose bytes are not the {file.media_type} that was announced,")


def _changed(file: StoredFile) -> Conflict:
    return Conflict(f"{file.name} was replaced in the meantime; upload it again.", code="file_not_uploaded")
