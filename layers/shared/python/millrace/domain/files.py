"""Files that users have uploaded, or sent within a message."""

import hashlib
from base64 import b32encode
from typing import Any

from msgspec import Struct

from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.ids import new_id
from millrace.domain.media import TEXT_TYPES, checked_type
from millrace.errors import InvalidRequest, NotFound, TooLarge

MOST_BYTES = 25_000_000
MOST_TEXT_BYTES = 1_000_000
"""The maximum size of a file that a model reads as text."""
UPLOAD_SECONDS = 15 * 60
UNUSED_SECONDS = 24 * 3600
"""The time after which a file that no message has used is deleted."""
UPLOADS = "uploads/"
"""The bucket deletes objects with this prefix after a day or two; only upload forms write there."""
KEPT = "conversations/"


class StoredFile(Struct, frozen=True):
    """A file of its `owner`. `conversation_id` is the conversation that keeps it; None while no message has
    used it, and then it expires at `expires_ms`."""

    id: str
    organization: str
    owner: str
    name: str
    media_type: str
    size: int
    created_ms: int
    conversation_id: str | None = None

    @property
    def expires_ms(self) -> int | None:
        """The time at which it is deleted, in milliseconds since the epoch; None if a message uses it."""
        return None if self.conversation_id else self.created_ms + UNUSED_SECONDS * 1000

    @property
    def key(self) -> str:
        """The key of its object."""
        if self.conversation_id:
            return kept_key(Slot(self.organization, self.conversation_id), self.id)
        return f"{UPLOADS}{self.organization}/{self.id}"

    def block(self) -> dict[str, Any]:
        """Return the facts about the file in a message's block."""
        return {"fileId": self.id, "mediaType": self.media_type, "name": self.name, "size": self.size}

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "fileId": self.id,
            "name": self.name,
            "mediaType": self.media_type,
            "size": self.size,
            "conversationId": self.conversation_id,
            "createdAt": iso(self.created_ms),
            "expiresAt": iso(self.expires_ms) if self.expires_ms else None,
        }


def new_file(
    organization: str, owner: str, name: str, media_type: str, size: int, now: int, allowed: tuple[str, ...]
) -> StoredFile:
    """Return the record of a file to upload. Raises `InvalidRequest` or `TooLarge`."""
    try:
        media_type = checked_type(media_type, allowed)
    except ValueError as error:
        raise InvalidRequest(f"mediaType: {error}.", code="invalid_request") from error
    check_size(media_type, size)
    return StoredFile(new_id("file"), organization, owner, name, media_type, size, now)


def check_size(media_type: str, size: int) -> None:
    """Raise `TooLarge` if a file of this type must not have this size."""
    most = MOST_TEXT_BYTES if media_type in TEXT_TYPES else MOST_BYTES
    if size > most:
        raise TooLarge(
            f"A file of type {media_type} must not exceed {most:,} bytes.", code="file_too_large", limit=most
        )


def content_id(root: Slot, data: bytes) -> str:
    """Return the id of a file within a message: the same whenever it is sent again in the conversation."""
    digest = hashlib.sha256(root.key.encode() + b"\0" + data).digest()
    return f"file_{b32encode(digest)[:32].decode()}"


def kept_prefix(root: Slot) -> str:
    """Return the prefix of the keys of all files that a conversation keeps."""
    return f"{KEPT}{root.organization}/{root.conversation_id}/"


def kept_key(root: Slot, file_id: str) -> str:
    """Return the object's key of a file that a conversation keeps."""
    return f"{kept_prefix(root)}{file_id}"


def unknown_file() -> NotFound:
    """Return the error for a file that does not exist, or that the caller must not see."""
    return NotFound(
        "No file has this id: it was never uploaded, has expired unused, or is another user's.",
        code="file_not_found",
    )
