"""Images and files of messages, as agents in code get them."""

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
    """An image or a file of a message. `kind` is `image`, `pdf` or `text`; `size` is in bytes, None where it
    is not known before it is read, as of a `url`."""

    kind: str
    media_type: str | None
    name: str | None
    size: int | None
    url: str | None
    block: Block = field(repr=False)
    _load: Load = field(repr=False, compare=False)

    async def read(self, limit: int = MOST_BYTES) -> bytes:
        """The bytes. Raises `TooLarge` for more than `limit` of them, and `ToolError` where they cannot be
        read (any more)."""
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
    """The text of a message, in which a note stands for each image and file. `parts` are the texts and the
    images and files themselves, in their order."""

    parts: tuple[str | Attachment, ...]

    @classmethod
    def of(cls, blocks: Sequence[Mapping[str, Any]], load: Load) -> "MessageText":
        """The text of blocks of the history."""
        made = cls(plain_text(blocks))
        made.parts = tuple(one for block in blocks if (one := _part(dict(block), load)))
        return made

    @classmethod
    def joined(cls, texts: Sequence[str]) -> "MessageText":
        """Several texts, one below the other."""
        made = cls("\n".join(texts))
        made.parts = tuple(part for text in texts for part in parts_of(text))
        return made

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The images and files."""
        return tuple(part for part in parts_of(self) if isinstance(part, Attachment))


def parts_of(text: str) -> tuple[str | Attachment, ...]:
    """The parts of a text, which is its only one where it is no message's."""
    parts = getattr(text, "parts", None)
    return ((text,) if text else ()) if parts is None else parts


def blocks_of(text: str) -> list[Block]:
    """The parts of a text as blocks of a model's message."""
    return [part.block if isinstance(part, Attachment) else {"text": str(part)} for part in parts_of(text)]


def _part(block: Block, load: Load) -> str | Attachment | None:
    about = attached(block)
    kind = kind_of(block)
    if about is None or kind is None:
        return block.get("text") or None
    get = about.get
    return Attachment(kind, get("mediaType"), get("name"), get("size"), get("url"), block, load)
