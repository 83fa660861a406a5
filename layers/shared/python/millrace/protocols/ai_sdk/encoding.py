"""A run as a UI message stream of the AI SDK (version 1 of the stream), as `ai` 6 and 7 read it.

The stream creates one UI message. Its parts have `providerMetadata.millrace.seq`, the number of their first
event. A part `data-rewind` takes back the parts between its `after` and itself.
"""

from collections.abc import Callable, Mapping, Sequence

import orjson
from msgspec import Struct

from millrace.domain.events import Event, LogEntry
from millrace.domain.projection import CAP, project, rewound_to
from millrace.protocols.ai_sdk.parts import Chunk, about, data, line
from millrace.protocols.ai_sdk.tool_parts import ToolParts
from millrace.protocols.protocol import View

DONE = b"data: [DONE]\n\n"
WAITING = b'data: {"type":"finish","finishReason":"tool-calls"}\n\n' + DONE
"""The end of a stream whose run waits for people: the client sends their answers and receives the rest."""
_FINISH_REASONS = {"stop": "stop", "max_tokens": "length", "refusal": "content-filter"}
_NO_EVENT: Event = {}


class _OpenPart(Struct, frozen=True):
    """An open text or reasoning. `prefix` is the chunk of its next piece, up to the piece itself."""

    kind: str
    id: str
    parent: str | None
    prefix: bytes


