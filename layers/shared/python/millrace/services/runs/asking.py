"""The gate of an agent whose tools ask people: which calls run, which wait, and what their answers mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from millrace.agent.gate import Decision, Waiting
from millrace.agent.model import ToolCall
from millrace.agent.suspension import Suspended
from millrace.agent.tools.ask_user import ask_user, read_question
from millrace.agent.tools.tool import Tool, ToolResult
from millrace.agent.tools.toolbox import Toolbox, failed
from millrace.domain import events
from millrace.domain.access import Principal
from millrace.domain.agents import Agent, ToolUse
from millrace.domain.approvals import (
    ARGUMENTS_BYTES,
    ASK_USER,
    CALLS_AT_ONCE,
    SCHEMA_BYTES,
    Answer,
    Kind,
    WaitingCall,
    expired_answer,
)
from millrace.domain.clock import iso
from millrace.domain.events import Event
from millrace.domain.runs import Run
from millrace.errors import InvalidRequest, MillraceError
from millrace.services.runs.agent_tools import sub_agent_tools
from millrace.services.runs.json_schemas import check_schema, check_value
from millrace.services.runs.tool_rules import SUB_AGENT, ToolRules
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed


class ApprovalExpired(MillraceError):
    """Nobody answered in time, and the agent says that the run fails then."""

    status = 409
    code = "approval_expired"


def asks_people(agent: Agent) -> bool:
    """Return whether any call of the agent's may need a person."""
    return ASK_USER in agent.tool_names or any(use.asks for use in agent.tool_uses)


def rules_of(agent: Agent) -> ToolRules:
    """The rules of an agent's tools, by the names that its model uses."""
    asked = [name.removeprefix(SUB_AGENT) for name in agent.tool_names if name.startswith(SUB_AGENT)]
    return ToolRules(agent.tool_uses, sub_agent_tools(asked))


