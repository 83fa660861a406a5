"""The output items of a response: their start, their changes and their end.

Every change returns the events of the stream (without their numbers) and updates the final item, so that a
response that is read whole cannot differ from one that was streamed.
"""

from typing import Any

from msgspec import Struct, field

from millrace.domain.events import Event

Chunk = dict[str, Any]
Json = dict[str, Any]


class Item(Struct):
    """An output item at its index. `sources` are the numbers and events of the log from which it was made.
    `void` says that it was taken back, so the finished response does not include it."""

    index: int
    body: Json
    sources: list[tuple[int, Event]] = field(default_factory=list)
    open: bool = True
    void: bool = False
    _text: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Return the item's id."""
        return str(self.body["id"])

    def added(self) -> list[Chunk]:
        """Return the events with which the item starts."""
        return [{"type": "response.output_item.added", "output_index": self.index, "item": dict(self.body)}]

    def done(self, **final: Any) -> list[Chunk]:
        """Return the events with which it ends, with the last fields of its body."""
        self.open = False
        self.body |= final
        return [{"type": "response.output_item.done", "output_index": self.index, "item": dict(self.body)}]

    def change(self, kind: str, **fields: Any) -> Chunk:
        """Return an event about this item."""
        return {"type": f"response.{kind}", "item_id": self.id, "output_index": self.index} | fields

    # --- texts -------------------------------------------------------------------------------------

    def begin_text(self) -> list[Chunk]:
        """Start the only text of a message or a reasoning item."""
        return [*self.added(), self._part("added", "")]

    def add_text(self, text: str) -> list[Chunk]:
        """Add a piece of the text."""
        self._text.append(text)
        more: Json = {"logprobs": []} if self.is_message else {}
        return [self.change(f"{self._kind}.delta", **self._position, delta=text, **more)]

    def end_text(self, status: str = "completed", **final: Any) -> list[Chunk]:
        """End the text and its item, with the last fields of its body."""
        text = "".join(self._text)
        more: Json = {"logprobs": []} if self.is_message else {}
        ended = [
            self.change(f"{self._kind}.done", **self._position, text=text, **more),
            self._part("done", text),
        ]
        content = [self._content(text)]
        final |= {"content": content} if self.is_message else {"summary": content}
        return [*ended, *self.done(status=status, **final)]

    @property
    def is_message(self) -> bool:
        """True for a message, false for reasoning."""
        return bool(self.body["type"] == "message")

    @property
    def _kind(self) -> str:
        return "output_text" if self.is_message else "reasoning_summary_text"

    @property
    def _position(self) -> Json:
        return {"content_index": 0} if self.is_message else {"summary_index": 0}

    def _part(self, what: str, text: str) -> Chunk:
        kind = "content_part" if self.is_message else "reasoning_summary_part"
        return self.change(f"{kind}.{what}", **self._position, part=self._content(text))

    def _content(self, text: str) -> Json:
        if self.is_message:
            return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {"type": "summary_text", "text": text}

    # --- calls -------------------------------------------------------------------------------------

    def begin_call(self, arguments: str) -> list[Chunk]:
        """Start a call whose arguments are complete."""
        kind = "function_call" if self.body["type"] == "function_call" else "mcp_call"
        begun = self.added()
        if kind == "mcp_call":
            begun.append(self.change("mcp_call.in_progress"))
        self.body["arguments"] = arguments
        return [
            *begun,
            self.change(f"{kind}_arguments.delta", delta=arguments),
            self.change(f"{kind}_arguments.done", arguments=arguments, name=self.body["name"]),
        ]

    def end_call(self, ok: bool, output: str) -> list[Chunk]:
        """Add the result of a call that ran here."""
        if ok:
            return [self.change("mcp_call.completed"), *self.done(status="completed", output=output)]
        error = {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": output}]}
        return [self.change("mcp_call.failed"), *self.done(status="failed", error=error)]

    def abandon(self) -> list[Chunk]:
        """End an item that did not end by itself."""
        if not self.open:
            return []
        if self.body["type"] in ("message", "reasoning"):
            return self.end_text("incomplete")
        return self.done(status="incomplete")
