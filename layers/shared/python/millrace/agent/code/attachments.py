"""Images and files of messages, as agents in code receive them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.agent.accepts import kind_of
from millrace.agent.attachments import Load
from millrace.agent.model import Block
from millrace.domain.content import attached, plain_text
from millrace.domain.files import MOST_BYTES
from millrace.errors import TooLarge, ToolError


@dataclass(frozen=True, slots=True)
class Attachment:
    """An image or a file of a message. `kind` is `image`, `pdf` or `text`; `size` is in bytes, and None if it
    is not known before the content is read, as for a `url`."""

    kind: str
    media_type: str | None
    name: str | None
    size: int | None
    url: str | None
    block: Block = field(repr=False)
    _load: Load = field(repr=False, compare=False)

    async def read(self, limit: int = MOST_BYTES) -> bytes:
        """Return the bytes. Raises `TooLarge` if there are more than `limit`, and `ToolError` if they can no
        longer be read."""
        self._check(self.size or 0, limit)
        data = await self._load(attached(self.block) or {})
        if data is None:
            raise ToolError(f"The {self.kind} {self.name or self.url or ''} cannot be read any more.")
        self._check(len(data), limit)
        return data

    def _check(self, size: int, limit: int) -> None:
        if size > limit:
            raise TooLarge(
                f"The {self.kind} {self.name or self.url or ''} has {size:,} bytes; it must not exceed "
                f"{limit:,}.",
                limit=limit,
            )


class MessageText(str):
    """The text of a message, with a note in place of each image and file. `parts` has the texts and the
    images and files themselves, in order."""

    parts: tuple[str | Attachment, ...]

    @classmethod
    def of(cls, blocks: Sequence[Mapping[str, Any]], load: Load) -> "MessageText":
        """Return the text of blocks of the history."""
        made = cls(plain_text(blocks))
        made.parts = tuple(one for block in blocks if (one := _part(dict(block), load)))
        return made

    @classmethod
    def joined(cls, texts: Sequence[str]) -> "MessageText":
        """Join several texts, one below the other."""
        made = cls("\n".join(texts))
        made.parts = tuple(part for text in texts for part in parts_of(text))
        return made

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The images and files."""
        return tuple(part for part in parts_of(self) if isinstance(part, Attachment))


def parts_of(text: str) -> tuple[str | Attachment, ...]:
    """Return the parts of a text; a plain text that is not a message's is its own only part."""
    parts = getattr(text, "parts", None)
    return ((text,) if text else ()) if parts is None else parts


def blocks_of(text: str) -> list[Block]:
    """Return the parts of a text as blocks of a model's message."""
    return [part.block if isinstance(part, Attachment) else {"text": str(part)} for part in parts_of(text)]


def _part(block: Block, load: Load) -> str | Attachment | None:
    about = attached(block)
    kind = kind_of(block)
    if about is None or kind is None:
        return block.get("text") or None
    get = about.get
    return Attachment(kind, get("mediaType"), get("name"), get("size"), get("url"), block, load)
