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
"""Of a file that a model reads as text."""
UPLOAD_SECONDS = 15 * 60
UNUSED_SECONDS = 24 * 3600
"""A file that no message has used by then is deleted."""
UPLOADS = "uploads/"
"""The bucket deletes what lies here after a day or two; nothing but forms writes here."""
KEPT = "conversations/"


class StoredFile(Struct, frozen=True):
    """A file of its `owner`. `conversation_id` is the conversation that keeps it, None as long as no message
    has used it; then it expires at `expires_ms`."""

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
        """The time at which it is deleted, in milliseconds since the epoch; None for one that is used."""
        return None if self.conversation_id else self.created_ms + UNUSED_SECONDS * 1000

    @property
    def key(self) -> str:
        """The key of its object."""
        if self.conversation_id:
            return kept_key(Slot(self.organization, self.conversation_id), self.id)
        return f"{UPLOADS}{self.organization}/{self.id}"

    def block(self) -> dict[str, Any]:
        """The facts that a message's block has of it."""
        return {"fileId": self.id, "mediaType": self.media_type, "name": self.name, "size": self.size}

    def to_wire(self) -> dict[str, Any]:
        """The JSON object as clients see it."""
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
    """A file that is about to be uploaded. Raises `InvalidRequest` or `TooLarge`."""
    try:
        media_type = checked_type(media_type, allowed)
    except ValueError as error:
        raise InvalidRequest(f"mediaType: {error}.", code="invalid_request") from error
    check_size(media_type, size)
    return StoredFile(new_id("file"), organization, owner, name, media_type, size, now)


def check_size(media_type: str, size: int) -> None:
    """Raises `TooLarge`."""
    most = MOST_TEXT_BYTES if media_type in TEXT_TYPES else MOST_BYTES
    if size > most:
        raise TooLarge(
            f"A file of type {media_type} must not exceed {most:,} bytes.", code="file_too_large", limit=most
        )


def content_id(root: Slot, data: bytes) -> str:
    """The id of a file that a message brings within itself: the same whenever it is sent again there."""
    digest = hashlib.sha256(root.key.encode() + b"\0" + data).digest()
    return f"file_{b32encode(digest)[:32].decode()}"


def kept_prefix(root: Slot) -> str:
    """The beginning of the keys of all files that a conversation keeps."""
    return f"{KEPT}{root.organization}/{root.conversation_id}/"


def kept_key(root: Slot, file_id: str) -> str:
    """The key of the object of a file that a conversation keeps."""
    return f"{kept_prefix(root)}{file_id}"


def unknown_file() -> NotFound:
    """The error for a file that is not there, or is not the caller's to see."""
    return NotFound(
        "No file has this id: it was never uploaded, has expired unused, or is another user's.",
        code="file_not_found",
    )