@dataclass
class AskingGate:
    """See `agent.gate.Gate`. `note` keeps an event for the history alone. `longest` is how long a call may
    wait, in seconds. `resumed`: the run has been in another process, so some of its calls may have waited."""

    stores: Stores
    run: Run
    agent: Agent
    user: Principal
    emit: Callable[[Event], None]
    note: Callable[[Event], None]
    longest: int
    resumed: bool = False
    toolbox: Toolbox = field(default_factory=lambda: Toolbox([]))
    _known: dict[str, WaitingCall] | None = None
    _new: list[WaitingCall] = field(default_factory=list)
    _edited: dict[str, WaitingCall] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rules = rules_of(self.agent)
        self._uses = {use.name: use for use in self.agent.tool_uses}

    async def decide(self, call: ToolCall) -> Decision:
        """See `Gate`. What nobody needs to be asked about, or nobody could allow, goes to the toolbox."""
        if stored := (await self._stored()).get(call.id):
            return await self._with_answer(stored, call)
        tool = self.toolbox.get(call.name)
        if tool is None or (tool.scope and not self.user.may(tool.scope)):
            return call
        try:
            made = self._asked(tool, call)
        except InvalidRequest as error:
            return failed(f"{call.name} failed: {error.message} Call it again with other arguments.")
        if made is None:
            return call
        if len(self._new) >= CALLS_AT_ONCE:
            return failed(f"{CALLS_AT_ONCE} calls may wait at the same time; call {call.name} again later.")
        self._new.append(made)
        self.emit(requested(made))
        return Waiting((made.expires_ms - made.requested_ms) / 1000)

    async def _stored(self) -> dict[str, WaitingCall]:
        """The run's calls that wait or have waited. One read, in a process that has taken the run over."""
        if self._known is None:
            found = await self.stores.approvals.of_run(self.run.slot, self.run.id) if self.resumed else []
            self._known = {call.call_id: call for call in found}
        return self._known

    # --- asking ------------------------------------------------------------------------------------

    def _asked(self, tool: Tool, call: ToolCall) -> WaitingCall | None:
        """The call as one that waits; None where it may run. Raises `InvalidRequest` for a call that could
        not run, so that nobody is asked about it."""
        arguments = call.arguments or {}
        if tool is ask_user:
            return self._question(call, arguments)
        if tool.client:
            return self._of_client(call, arguments)
        use = self._rules.use_for(call.name)
        if use is None:
            return None
        schema = _checked(tool, arguments)
        if schema is not None and not self._rules.must_ask(use, arguments):
            return None
        if len(orjson.dumps(arguments)) > ARGUMENTS_BYTES:
            raise InvalidRequest(f"Arguments that people approve must not exceed {ARGUMENTS_BYTES:,} bytes.")
        return self._waiting(call, use, "approval", arguments=arguments, schema=schema)

    def _question(self, call: ToolCall, arguments: dict[str, Any]) -> WaitingCall:
        question = read_question(arguments)
        schema = question.answer_schema
        if schema is not None:
            if len(orjson.dumps(schema)) > SCHEMA_BYTES:
                raise InvalidRequest(f"The schema must not exceed {SCHEMA_BYTES:,} bytes.")
            check_schema(schema, "schema")
        use = self._uses.get(ASK_USER, ToolUse(name=ASK_USER))
        options = question.options or []
        return self._waiting(call, use, "question", prompt=question.question, options=options, schema=schema)

    def _of_client(self, call: ToolCall, arguments: dict[str, Any]) -> WaitingCall:
        if len(orjson.dumps(arguments)) > ARGUMENTS_BYTES:
            raise InvalidRequest(f"Arguments of this tool must not exceed {ARGUMENTS_BYTES:,} bytes.")
        return self._waiting(call, ToolUse(name=call.name), "client", arguments=arguments)

    def _waiting(self, call: ToolCall, use: ToolUse, kind: Kind, **asked: Any) -> WaitingCall:
        seconds = min(use.expires or self.longest, self.longest)
        asked |= {"approvers": use.who(), "position": len(self._new)}
        return WaitingCall.of(self.run, self.stores.clock(), call.id, kind, call.name, seconds, **asked)

    def suspended(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Suspended:
        """See `Gate`. The run goes on by itself when the time of all calls is over."""
        known = self._known or {}
        calls = [known[call.id] for call, _ in waiting if call.id in known] + self._new
        return suspension(calls, new=self._new, now_ms=self.stores.clock())

    # --- answers -----------------------------------------------------------------------------------

    async def _with_answer(self, stored: WaitingCall, call: ToolCall) -> Decision:
        if stored.answer is None and stored.expires_ms <= self.stores.clock():
            stored = await expire(self.stores, stored)
        answer = stored.answer
        if answer is None:
            return Waiting((stored.expires_ms - self.stores.clock()) / 1000)
        self.note(requested(stored))
        self.emit(answered(stored))
        if answer.expired and self.agent.on_expired == "fail":
            raise ApprovalExpired(f"Nobody answered {stored.name} in time.")
        if answer.decision != "approve":
            return _described(stored, answer)
        if answer.arguments is None:
            # The stored arguments are those that the approver has seen.
            return replace(call, arguments=stored.arguments)
        self._edited[call.id] = stored
        return replace(call, arguments=answer.arguments)

    def noted(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """See `Gate`. The model reads with which arguments the call was run, where they were edited."""
        if call.id not in self._edited:
            return result
        changed = orjson.dumps(call.arguments).decode()
        note = f"[It was run with arguments that the approver has changed: {changed}]\n"
        return replace(result, text=note + result.text, full=note + result.full)


@dataclass
class RefusingGate:
    """The gate of agents that work for another one's step, where nobody can be asked: calls that need an
    approval are not run."""

    agent: Agent
    toolbox: Toolbox = field(default_factory=lambda: Toolbox([]))

    def __post_init__(self) -> None:
        self._rules = rules_of(self.agent)

    async def decide(self, call: ToolCall) -> Decision:
        """See `Gate`."""
        tool = self.toolbox.get(call.name)
        if tool is None or not (tool is ask_user or self._must_ask(tool, call.arguments or {})):
            return call
        return failed(
            f"{call.name} was not run: it needs a person, and this agent works for another one. Say in your "
            "answer what you need, so that the other agent asks."
        )

    def _must_ask(self, tool: Tool, arguments: dict[str, Any]) -> bool:
        use = self._rules.use_for(tool.name)
        if use is None:
            return False
        try:
            schema = _checked(tool, arguments)
        except InvalidRequest:
            return True
        return schema is None or self._rules.must_ask(use, arguments)

    def suspended(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Suspended:
        """See `Gate`. Nothing waits here."""
        raise AssertionError("a refusing gate lets nothing wait")

    def noted(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """See `Gate`."""
        return result


async def expire(stores: Stores, call: WaitingCall) -> WaitingCall:
    """Ends the waiting of a call whose time is over; the call with the answer that counts."""
    now = stores.clock()
    try:
        await stores.approvals.expire(call, now)
    except ConditionFailed:
        return await stores.approvals.get(call.slot, call.run_id, call.call_id)
    return replace(call, answer=expired_answer(now))


def suspension(calls: Sequence[WaitingCall], *, new: Sequence[WaitingCall], now_ms: int) -> Suspended:
    """Lets a run wait for calls, of which the `new` ones are stored with it."""
    named = [{"callId": call.call_id, "kind": call.kind, "name": call.name} for call in calls]
    first, last = min(call.expires_ms for call in calls), max(call.expires_ms for call in calls)
    seconds = max(1, (last - now_ms) / 1000)
    return Suspended("waiting", seconds, events.waiting(named, iso(first)), tuple(new))


def requested(call: WaitingCall) -> Event:
    """The event that tells of a call that waits."""
    return events.approval_requested(
        call.call_id,
        call.kind,
        call.name,
        call.arguments,
        iso(call.expires_ms),
        call.prompt,
        list(call.options),
        call.schema,
    )


def answered(call: WaitingCall) -> Event:
    """The event that tells of a call's answer."""
    assert call.answer is not None
    answer = call.answer
    return events.approval_answered(
        call.call_id, call.kind, call.name, answer.decision, answer.by or None, answer.reason
    )


def _checked(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The schema by which arguments can be judged; None where the tool's own cannot be used: then a person
    judges. Raises `InvalidRequest` for arguments that do not fit: a tool that reads them more leniently than
    a rule does would run what the rule did not see."""
    if len(orjson.dumps(tool.parameters)) > SCHEMA_BYTES:
        return None
    try:
        check_value(arguments, tool.parameters, "arguments")
    except InvalidRequest as error:
        if error.code == "invalid_schema":
            return None
        raise
    return tool.parameters


def _described(call: WaitingCall, answer: Answer) -> ToolResult:
    """An answer as the result that the model reads."""
    if answer.decision == "answer":
        text = answer.content if isinstance(answer.content, str) else orjson.dumps(answer.content).decode()
        return ToolResult(ok=True, text=text, summary=text, full=text)
    reason = f" Reason: {answer.reason}" if answer.reason and not answer.expired else ""
    if call.kind == "question":
        text = "Nobody answered in time." if answer.expired else f"The question was not answered.{reason}"
    elif call.kind == "client":
        text = f"{call.name} gave no result in time." if answer.expired else f"{call.name} failed.{reason}"
    elif answer.expired:
        text = f"{call.name} was not run: nobody approved it in time."
    else:
        text = f"{call.name} was rejected and not run.{reason}"
    return failed(text)
