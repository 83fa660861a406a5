"""The gate of an agent whose tools ask people: it decides which calls run or wait, and applies the
answers."""

import asyncio
from collections.abc import Container, Sequence
from typing import Any

import orjson
from msgspec import Struct, field
from msgspec.structs import replace

from millrace.agent.emitter import Emitter
from millrace.agent.gate import Decision, Waiting
from millrace.agent.model import ToolCall
from millrace.agent.suspension import Suspended
from millrace.agent.tools.ask_user import ask_user, read_question
from millrace.agent.tools.builtin import own_rule
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
from millrace.domain.events import Detail, Event
from millrace.domain.projection import capped
from millrace.errors import InvalidRequest, MillraceError
from millrace.services.runs.agent_tools import sub_agent_tools
from millrace.services.runs.json_schemas import check_schema, check_value
from millrace.services.runs.run_work import RunWork
from millrace.services.runs.tool_rules import SUB_AGENT, ToolRules
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed


class ApprovalExpired(MillraceError):
    """Nobody answered in time, and the agent is configured to fail then."""

    status = 409
    code = "approval_expired"


def asks_people(agent: Agent) -> bool:
    """Return whether any call of the agent may need a person."""
    return ASK_USER in agent.tool_names or any(use.asks for use in rules_in(agent))


def rules_in(agent: Agent) -> list[ToolUse]:
    """Return the agent's tools with their rules.

    A tool from the deployment's code may have a default rule, for agents that set none.
    """
    return [use if use.asks else own_rule(use.name) or use for use in agent.tool_uses]


def rules_of(agent: Agent) -> ToolRules:
    """Return the rules of an agent's tools, by the names that its model uses."""
    asked = [name.removeprefix(SUB_AGENT) for name in agent.tool_names if name.startswith(SUB_AGENT)]
    return ToolRules(rules_in(agent), sub_agent_tools(asked))


class Desk(Struct):
    """A run's waiting and formerly waiting calls, for the gates of all its agents.

    `resumed` means that the run has been in another process, so such calls may exist. `longest` is the
    maximum wait in seconds, and `waiting` the number of waiting calls.
    """

    stores: Stores
    session: RunWork
    longest: int
    resumed: bool = False
    _known: asyncio.Task[dict[str, WaitingCall]] | None = None
    waiting: int = 0

    async def known(self) -> dict[str, WaitingCall]:
        """Return the calls by id. Takes one read after a takeover."""
        if not self.resumed:
            return {}
        self._known = self._known or asyncio.create_task(self._read())
        return await asyncio.shield(self._known)

    async def _read(self) -> dict[str, WaitingCall]:
        found = await self.stores.approvals.of_run(self.session.run.slot, self.session.run.id)
        self.waiting = sum(call.state == "waiting" for call in found)
        return {call.call_id: call for call in found}

    @property
    def full(self) -> bool:
        """The maximum number of calls waits."""
        return self.waiting >= CALLS_AT_ONCE

    def ask(self, call: WaitingCall) -> None:
        """Let another call wait."""
        self.waiting += 1
        self.session.ask(call)


class AskingGate(Struct, dict=True):
    """See `agent.gate.Gate`. `path` names the agents from the run's own to this one, if it works for another,
    and `visibility` is the least of theirs. The `begun` calls belong to agents that began in an earlier
    process; the answers to them were already reported."""

    desk: Desk
    agent: Agent
    user: Principal
    emitter: Emitter
    visibility: Detail = "full"
    path: Sequence[dict[str, str]] = ()
    begun: Container[str] = ()
    toolbox: Toolbox = field(default_factory=lambda: Toolbox([]))
    _edited: dict[str, WaitingCall] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rules = rules_of(self.agent)
        self._uses = {use.name: use for use in self.agent.tool_uses}

    async def decide(self, call: ToolCall) -> Decision:
        """See `Gate`. Calls that nobody has to approve, or that nobody could allow, go to the toolbox."""
        if stored := (await self.desk.known()).get(call.id):
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
        if self.desk.full:
            return failed(f"{CALLS_AT_ONCE} calls may wait at the same time; call {call.name} again later.")
        self.emitter.emit(requested(made))
        self.desk.ask(made)
        return Waiting((made.expires_ms - made.requested_ms) / 1000, made)

    @property
    def _now(self) -> int:
        return self.desk.stores.clock()

    # --- asking ------------------------------------------------------------------------------------

    def _asked(self, tool: Tool, call: ToolCall) -> WaitingCall | None:
        """Return the call as a waiting one, or None if it may run.

        Raises `InvalidRequest` for a call that could not run, so that nobody is asked about it.
        """
        arguments = call.arguments or {}
        if call.name == ASK_USER and tool is ask_user():
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
        longest, run = self.desk.longest, self.desk.session.run
        asked |= {
            "approvers": use.who(),
            "position": self.desk.waiting,
            "path": self.path,
            "visibility": capped(run.visibility, self.visibility),
        }
        seconds = min(use.expires or longest, longest)
        return WaitingCall.of(run, self._now, call.id, kind, call.name, seconds, **asked)

    def suspended(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Suspended:
        """See `Gate`. The run continues by itself when all calls have expired."""
        return Suspended.until_answered([one.call for _, one in waiting if one.call], self._now)

    # --- answers -----------------------------------------------------------------------------------

    async def _with_answer(self, stored: WaitingCall, call: ToolCall) -> Decision:
        if stored.answer is None and stored.expires_ms <= self._now:
            stored = await expire(self.desk.stores, stored)
        answer = stored.answer
        if answer is None:
            return Waiting((stored.expires_ms - self._now) / 1000, stored)
        if call.id not in self.begun:
            self.emitter.through(self.desk.session.note_step).emit(requested(stored))
            self.desk.session.bus.note_request(stored.call_id, stored.requested_ms)
            self.emitter.emit(answered(stored))
        if answer.expired and self.agent.on_expired == "fail":
            raise ApprovalExpired(f"Nobody answered {stored.name} in time.")
        if answer.decision != "approve":
            return _described(stored, answer)
        if answer.arguments is None:
            # The stored arguments are those that the approver saw.
            return replace(call, arguments=stored.arguments)
        self._edited[call.id] = stored
        return replace(call, arguments=answer.arguments)

    def noted(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """See `Gate`. If the arguments were edited, the model is told."""
        if call.id not in self._edited:
            return result
        changed = orjson.dumps(call.arguments).decode()
        note = f"[It was run with arguments that the approver has changed: {changed}]\n"
        return replace(result, text=note + result.text, full=note + result.full)


async def expire(stores: Stores, call: WaitingCall) -> WaitingCall:
    """End the wait for an expired call, and return the call with the answer that counts."""
    now = stores.clock()
    try:
        await stores.approvals.expire(call, now)
    except ConditionFailed:
        return await stores.approvals.get(call.slot, call.run_id, call.call_id)
    return replace(call, answer=expired_answer(now))


def requested(call: WaitingCall) -> Event:
    """Return the event for a call that waits."""
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
    """Return the event for a call's answer."""
    assert call.answer is not None
    answer = call.answer
    return events.approval_answered(
        call.call_id, call.kind, call.name, answer.decision, answer.by or None, answer.reason
    )


def _checked(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema that validates edited arguments, or None if the tool's cannot be used; then people
    decide. Raises `InvalidRequest` for arguments that do not match: a tool that is more lenient than a rule
    would run something that the rule did not check."""
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
    """Return an answer as the result for the model."""
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
