"""A run as a stream of the Responses API: a pure projection of its log.

The agent's own tools run here, and the API calls that an MCP call. A tool of the client is a function call,
and so is a question of the agent; a tool that needs an approval is an MCP approval request. The API cannot
take back events: a `rewind` ends the void items as incomplete, sends those that remain again, and the
finished response, which counts, has only valid ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from millrace.domain.approvals import ASK_USER
from millrace.domain.events import Detail, Event, LogEntry
from millrace.domain.projection import project, rewound_to
from millrace.domain.runs import Run
from millrace.protocols.openai.calls import approval_id, exposed_call_id, question_of, shown_here
from millrace.protocols.openai.envelope import Envelope, ended, failed
from millrace.protocols.openai.items import Chunk, Item, Json
from millrace.protocols.openai.numbers import number_of


class ResponseProjection:
    """The response that begins after the event `after` of a run. It ends with the run, or when the run waits
    again."""

    def __init__(self, run: Run, detail: Detail, after: int = 0) -> None:
        self._envelope = Envelope(run, after)
        self._run_id = run.id
        self._label = run.agent_id
        self._prefix = self._envelope.id.removeprefix("resp_")
        self._detail = detail
        self._after = after
        self._items: list[Item] = []
        self._calls: dict[str, Item] = {}
        self._asked: dict[str, Event] = {}
        self._created = False
        self.response: Json = self._envelope.to_json("queued", [])
        self.over = False
        self._handlers: dict[str, Callable[[int, Event], list[Chunk]]] = {
            "thinking": lambda seq, event: self._text(seq, event, "reasoning", event["text"]),
            "token": lambda seq, event: self._text(seq, event, "message", event["token"]),
            "tool_call": self._tool_call,
            "tool_result": self._tool_result,
            "approval_requested": self._asks,
            "injected": self._injected,
            "waiting": self._waiting,
            "done": self._done,
            "error": self._error,
        }

    def chunks(self, entry: LogEntry) -> Sequence[bytes]:
        """See `protocols.protocol.Projection`."""
        made = self._chunks_of(entry)
        return [_encoded(chunk, number_of(entry.seq, at)) for at, chunk in enumerate(made)]

    def end(self, last: LogEntry | None) -> bytes:
        """See `protocols.protocol.Projection`. The last event ends the stream."""
        return b""

    def _chunks_of(self, entry: LogEntry) -> list[Chunk]:
        if self.over:
            return []
        if entry.type == "rewind":
            return self._rewind(entry.seq, rewound_to(entry))
        event = project(entry.event, self._detail)
        if event is None or not shown_here(event):
            return []
        if entry.seq and entry.seq <= self._after:
            return self._before(event)
        handle = self._handlers.get(event["type"])
        made = handle(entry.seq, event) if handle else []
        begun = self._begin() if made or event["type"] == "start" else []
        return [*begun, *made]

    def _begin(self) -> list[Chunk]:
        if self._created:
            return []
        self._created = True
        self.response = self._envelope.to_json("in_progress", [])
        kinds = ("response.created", "response.in_progress")
        return [{"type": kind, "response": self.response} for kind in kinds]

    def _before(self, event: Event) -> list[Chunk]:
        """Note the calls that an earlier response left open; its other events do not matter."""
        if event["type"] in ("tool_call", "approval_requested"):
            self._asked[event.get("id") or event["callId"]] = event
        return []

    # --- items -------------------------------------------------------------------------------------

    def _new(self, seq: int, event: Event, kind: str, **body: Any) -> Item:
        prefix = {"message": "msg", "reasoning": "rs", "function_call": "fc", "mcp_call": "mcp"}[kind]
        id = f"{prefix}_{self._prefix}_{len(self._items)}"
        item = Item(len(self._items), {"id": id, "type": kind} | body, [(seq, event)])
        self._items.append(item)
        return item

    def _text(self, seq: int, event: Event, kind: str, text: str) -> list[Chunk]:
        last = self._items[-1] if self._items else None
        if last and last.open and last.body["type"] == kind:
            last.sources.append((seq, event))
            return last.add_text(text)
        ended = self._end_text()
        body: Json = {"role": "assistant", "content": []} if kind == "message" else {"summary": []}
        item = self._new(seq, event, kind, status="in_progress", **body)
        return [*ended, *item.begin_text(), *item.add_text(text)]

    def _end_text(self, *, calls: bool = False) -> list[Chunk]:
        """End the open text. Text beside calls is not the answer, so that clients do not parse it by the
        schema that they requested."""
        chunks: list[Chunk] = []
        for item in self._items:
            if item.open and item.body["type"] in ("message", "reasoning"):
                phase = {"phase": "commentary"} if calls and item.is_message else {}
                chunks += item.end_text(**phase)
        return chunks

    def _tool_call(self, seq: int, event: Event) -> list[Chunk]:
        if event.get("client") or event["name"] == ASK_USER:
            return self._function_call(seq, event, event["id"], event["arguments"])
        ended = self._end_text(calls=True)
        item = self._calls[event["id"]] = self._mcp_call(seq, event)
        return [*ended, *item.begin_call(orjson.dumps(event["arguments"]).decode())]

    def _function_call(self, seq: int, event: Event, id: str, arguments: Any) -> list[Chunk]:
        ended, call_id = self._end_text(calls=True), exposed_call_id(self._run_id, id)
        if self._asked_again(seq, event, "call_id", call_id):
            return ended
        named: Json = {"call_id": call_id, "name": event["name"], "arguments": ""}
        item = self._new(seq, event, "function_call", status="in_progress", **named)
        begun = item.begin_call(orjson.dumps(arguments).decode())
        return [*ended, *begun, *item.done(status="completed")]

    def _mcp_call(self, seq: int, event: Event) -> Item:
        fixed: Json = {"server_label": self._label, "name": event["name"], "arguments": ""}
        blank: Json = {"output": None, "error": None, "approval_request_id": None, "status": "in_progress"}
        return self._new(seq, event, "mcp_call", **fixed, **blank)

    def _tool_result(self, seq: int, event: Event) -> list[Chunk]:
        ended, item = self._end_text(calls=True), self._calls.pop(event["id"], None)
        begun: list[Chunk] = []
        asked = self._asked.get(event["id"], {})
        if item is None:
            if (
                event["name"] == ASK_USER
                or asked.get("client")
                or asked.get("kind", "approval") != "approval"
            ):
                return ended
            item = self._mcp_call(seq, event)
            begun = item.begin_call(orjson.dumps(asked.get("arguments", {})).decode())
            if asked.get("kind"):
                item.body["approval_request_id"] = approval_id(self._run_id, event["id"])
        item.sources.append((seq, event))
        output = event["result"] if "result" in event else event["summary"]
        return [*ended, *begun, *item.end_call(event["ok"], output)]

    def _asks(self, seq: int, event: Event) -> list[Chunk]:
        self._asked[event["callId"]] = event
        if event["kind"] != "approval":
            # The function call is the question, unless it is one of a sub-agent.
            if "parent" not in event:
                return []
            return self._function_call(seq, event, event["callId"], question_of(event))
        call = self._calls.pop(event["callId"], None)
        ended = [*self._end_text(calls=True), *(call.abandon() if call else [])]
        if call:
            call.void = True  # it runs once it is approved, in the next response
        id = approval_id(self._run_id, event["callId"])
        if self._asked_again(seq, event, "id", id):
            return ended
        body = {
            "id": id,
            "type": "mcp_approval_request",
            "server_label": self._label,
            "name": event.get("name") or "hidden",
            "arguments": orjson.dumps(event["arguments"]).decode(),
        }
        item = Item(len(self._items), body, [(seq, event)])
        self._items.append(item)
        return [*ended, *item.added(), *item.done()]

    def _asked_again(self, seq: int, event: Event, key: str, value: str) -> bool:
        """Return whether a void item asked the same question. It becomes valid again, since two items cannot
        have the same id."""
        for item in self._items:
            if item.void and not item.open and item.body.get(key) == value:
                item.void = False
                item.sources = [(seq, event)]  # earlier ones are void and must not count again
                return True
        return False

    def _injected(self, seq: int, event: Event) -> list[Chunk]:
        facts = {"message_id": event["messageId"], "content": event["content"]}
        return [*self._end_text(), {"type": "millrace.injected"} | facts]

    def _rewind(self, seq: int, to: int) -> list[Chunk]:
        chunks: list[Chunk] = []
        kept: list[tuple[int, Event]] = []
        for item in [one for one in self._items if not one.void and one.sources[-1][0] > to]:
            chunks += item.abandon()
            item.void = True
            kept += [one for one in item.sources if one[0] <= to]
        self._calls = {id: item for id, item in self._calls.items() if not item.void}
        for source, event in sorted(kept, key=lambda one: one[0]):
            chunks += self._handlers[event["type"]](source, event)
        return [*self._begin(), *chunks] if chunks else []

    def snapshot(self) -> Json:
        """Return the current state of the response."""
        return self.response if self.over else self.response | {"output": self.output()}

    # --- ends --------------------------------------------------------------------------------------

    def output(self) -> list[Json]:
        """Return the items so far, without void ones."""
        return [item.body for item in self._items if not item.void]

    def _finish(self, kind: str, status: str, **more: Any) -> list[Chunk]:
        chunks = self._end_text()
        for item in self._items:
            chunks += item.abandon()
        self.over = True
        self.response = self._envelope.to_json(status, self.output(), **more)
        return [*chunks, {"type": f"response.{kind}", "response": self.response}]

    def _waiting(self, seq: int, event: Event) -> list[Chunk]:
        return self._finish("completed", "completed")

    def _done(self, seq: int, event: Event) -> list[Chunk]:
        status, more = ended(event)
        return self._finish("completed" if status == "completed" else "incomplete", status, **more)

    def _error(self, seq: int, event: Event) -> list[Chunk]:
        return self._finish("failed", "failed", **failed(event))


def _encoded(chunk: Chunk, number: int) -> bytes:
    data = orjson.dumps(chunk | {"sequence_number": number})
    return b"event: %b\ndata: %b" % (chunk["type"].encode(), data)
