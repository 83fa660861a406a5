"""The output items of a response while they are made: what begins one, adds to it and ends it.

Every change gives the events of the stream (without their numbers) and the item as it stands in the end, so
that a response that is read whole cannot differ from one that was streamed.
"""

from typing import Any

from msgspec import Struct, field

from millrace.domain.events import Event

Chunk = dict[str, Any]
Json = dict[str, Any]


class Item(Struct):
    """An output item at its index. `sources` are the numbers and events of the log that it is made of; `void`
    says that it was taken back, so that the finished response does not have it."""

    index: int
    body: Json
    sources: list[tuple[int, Event]] = field(default_factory=list)
    open: bool = True
    void: bool = False
    _text: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.body["id"])

    def added(self) -> list[Chunk]:
        """The events with which the item begins."""
        return [{"type": "response.output_item.added", "output_index": self.index, "item": dict(self.body)}]

    def done(self, **final: Any) -> list[Chunk]:
        """The events with which it ends, with the last fields of its body."""
        self.open = False
        self.body |= final
        return [{"type": "response.output_item.done", "output_index": self.index, "item": dict(self.body)}]

    def change(self, kind: str, **fields: Any) -> Chunk:
        """An event about this item."""
        return {"type": f"response.{kind}", "item_id": self.id, "output_index": self.index} | fields

    # --- texts -------------------------------------------------------------------------------------

    def begin_text(self) -> list[Chunk]:
        """Begin the one text of a message, or of a reasoning item."""
        return [*self.added(), self._part("added", "")]

    def add_text(self, text: str) -> list[Chunk]:
        """A piece of the text."""
        self._text.append(text)
        more: Json = {"logprobs": []} if self.is_message else {}
        return [self.change(f"{self._kind}.delta", **self._at, delta=text, **more)]

    def end_text(self, status: str = "completed", **final: Any) -> list[Chunk]:
        """The end of the text and of its item, with the last fields of its body."""
        text = "".join(self._text)
        more: Json = {"logprobs": []} if self.is_message else {}
        ended = [
            self.change(f"{self._kind}.done", **self._at, text=text, **more),
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
    def _at(self) -> Json:
        return {"content_index": 0} if self.is_message else {"summary_index": 0}

    def _part(self, what: str, text: str) -> Chunk:
        kind = "content_part" if self.is_message else "reasoning_summary_part"
        return self.change(f"{kind}.{what}", **self._at, part=self._content(text))

    def _content(self, text: str) -> Json:
        if self.is_message:
            return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {"type": "summary_text", "text": text}

    # --- calls -------------------------------------------------------------------------------------

    def begin_call(self, arguments: str) -> list[Chunk]:
        """A call whose arguments are known as a whole."""
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
        """The result of a call that ran on our side."""
        if ok:
            return [self.change("mcp_call.completed"), *self.done(status="completed", output=output)]
        error = {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": output}]}
        return [self.change("mcp_call.failed"), *self.done(status="failed", error=error)]

    def abandon(self) -> list[Chunk]:
        """End an item that came to no end of its own."""
        if not self.open:
            return []
        if self.body["type"] in ("message", "reasoning"):
            return self.end_text("incomplete")
        return self.done(status="incomplete")
