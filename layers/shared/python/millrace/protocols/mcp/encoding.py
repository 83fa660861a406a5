"""A run as the messages that answer one tool call: progress, questions, the result."""

from collections.abc import Sequence
from typing import Any

import orjson

from millrace.domain.event_ids import EventId, parse_event_id
from millrace.domain.events import Event, LogEntry
from millrace.domain.projection import project
from millrace.domain.runs import Run, RunState
from millrace.protocols.framing import ChunkId, Framed, is_final
from millrace.protocols.mcp.calls import HANDSHAKE_VERSION, Call, RequestId
from millrace.protocols.mcp.questions import message_of, question, question_id
from millrace.protocols.protocol import RETRY, View

Json = dict[str, Any]
PRIMING = b"data: "
"""An event with an id and no message, after which a client can resume."""
POLL_MS = 1000
RELATED_TASK = "io.modelcontextprotocol/related-task"


class McpProjection:
    """See `protocol.Projection`. Tokens become progress if the client requested it; the last chunk answers
    its request."""

    def __init__(self, view: View, call: Call) -> None:
        self._view = view
        self._call = call
        self._said: list[tuple[int, str]] = []
        self._asked: dict[str, Event] = {}
        self._pending: Json | None = None

    def chunks(self, entry: LogEntry) -> Sequence[bytes]:
        """See `protocol.Projection`."""
        event = project(entry.event, self._view.detail)
        if event is None or "parent" in event:
            self._remember(event)
            return ()
        kind = event["type"]
        if kind == "start":
            return self._begin()
        if self._call.task:  # was answered when it started
            return ()
        if kind == "rewind":
            after = parse_event_id(event["after"]).seq
            self._said = [one for one in self._said if one[0] <= after]
            return ()
        if kind in ("done", "error"):
            return [self._response(self._result(event))]
        if kind == "waiting":
            return self._wait(entry.seq, event)
        self._remember(event)
        return self._progress(entry.seq, event)

    def end(self, last: LogEntry | None) -> bytes:
        """See `protocol.Projection`. Only a stream that ends here says that the run waits: in a replay the
        wait may be over."""
        waits = last is not None and last.type == "waiting" and self._pending is not None
        return self._response(self._pending or {}) + b"\n\n" if waits else b""

    def come_back(self, last: LogEntry | None, seen: int) -> bytes:
        """Return the end of a stream that has run out of time, which makes the client come back for the
        rest."""
        if not self._call.is_modern:
            return RETRY
        at = EventId(self._view.run.id, last.seq if last else seen)
        return self._response({"resultType": "input_required", "requestState": str(at)}) + b"\n\n"

    def _begin(self) -> Sequence[bytes]:
        if self._call.task:
            return [self._response({"task": task_of(self._view.run)})]
        has_priming = not self._call.is_modern and self._call.version >= HANDSHAKE_VERSION
        return [PRIMING] if has_priming else ()

    def _remember(self, event: Event | None) -> None:
        if event is not None and event["type"] == "approval_requested":
            self._asked[event["callId"]] = event

    def _progress(self, seq: int, event: Event) -> Sequence[bytes]:
        if event["type"] == "token":
            self._said.append((seq, event["token"]))
        words = _words(event)
        if not words or self._call.progress_token is None:
            return ()
        params = {"progressToken": self._call.progress_token, "progress": seq, "message": words}
        return [_data({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})]

    def _wait(self, seq: int, event: Event) -> Sequence[bytes]:
        asked = [self._asked.get(call["callId"], call) for call in event["calls"]]
        if self._call.elicits and not self._call.is_modern:
            return [_data(_elicitation(self._view.run.id, one)) for one in asked]
        elicits = self._call.elicits
        self._pending = self._input_required(seq, asked) if elicits else self._waiting(event, asked)
        return ()

    def _input_required(self, seq: int, asked: list[Event]) -> Json:
        requests = {one["callId"]: {"method": "elicitation/create", "params": question(one)} for one in asked}
        state = str(EventId(self._view.run.id, seq - 1))
        return {"resultType": "input_required", "inputRequests": requests, "requestState": state}

    def _waiting(self, event: Event, asked: list[Event]) -> Json:
        """Return an answer that says what waits, for clients that cannot ask their user."""
        lines = [
            f"- {message_of(one)} Answer with the tool answer_approval: runId {self._view.run.id}, "
            f"callId {one['callId']}"
            for one in asked
        ]
        text = "\n".join([f"The run waits for a person until {event['expiresAt']}:", *lines])
        # Without structured content, since an agent's own schema has no field for this. Clients accept that
        # only in errors.
        return self._content(text, is_error=True)

    def _result(self, last: Event) -> Json:
        if last["type"] == "error":
            return self._content(f"{last['message']} ({last['code']})", is_error=True)
        answer = "".join(text for _, text in self._said)
        output = last.get("output")
        if "output" in last and not isinstance(output, dict) and not self._call.is_modern:
            return self._content(answer)
        run = self._view.run
        own = {"answer": answer, "conversationId": run.slot.conversation_id, "runId": run.id}
        return self._content(answer) | {"structuredContent": output if "output" in last else own}

    def _content(self, text: str, *, is_error: bool = False) -> Json:
        run = self._view.run
        meta: Json = {"conversationId": run.slot.conversation_id, "runId": run.id}
        if not self._call.is_modern:
            meta[RELATED_TASK] = {"taskId": run.id}
        return {"content": [{"type": "text", "text": text}], "isError": is_error, "_meta": meta}

    def _response(self, result: Json) -> bytes:
        if self._call.is_modern:
            result = {"resultType": "complete"} | result
        return _data(response(self._call.request_id, result))


