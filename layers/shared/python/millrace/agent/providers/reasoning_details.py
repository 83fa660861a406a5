"""OpenRouter's `reasoning_details`: pieces of reasoning, signed or encrypted by the model behind it.
OpenRouter wants them back joined and in order.

Format: https://openrouter.ai/docs/use-cases/reasoning-tokens.
"""

from typing import Any

from millrace.agent.model import Block

_TEXTS = ("text", "summary", "data")
_SHOWN = {"reasoning.text": "text", "reasoning.summary": "summary"}


class ReasoningDetails:
    """The details of one message."""

    def __init__(self) -> None:
        self._details: list[Block] = []

    def add(self, pieces: Any) -> str:
        """Add the pieces of a delta; return the text in them that may be shown."""
        shown = ""
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                self._merge(piece)
                shown += piece.get(_SHOWN.get(piece.get("type", ""), "")) or ""
        return shown

    def _merge(self, piece: Block) -> None:
        last = self._details[-1] if self._details else None
        if last is None or _identity(last) != _identity(piece):
            self._details.append(dict(piece))
            return
        for name, value in piece.items():
            if name in _TEXTS and isinstance(value, str):
                last[name] = (last.get(name) or "") + value
            elif value is not None:
                last[name] = value

    def whole(self) -> list[Block]:
        """Return the details with their pieces joined."""
        return self._details


def _identity(detail: Block) -> tuple[Any, Any]:
    return detail.get("type"), detail.get("index")
