"""Images and files of messages, in memory."""

from collections.abc import Mapping

from millrace.agent.accepts import ALL, media_rules
from millrace.agent.attachments import Attachments
from millrace.agent.model import Block
from millrace.domain.agents import Agent
from millrace.domain.content import attachment, to_blocks
from millrace.domain.media import TEXT_TYPES, type_of

_BY_ENDING = {"csv": "text/csv", "json": "application/json", "md": "text/markdown"}


class MemoryFiles:
    """The files of a conversation. The models of tests accept images and PDFs."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def blocks(self, text: str, files: Mapping[str, bytes]) -> list[Block]:
        """Return a message with files, given by name, in the form of the history. Raises
        `UnsupportedMedia`."""
        self._kept |= files
        parts = [attachment(_type(name, data), file_id=name, name=name) for name, data in files.items()]
        stored = [{"fileId": name, "size": len(data)} for name, data in files.items()]
        return [*([{"text": text}] if text else []), *to_blocks(parts, dict(enumerate(stored)))]

    async def load(self, about: Block) -> bytes | None:
        """See `agent.attachments.Load`."""
        return self._kept.get(about.get("fileId", ""))

    def attachments(self, agent: Agent, provider: object, model: str) -> Attachments:
        """See `agent.code.model.FindAttachments`."""
        return Attachments(ALL, media_rules(provider), self.load)


def _type(name: str, data: bytes) -> str:
    found = type_of(data) or ""
    return _BY_ENDING.get(name.rpartition(".")[2], found) if found in TEXT_TYPES else found
