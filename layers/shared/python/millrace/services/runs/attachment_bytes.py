"""The bytes of images and files for a model: from the bucket, or from a URL in a user's message."""

import logging

from millrace.agent.attachments import Load
from millrace.agent.model import Block
from millrace.domain.conversations import Slot
from millrace.domain.files import MOST_BYTES, kept_key
from millrace.errors import MillraceError
from millrace.services.runs.platform import Platform

log = logging.getLogger(__name__)
SECONDS = 15.0


def loader(platform: Platform, root: Slot) -> Load:
    """Return the reader of the attachments in a conversation's messages."""

    async def load(about: Block) -> bytes | None:
        if "fileId" in about:
            return await platform.stores.file_objects.read(kept_key(root, about["fileId"]))
        return await _fetched(platform, about["url"])

    return load


async def _fetched(platform: Platform, url: str) -> bytes | None:
    """Return the bytes at a URL, at most `MOST_BYTES`, or None on failure. Redirects are not followed."""
    from millrace.net.errors import AddressNotAllowed, RequestFailed
    from millrace.net.fetch import fetch

    try:
        answer = await fetch(platform.http.guarded, "GET", url, limit=MOST_BYTES, seconds=SECONDS)
    except (AddressNotAllowed, RequestFailed, MillraceError) as error:
        log.info("a URL in a message cannot be fetched: %s", error)
        return None
    return answer.body if answer.status == 200 and not answer.truncated else None