class McpFramed(Framed):
    """The stream of a call. Its ids contain the call, so that any process can continue it; versions that
    cannot resume get no ids."""

    def __init__(self, view: View, call: Call, seen: ChunkId | None) -> None:
        self._mcp = McpProjection(view, call)
        self._call = call
        self._from = seen.seq if seen else 0
        super().__init__(self._mcp, f"{call}.{view.run.id}", seen=seen, numbered=not call.is_modern)

    def end(self, last: LogEntry | None) -> bytes:
        """See `protocol.Encoder`. While a user is asked over a stream, the answer is still to come."""
        asks = last is not None and last.type == "waiting" and self._call.elicits and not self._call.is_modern
        if last is not None and is_final(last) and not asks:
            ended = self._mcp.end(last)
            return self._id(last.seq) + ended if ended else b""
        return self._mcp.come_back(last, self._from)


def response(request_id: RequestId | None, result: Json) -> Json:
    """Return a JSON-RPC response."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def task_of(run: Run) -> Json:
    """Return a run as a task of version 2025-11-25."""
    return {
        "taskId": run.id,
        "status": _STATUS[run.state],
        "createdAt": run.started_at,
        "lastUpdatedAt": run.ended_at or run.started_at,
        "ttl": None,
        "pollInterval": POLL_MS,
    }


_STATUS: dict[RunState, str] = {
    "queued": "working",
    "running": "working",
    "waiting": "input_required",
    "completed": "completed",
    "failed": "failed",
    "stopped": "cancelled",
}


def _words(event: Event) -> str:
    if event["type"] == "token":
        return str(event["token"])
    if event["type"] == "status":
        return str(event["message"])
    return f"Calling {event['name']}" if event["type"] == "tool_call" else ""


def _elicitation(run_id: str, asked: Event) -> Json:
    return {
        "jsonrpc": "2.0",
        "id": question_id(run_id, asked["callId"]),
        "method": "elicitation/create",
        "params": question(asked),
    }


def _data(message: Json) -> bytes:
    return b"data: " + orjson.dumps(message)
