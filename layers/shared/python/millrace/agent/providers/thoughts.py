"""A model's thinking as it arrives: shown piece by piece, and kept for later requests only if it is
signed."""

from base64 import b64decode, b64encode
from collections.abc import Iterator

from millrace.agent.model import Delta, Thinking, ThinkingBlock
from millrace.agent.providers.lenient_json import Joiner


class OpenThought:
    """One block of thinking. Its text may be empty: some models sign thinking that they do not show."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._signature = ""
        self._redacted = b""
        self._joiner = Joiner()

    def add(self, text: str | None) -> Iterator[Delta]:
        if text := self._joiner.join(text or ""):
            self._text.append(text)
            yield Thinking(text)

    def sign(self, signature: str | None) -> None:
        self._signature += signature or ""

    def redact(self, piece: str) -> None:
        """Add a piece of encrypted thinking in base64."""
        self._redacted += b64decode(piece)

    def close(self) -> Iterator[Delta]:
        """Yield the block to keep if the thinking is signed or encrypted."""
        if self._redacted:
            yield ThinkingBlock({"reasoningContent": {"redactedContent": b64encode(self._redacted).decode()}})
        if self._signature:
            text = {"text": "".join(self._text), "signature": self._signature}
            yield ThinkingBlock({"reasoningContent": {"reasoningText": text}})