class AiSdkProjection:
    """See `protocols.protocol.Projection`. `version` is the client's: 7 accepts chunks that make 6 fail."""

    def __init__(self, view: View, version: int = 6) -> None:
        self._view = view
        self._version = version
        self._open: _OpenPart | None = None
        self._step = 0  # the number of the event with which the step began; 0 between steps
        self._answered = False  # a call of this step has its result, so the model is asked next
        self._tools = ToolParts(view.run.id, version)
        self._handlers: Mapping[str, Callable[[int, Event], list[Chunk]]] = {
            "start": self._start,
            "status": self._status,
            "tool_call": self._tool_call,
            "tool_result": self._tool_result,
            "injected": self._injected,
            "approval_requested": self._requested,
            "approval_answered": lambda seq, event: self._tools.answered(event),
            "waiting": lambda seq, event: self._end_step(),
            "done": self._done,
            "error": self._error,
        }

    def chunks(self, entry: LogEntry) -> Sequence[bytes]:
        """See `protocols.protocol.Projection`."""
        event = entry.event
        if entry.type == "token" and "parent" not in event and CAP not in event:  # the most frequent case
            return self._piece(entry.seq, "text", event["token"], _NO_EVENT)
        if entry.type == "rewind":
            return [line(chunk) for chunk in self._rewind(entry.seq, rewound_to(entry))]
        shown = project(event, self._view.detail)
        if shown is None:
            return [line(chunk) for chunk in self._hidden(event)] if "parent" not in event else ()
        if shown["type"] == "thinking":
            return self._piece(entry.seq, "reasoning", shown["text"], shown)
        if shown["type"] == "token":
            return self._piece(entry.seq, "text", shown["token"], shown)
        handle = self._handlers.get(shown["type"])
        return [line(chunk) for chunk in handle(entry.seq, shown)] if handle else ()

    def end(self, last: LogEntry | None) -> bytes:
        """See `protocols.protocol.Projection`."""
        return WAITING if last is not None and last.type == "waiting" else DONE

    # --- texts and steps ---------------------------------------------------------------------------

    def _piece(self, seq: int, kind: str, text: str, event: Event) -> Sequence[bytes]:
        part, parent = self._open, event.get("parent")
        if not text:
            return ()
        own = parent is None
        if part and part.kind == kind and part.parent == parent and not (own and self._answered):
            return (b"%b%b}" % (part.prefix, orjson.dumps(text)),)
        before = [*self._close(), *self._begin_step(seq, own=own)]
        part_id = f"{kind[0]}{seq}"
        start: Chunk = {"type": f"{kind}-start", "id": part_id, "providerMetadata": about(seq, event)}
        prefix = b'data: {"type":"%b-delta","id":"%b","delta":' % (kind.encode(), part_id.encode())
        self._open = _OpenPart(kind, part_id, parent, prefix)
        return [*map(line, [*before, start]), b"%b%b}" % (prefix, orjson.dumps(text))]

    def _close(self) -> list[Chunk]:
        part, self._open = self._open, None
        return [{"type": f"{part.kind}-end", "id": part.id}] if part else []

    def _begin_step(self, seq: int, *, own: bool = True) -> list[Chunk]:
        """Begin a step, which is a turn of the model with the results of its calls."""
        ended = self._end_step() if own and self._answered else []
        if self._step:
            return ended
        self._step = seq
        return [*ended, {"type": "start-step"}]

    def _end_step(self) -> list[Chunk]:
        ended, self._step, self._answered = self._step, 0, False
        return self._close() + ([{"type": "finish-step"}] if ended else [])

    def _hidden(self, event: Event) -> list[Chunk]:
        """Handle a hidden event that bounds turns, since a `rewind` may go back to it."""
        if event["type"] == "injected":
            return self._end_step()
        if event["type"] in ("tool_call", "tool_result"):
            self._answered = self._answered or event["type"] == "tool_result"
            return self._close()
        return []

    # --- events ------------------------------------------------------------------------------------

    def _start(self, seq: int, event: Event) -> list[Chunk]:
        about_run = {name: event[name] for name in ("runId", "conversationId", "agentId")}
        return [{"type": "start", "messageId": event["messageId"], "messageMetadata": about_run}]

    def _status(self, seq: int, event: Event) -> list[Chunk]:
        return [data("status", _without_type(event), transient=True)]

    def _tool_call(self, seq: int, event: Event) -> list[Chunk]:
        begun = [*self._close(), *self._begin_step(seq, own="parent" not in event)]
        return [*begun, *self._tools.call(seq, event)]

    def _tool_result(self, seq: int, event: Event) -> list[Chunk]:
        chunks = [*self._close(), *self._tools.result(seq, event)]
        self._answered = self._answered or "parent" not in event
        return chunks

    def _requested(self, seq: int, event: Event) -> list[Chunk]:
        return [*self._close(), *self._begin_step(seq, own=False), *self._tools.requested(seq, event)]

    def _injected(self, seq: int, event: Event) -> list[Chunk]:
        return [*self._end_step(), data("injected", _without_type(event), part_id=event["messageId"])]

    def _rewind(self, seq: int, after: int) -> list[Chunk]:
        """Take back parts. Version 7 can drop the parts of a step; every version is told which parts are
        void."""
        closed = self._close()
        void = self._step > after
        self._tools.take_back(after)
        self._answered = False
        if void and self._version >= 7:
            closed.append({"type": "reset-step"})
        elif self._step:
            closed += self._end_step()
        return [*closed, data("rewind", {"after": after, "seq": seq}, part_id=f"rewind-{seq}")]

    def _done(self, seq: int, event: Event) -> list[Chunk]:
        chunks = self._end_step()
        if "output" in event:
            chunks.append(data("output", event["output"]))
        reason = event["finishReason"]
        if reason in ("stopped", "interrupted"):
            chunks.append({"type": "abort", "reason": reason})
        facts = {name: event[name] for name in ("usage", "cost", "finishReason", "durationMs")}
        finish = _FINISH_REASONS.get(reason, "other")
        return [*chunks, {"type": "finish", "finishReason": finish, "messageMetadata": facts}]

    def _error(self, seq: int, event: Event) -> list[Chunk]:
        facts = {"error": {name: event[name] for name in ("code", "message", "retryable")}}
        return [
            *self._end_step(),
            {"type": "message-metadata", "messageMetadata": facts},
            {"type": "error", "errorText": event["message"]},
            {"type": "finish", "finishReason": "error"},
        ]


def _without_type(event: Event) -> Event:
    return {name: value for name, value in event.items() if name != "type"}
