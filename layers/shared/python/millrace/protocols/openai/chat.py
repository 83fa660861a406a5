"""A run as a chat completion, streamed or whole: a pure projection of its log.

The agent's own tools run here and are not shown. A tool of the client is a tool call, and so are a question
of the agent (`ask_user`) and a tool that needs an approval (`request_approval`). Chunks cannot be taken back,
so after a `rewind` the stream ends with an error, and the same request with its idempotency key returns the
whole answer.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from millrace.domain.approvals import ASK_USER
from millrace.domain.clock import from_iso
from millrace.domain.events import Detail, Event, LogEntry
from millrace.domain.projection import project, rewound_to
from millrace.domain.runs import Run
from millrace.protocols.openai.calls import REQUEST_APPROVAL, exposed_call_id, question_of, shown_here
from millrace.protocols.openai.envelope import model_of

_LENGTH = frozenset({"max_tokens", "max_cost", "max_iterations", "max_seconds"})
Json = dict[str, Any]


class ChatProjection:
    """The completion that begins after the event `after` of a run.

    With `usage` it ends with a chunk that has it. If the completion is `structured`, its content is only the
    last turn, since clients parse it by their schema; text beside calls becomes reasoning.
    """

    def __init__(
        self, run: Run, detail: Detail, after: int = 0, *, usage: bool = False, structured: bool = False
    ) -> None:
        self._run = run
        self._detail = detail
        self._after = after
        self._usage = usage
        self._structured = structured
        self._held: list[str] = []
        self._begun = self._broken = self.over = False
        self._called = 0
        self._shown: list[int] = []

    def chunks(self, entry: LogEntry) -> Sequence[bytes]:
        """See `protocols.protocol.Projection`."""
        return [b"data: " + orjson.dumps(chunk) for chunk in self._chunks_of(entry)]

    def end(self, last: LogEntry | None) -> bytes:
        """See `protocols.protocol.Projection`."""
        return b"" if self._broken else b"data: [DONE]\n\n"

    def _chunks_of(self, entry: LogEntry) -> list[Json]:
        if self.over or (entry.seq and entry.seq <= self._after):
            return []
        if entry.type == "rewind":
            return self._rewind(rewound_to(entry))
        event = project(entry.event, self._detail)
        if event is None or not shown_here(event):
            return []
        made = self._event_chunks(event)
        if made and not self._begun and "choices" in made[0]:
            self._begun = True
            made[0]["choices"][0]["delta"] = {"role": "assistant", **made[0]["choices"][0]["delta"]}
        if made:
            self._shown.append(entry.seq)
        return made

    def _event_chunks(self, event: Event) -> list[Json]:
        match event["type"]:
            case "start":
                return [self._delta({"content": ""})]
            case "token":
                return self._say(event["token"])
            case "thinking":
                return [self._delta({"reasoning_content": event["text"]})]
            case "tool_result":
                return self._release("reasoning_content")
            case "waiting" | "done" | "error":
                return self._end_of(event)
        asked = asked_of(event)
        return [self._call(*asked)] if asked else []

    def _end_of(self, event: Event) -> list[Json]:
        if event["type"] == "error":
            return [self._fail(event["message"], event["code"])]
        if event["type"] == "waiting":
            return self._release("reasoning_content") + self._finish("tool_calls", None)
        return self._release("content") + self._finish(finish_reason(event), event["usage"])

    def _say(self, text: str) -> list[Json]:
        if not self._structured:
            return [self._delta({"content": text})]
        self._held.append(text)
        return []

    def _release(self, name: str) -> list[Json]:
        text = "".join(self._held)
        self._held.clear()
        return [self._delta({name: text})] if text else []

    def _rewind(self, to: int) -> list[Json]:
        """Handle a rewind; nothing is needed if no part of it was sent."""
        self._held.clear()  # of a turn that is asked again
        if all(seq <= to for seq in self._shown):
            return []
        return [
            self._fail("A part of this stream is void; send it again, with its Idempotency-Key.", "rewound")
        ]

    def _call(self, call_id: str, name: str, arguments: Any) -> Json:
        function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
        id, index = exposed_call_id(self._run.id, call_id), self._called
        self._called += 1
        return self._delta(
            {"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}
        )

    def _finish(self, reason: str, usage: dict[str, int] | None) -> list[Json]:
        self.over = True
        last = self._chunk([{"index": 0, "delta": {}, "finish_reason": reason, "logprobs": None}])
        return [last, self._chunk([]) | {"usage": usage_of(usage)}] if self._usage else [last]

    def _fail(self, message: str, code: str) -> Json:
        self.over = self._broken = True
        kind = "rate_limit_error" if code == "rate_limited" else "server_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def _delta(self, delta: Json) -> Json:
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}])

    def _chunk(self, choices: list[Json]) -> Json:
        chunk = _fixed(self._run, self._after) | {"object": "chat.completion.chunk", "choices": choices}
        return chunk | {"usage": None} if self._usage else chunk


def completion_of(
    run: Run, events: Sequence[LogEntry], detail: Detail, after: int = 0, *, structured: bool = False
) -> Json:
    """Return the whole completion. `events` are those of the run without what was taken back, up to its end
    or `waiting`. See `ChatProjection` for `structured`."""
    shown = [event for one in events if one.seq > after and (event := project(one.event, detail))]
    own = [event for event in shown if shown_here(event)]
    text = _content(own, structured)
    thought = "".join(event["text"] for event in own if event["type"] == "thinking")
    calls = [call for event in own if (call := _call_of(run, event))]
    message: Json = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
    message |= {"reasoning_content": thought} if thought else {}
    message |= {"tool_calls": calls} if calls else {}
    last = own[-1]
    reason = "tool_calls" if last["type"] == "waiting" else finish_reason(last)
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    used = usage_of(last.get("usage"))
    whole = _fixed(run, after) | {"object": "chat.completion", "choices": [choice], "usage": used}
    metadata = run.request.get("metadata")
    return whole | {"metadata": metadata} if metadata else whole


def _content(own: Sequence[Event], structured: bool) -> str:
    if structured:
        results = [n for n, event in enumerate(own, 1) if event["type"] in ("tool_result", "waiting")]
        own = own[results[-1] :] if results else own
    return "".join(event["token"] for event in own if event["type"] == "token")


def _call_of(run: Run, event: Event) -> Json | None:
    asked = asked_of(event)
    if asked is None:
        return None
    call_id, name, arguments = asked
    function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
    return {"id": exposed_call_id(run.id, call_id), "type": "function", "function": function}


def asked_of(event: Event) -> tuple[str, str, Any] | None:
    """Return the call that an event asks the client to answer: its id, name and arguments; None for any other
    event."""
    if event["type"] == "tool_call" and (event.get("client") or event["name"] == ASK_USER):
        return event["id"], event["name"], event["arguments"]
    if event["type"] != "approval_requested":
        return None
    if event["kind"] != "approval":  # the call of the run's own agent was already sent
        return (event["callId"], event["name"], question_of(event)) if "parent" in event else None
    asked = {"name": event.get("name"), "arguments": event["arguments"]}
    return event["callId"], REQUEST_APPROVAL, asked


def _fixed(run: Run, after: int) -> Json:
    name = run.id.removeprefix("run_")
    return {
        "id": f"chatcmpl-{name}.{after}" if after else f"chatcmpl-{name}",
        "created": from_iso(run.started_at) // 1000,
        "model": model_of(run),
    }


def finish_reason(done: Event) -> str:
    """Return the finish reason of chat completions."""
    reason = done["finishReason"]
    if reason in _LENGTH:
        return "length"
    return "content_filter" if reason == "refusal" else "stop"


def usage_of(usage: dict[str, int] | None) -> Json | None:
    """Return tokens in the form of chat completions; None if they are not known."""
    if not usage:
        return None
    details = {"prompt_tokens_details": {"cached_tokens": usage["cacheRead"]}} if "cacheRead" in usage else {}
    counts = {"prompt_tokens": usage["input"], "completion_tokens": usage["output"]}
    return counts | {"total_tokens": usage["total"]} | details
