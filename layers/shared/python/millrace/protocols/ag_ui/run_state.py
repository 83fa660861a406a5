"""The state of a run in AG-UI: its open parts, and the chunks of the next event of the log."""

from collections.abc import Callable
from typing import Any

import orjson

from millrace.domain.events import Event
from millrace.protocols.ag_ui.ends import cancelled, interrupts, usage_of
from millrace.protocols.ag_ui.transcript import Chunk, Message, Transcript

VERSION = "1.0"


class RunState:
    """The open parts and the messages of a run so far. `attempt` counts the rewinds so far, since an agent
    that is asked again is another invocation, which needs a new id.

    AG-UI ends a run when ours waits for people, and starts the next one with the answer. `running` is false
    in between.
    """

    def __init__(self, thread_id: str, run_id: str) -> None:
        self._thread_id, self._run_id = thread_id, run_id
        self.attempt = 0
        self.running = self.over = False
        self.messages: list[Message] = []
        self.steps: list[str] = []
        self.subagents: list[str] = []
        self._calls: dict[str, str] = {}
        self._invocations: dict[str, str] = {}
        self._invoked: set[str] = set()
        self._transcripts: dict[str, Transcript] = {}
        self._asked: dict[str, Event] = {}
        self._message_id = run_id
        self._handlers: dict[str, Callable[[Event], list[Chunk]]] = {
            "start": self._start,
            "status": self._status,
            "thinking": lambda event: self._transcript(event).think(event["text"]),
            "token": lambda event: self._transcript(event).say(event["token"]),
            "tool_call": self._tool_call,
            "tool_result": self._tool_result,
            "approval_requested": self._asks,
            "approval_answered": self._answered,
            "waiting": self._waiting,
            "injected": self._injected,
            "flow_step_start": self._step_starts,
            "flow_step_complete": self._step_ends,
            "flow_step_skipped": lambda event: [_custom("flow_step_skipped", _facts(event))],
            "done": self._done,
            "error": self._error,
        }

    def apply(self, event: Event) -> list[Chunk]:
        """Return the chunks of an event, as its viewer sees it; none for a kind that AG-UI does not have."""
        handle = self._handlers.get(event["type"])
        if handle is None:
            return []
        begun = self._begin()
        opened = self._open_subagent(event)
        return [*begun, *opened, *handle(event)]

    # --- the run -----------------------------------------------------------------------------------

    def _begin(self) -> list[Chunk]:
        if self.running:
            return []
        self.running, self.over = True, False
        started = {"threadId": self._thread_id, "runId": self._run_id, "protocolVersion": VERSION}
        return [{"type": "RUN_STARTED"} | started]

    def _start(self, event: Event) -> list[Chunk]:
        self._message_id = event["messageId"]
        return []

    def _status(self, event: Event) -> list[Chunk]:
        return [_custom("status", _facts(event))]

    def _injected(self, event: Event) -> list[Chunk]:
        self._main().turn = None
        return [*self._main().close(), _custom("injected", _facts(event))]

    def _done(self, event: Event) -> list[Chunk]:
        facts = {name: event[name] for name in ("finishReason", "cost", "durationMs")}
        outcome = {"type": "cancelled"} if cancelled(event) else {"type": "success"}
        result = {"result": event["output"]} if "output" in event else {}
        return self._finish(outcome, result | usage_of(event) | {"metadata": {"millrace": facts}})

    def _waiting(self, event: Event) -> list[Chunk]:
        calls = [self._asked.get(call["callId"], call) for call in event["calls"]]
        ids = {call["callId"]: self._exposed(call["callId"]) for call in calls}
        return self._finish(interrupts(calls, ids, event["expiresAt"]), {})

    def _finish(self, outcome: dict[str, Any], more: dict[str, Any]) -> list[Chunk]:
        ended = self._close_all()
        self.running, self.over = False, True
        ids = {"threadId": self._thread_id, "runId": self._run_id}
        return [*ended, {"type": "RUN_FINISHED"} | ids | {"outcome": outcome} | more]

    def _error(self, event: Event) -> list[Chunk]:
        if "parent" in event:
            return []
        ended = self._close_all()
        self.running, self.over = False, True
        facts = {"retryable": event["retryable"]}
        error = {"type": "RUN_ERROR", "message": event["message"], "code": event["code"]}
        return [*ended, error | {"metadata": {"millrace": facts}}]

    def _close_all(self) -> list[Chunk]:
        chunks = self._main().close()
        for id in reversed(list(self.subagents)):
            chunks += self._close_subagent(id)
        chunks += [_step("FINISHED", name) for name in self.steps]
        self.steps.clear()
        return chunks

    def continue_from(self, old: "RunState") -> list[Chunk]:
        """Continue from a state whose end was taken back. Returns chunks that close the parts which it left
        open; of those that it closed, only steps are opened again."""
        chunks = [chunk for transcript in old._transcripts.values() for chunk in transcript.close()]
        for transcript in self._transcripts.values():
            transcript.close()
        for id in reversed([id for id in old.subagents if id not in self.subagents]):
            chunks.append({"type": "SUBAGENT_FINISHED", "subagentRunId": id})
        for id in [id for id in self.subagents if id not in old.subagents]:
            self._close_subagent(id)
        chunks += [_step("FINISHED", name) for name in old.steps if name not in self.steps]
        chunks += [_step("STARTED", name) for name in self.steps if name not in old.steps]
        self.running = old.running
        return chunks

    # --- tools -------------------------------------------------------------------------------------

    def _tool_call(self, event: Event) -> list[Chunk]:
        outer = self._invocation(event)
        exposed = f"{outer}/{event['id']}" if outer else event["id"]
        self._calls[event["id"]] = exposed
        arguments = orjson.dumps(event["arguments"]).decode()
        return self._transcript(event).call(exposed, event["name"], arguments)

    def _tool_result(self, event: Event) -> list[Chunk]:
        ended = self._close_subagent(self._invocations.get(event["id"], ""))
        asked = self._asked.pop(event["id"], None)
        if asked and asked["kind"] == "client":
            return ended  # the client sent this message itself
        facts = {"ok": event["ok"], "durationMs": event["durationMs"]}
        content = event["result"] if "result" in event else event["summary"]
        return [*ended, *self._transcript(event).result(self._exposed(event["id"]), content, facts)]

    def _asks(self, event: Event) -> list[Chunk]:
        self._asked[event["callId"]] = event
        return []

    def _answered(self, event: Event) -> list[Chunk]:
        return [] if event["kind"] == "client" else [_custom("approval_answered", _facts(event))]

    def _exposed(self, call_id: str) -> str:
        return self._calls.get(call_id, call_id)

    # --- sub-agents -------------------------------------------------------------------------------

    def _main(self) -> Transcript:
        return self._transcript_of("")

    def _transcript(self, event: Event) -> Transcript:
        return self._transcript_of(self._invocation(event))

    def _transcript_of(self, subagent: str) -> Transcript:
        if subagent not in self._transcripts:
            prefix = f"{self._message_id}/{subagent}" if subagent else self._message_id
            self._transcripts[subagent] = Transcript(prefix, subagent, self.messages)
        return self._transcripts[subagent]

    def _invocation(self, event: Event) -> str:
        """Return the id of the invocation that an event belongs to; empty for the run's own agent."""
        return self._invocations.get(event.get("parent", ""), "")

    def _open_subagent(self, event: Event) -> list[Chunk]:
        call_id = event.get("parent", "")
        if not call_id or call_id in self._invocations or event["type"] == "error":
            return []
        id = exposed = self._exposed(call_id)
        if self.attempt or id in self._invoked:
            id = f"{exposed}~{self.attempt}.{len(self._invoked)}"
        self._invocations[call_id] = id
        self._invoked.add(id)
        self.subagents.append(id)
        name = event.get("agentId") or "agent"
        started = {"type": "SUBAGENT_STARTED", "subagentRunId": id, "name": name}
        return [started | {"parentToolCallId": exposed}]

    def _close_subagent(self, id: str) -> list[Chunk]:
        if id not in self.subagents:
            return []
        self.subagents.remove(id)
        self._invocations = {call: one for call, one in self._invocations.items() if one != id}
        return [*self._transcript_of(id).close(), {"type": "SUBAGENT_FINISHED", "subagentRunId": id}]

    # --- flows -------------------------------------------------------------------------------------

    def _step_starts(self, event: Event) -> list[Chunk]:
        if event["name"] in self.steps:
            return []
        self.steps.append(event["name"])
        return [_step("STARTED", event["name"])]

    def _step_ends(self, event: Event) -> list[Chunk]:
        if event["name"] not in self.steps:
            return []
        self.steps.remove(event["name"])
        return [_step("FINISHED", event["name"])]


def _custom(name: str, value: Any) -> Chunk:
    return {"type": "CUSTOM", "name": f"millrace.{name}", "value": value}


def _step(what: str, name: str) -> Chunk:
    return {"type": f"STEP_{what}", "stepName": name}


def _facts(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "type"}
