"""Images and files in the turns that a model is sent: their bytes if it accepts them, otherwise a note."""

import base64
import re
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct, field

from millrace.agent.accepts import NOTHING, Accepts, MediaRules, kind_of, most_bytes
from millrace.agent.model import Block, Message, ModelRequest
from millrace.domain.content import attached, note_of
from millrace.domain.media import TEXT_TYPES, agrees, type_of
from millrace.errors import ProviderError

Load = Callable[[Block], Awaitable[bytes | None]]
"""Returns the bytes of an image or a file from what its block says about it; None if they are gone."""
IMAGE_TOKENS = 1600
_NO_ROOM = "left out: it is too large, or there are too many"
_REFUSALS = re.compile(r"image|vision|multi-?modal|pdf|document|attachment|file|content type|url", re.I)


async def load_nothing(about: Block) -> bytes | None:
    """Return None: the `Load` of an agent without files."""
    return None


class Attachments(Struct):
    """The images and files of one run. Bytes are read once and kept, since each model call sends them
    again. Those that are not sent are not kept: a conversation may have more than a process has memory."""

    taken: Accepts = NOTHING
    rules: MediaRules = field(default_factory=MediaRules)
    load: Load = load_nothing
    _read: dict[str, bytes | None] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)

    async def resolved(self, turns: Sequence[Message]) -> list[Message]:
        """Return the turns with `data` (base64) in each image and PDF that the model accepts, text files as
        text, and notes in place of the rest. If there is not room for all, the latest ones are sent."""
        if not any(attached(block) for turn in turns for block in turn["content"]):
            return list(turns)
        room = _Room(self.rules)
        done = [
            turn
            | {"content": [await self._resolved(block, room) for block in reversed(turn["content"])][::-1]}
            for turn in reversed(turns)
        ]
        return done[::-1]

    def shrink(self, error: ProviderError, request: ModelRequest) -> bool:
        """Return whether to try again without images and files: the server has refused them, and only
        earlier messages have any. Otherwise one refused file would make every later message of the
        conversation fail."""
        refused = error.http_status in (400, 404, 413, 415, 422) and _REFUSALS.search(error.message)
        last = request.messages[-1]["content"] if request.messages else []
        past = any(attached(block) for turn in request.messages[:-1] for block in turn["content"])
        if not refused or not past or any(map(attached, last)):
            return False
        self.taken = NOTHING
        return True

    async def _resolved(self, block: Block, room: "_Room") -> Block:
        kind, about = kind_of(block), attached(block)
        if kind is None or about is None:
            return block
        if kind != "text" and kind not in self.taken:
            return _noted(block, "left out: this model does not take it")
        name = "image" if kind == "image" else "file"
        if about.get("url") and name in self.rules.urls and kind != "text":
            return block if room.takes(kind, 0) else _noted(block, "left out: there are too many")
        key = about.get("fileId") or about.get("url") or ""
        size = about.get("size") or self._sizes.get(key, 1)
        if kind != "text" and not room.has(kind, size):
            return _noted(block, _NO_ROOM)
        if key not in self._read:
            self._read[key] = await self.load(about)
        data = self._read[key]
        if data is None:
            return _noted(block, "it cannot be read any more")
        if kind == "text":
            return {"text": f"{note_of(block)}\n{data.decode(errors='replace')}"}
        media_type = about.get("mediaType") or type_of(data) or ""
        if not agrees(media_type, data) or media_type in TEXT_TYPES:
            return _noted(block, "left out: its bytes are of another type")
        if not room.takes(kind, len(data)):
            del self._read[key]
            self._sizes[key] = len(data)
            return _noted(block, _NO_ROOM)
        return {name: about | {"mediaType": media_type, "data": base64.b64encode(data).decode()}}


class _Room:
    """The space for attachments in one request."""

    def __init__(self, rules: MediaRules) -> None:
        self._rules = rules
        self._left = {"image": rules.images, "pdf": rules.pdfs}
        self._bytes = rules.bytes

    def has(self, kind: str, size: int) -> bool:
        """Return whether there is enough space for one more attachment."""
        return size <= min(self._bytes, most_bytes(kind, self._rules)) and self._left[kind] > 0

    def takes(self, kind: str, size: int) -> bool:
        """Reserve space for one more attachment; return whether there was enough."""
        if not self.has(kind, size):
            return False
        self._left[kind] -= 1
        self._bytes -= size
        return True


def _noted(block: Block, reason: str) -> Block:
    return {"text": f"{note_of(block)} ({reason})"}


def tokens_of(block: Block) -> int:
    """Return the estimated tokens of an image or a file; 0 for any other block. Servers count a PDF by its
    pages, whose number can only be guessed from the size."""
    about = attached(block)
    if about is None:
        return 0
    kind, size = kind_of(block), about.get("size") or len(about.get("data", "")) * 3 // 4
    if kind == "image":
        return IMAGE_TOKENS
    return size // 4 if kind == "text" else min(60_000, max(1_500, size // 50))
