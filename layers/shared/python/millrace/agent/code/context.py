"""The context of an agent in code: the message that it answers, and what it can do."""

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeVar

import orjson
from msgspec import Struct
from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from millrace.agent.code.attachments import MessageText, blocks_of
from millrace.agent.code.model import AgentModel, RunUsage
from millrace.agent.code.record import Answer, Said, key_of, text_given
from millrace.agent.code.run import CodeRun
from millrace.agent.code.values import AgentStore
from millrace.agent.providers.lenient_json import storable
from millrace.agent.said import OF_AGENTS, checked
from millrace.agent.tools.own import tool_of
from millrace.agent.tools.tool import Repeat, Secrets, ToolContext, log
from millrace.agent.tools.workers import in_thread
from millrace.domain import events
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.approvals import ASK_USER
from millrace.errors import ToolError

STEP, ONCE = "step__", "once__"
"""Prefixes of the names of steps: of those that may be repeated, and of the others. Two underscores appear in
no tool's name except those of MCP servers."""
_STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,56}")
_ARGUMENTS_BYTES = 4_000

T = TypeVar("T")


class Stored(Struct, frozen=True):
    """A step that is done elsewhere, such as a model's answer that is streamed. `result` is the result if an
    earlier process has stored one. A result that is kept is stored together with the next step."""

    run: CodeRun
    name: str
    arguments: dict[str, Any]
    result: str | None

    def keep(self, result: str) -> None:
        """Have a result stored, without waiting for it."""
        self.run.note(self.name, self.arguments, result)


class ToolAnswer(str):
    """The text that a tool returned."""

    @classmethod
    def of(cls, answer: Answer, tool: str) -> "ToolAnswer":
        """Return the answer to a call. Raises `ToolError` with the tool's message if the call failed."""
        return cls(text_given(answer, tool))

    @property
    def value(self) -> Any:
        """The parsed value if the text is JSON; otherwise the text."""
        try:
            return orjson.loads(str(self))
        except orjson.JSONDecodeError:
            return str(self)


class AgentContext:
    """The context of a run of an agent in code.

    `message` is the user's message and `history` the earlier messages: texts with their `role`. Both have
    `attachments`, their images and files. `agent` is the agent with its settings, and `model` asks a language
    model.
    """

    def __init__(
        self,
        run: CodeRun,
        agent: Agent,
        context: ToolContext,
        model: AgentModel,
        message: MessageText,
        history: Sequence[Said],
        sub_agents: dict[str, str],
    ) -> None:
        self.agent = agent
        self.message = message
        self.history = list(history)
        self.model = model
        self._run = run
        self._context = context
        self._sub_agents = sub_agents

    @property
    def user(self) -> Principal:
        """The user for whom the run works: id, claims, roles and scopes."""
        return self._context.user

    @property
    def organization(self) -> str:
        """The id of the organization."""
        return self._context.organization

    @property
    def conversation_id(self) -> str:
        """The id of the conversation."""
        return self._context.conversation_id

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._context.run_id

    @property
    def run(self) -> CodeRun:
        """The run, for adapters of frameworks."""
        return self._run

    @property
    def resumed(self) -> bool:
        """True in a process that has taken over the run."""
        return self._run.resumed

    @property
    def log(self) -> logging.Logger:
        """A logger whose lines name the organization, the conversation and the run."""
        return log

    @property
    def secrets(self) -> Secrets | None:
        """The deployment's secrets."""
        return self._context.secrets

    @property
    def store(self) -> AgentStore:
        """Values that the agent keeps with the conversation."""
        if self._context.values is None:
            raise ToolError("Nothing can be stored here: the agent has no conversation.")
        return AgentStore(self._run, self.agent.id, self._context.values)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The history and the message, as `model` accepts them, with their images and files."""
        said = [*self.history, Said("user", self.message)]
        return [{"role": one.role, "content": blocks_of(one.text)} for one in said if one.text]

    @property
    def usage(self) -> RunUsage:
        """The tokens that the run has used so far and their cost, over all of its processes and including the
        agents that it has asked."""
        return self.model.usage

    def say(self, event: Any) -> None:
        """Send a text or an event of `millrace.app`, as `yield` does. Raises `TypeError` for anything
        else."""
        if isinstance(event, str):
            event = events.token(event)
        self._run.say(checked(event, OF_AGENTS))

    async def call_tool(self, tool: str | Callable[..., Any], /, **arguments: Any) -> ToolAnswer:
        """Call one of the agent's tools, by its name or its function, with its approvals, time limit and
        events. The result is stored before this returns. Raises `ToolError` if the tool failed, was rejected
        or is not one of the agent's tools."""
        made = None if isinstance(tool, str) else tool_of(tool)
        name = made.name if made else str(tool)
        given = orjson.loads(to_json(arguments))
        return ToolAnswer.of(await self._run.call(name, given), name)

    async def ask_user(self, question: str, options: Sequence[str] | None = None) -> ToolAnswer:
        """Ask the user and wait for the answer, however long it takes; the run does not occupy a process in
        the meantime. Needs the tool `ask_user`. Raises `ToolError` if nobody answers."""
        choices = {"options": list(options)} if options else {}
        return await self.call_tool(ASK_USER, question=question, **choices)

    async def ask_agent(self, agent_id: str, task: str) -> ToolAnswer:
        """Have another agent do a task. Needs the tool `agent:<id>`. Raises `ToolError`."""
        if agent_id not in self._sub_agents:
            raise ToolError(f"{self.agent.id} may not ask {agent_id}; add 'agent:{agent_id}' to its tools.")
        return await self.call_tool(self._sub_agents[agent_id], task=task)

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        repeat: Repeat = "safe",
        returns: type[T] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Do something once: its result is stored before this returns, and a process that takes over the run
        gets the stored result.

        A step that was interrupted runs again, unless it has `repeat="never"`. The result is JSON of at most
        256 KB. A pydantic model is stored as its fields, from which `returns` recreates it. Raises
        `ToolError` if the function failed; the failure is stored as well.
        """
        if not _STEP_NAME.fullmatch(name) or "__" in name:
            raise ValueError(
                f"The name of a step has 1 to 56 letters, digits, _ and -, and no __; not {name!r}."
            )
        work = partial(_performed, function, args, kwargs)
        called = (STEP if repeat == "safe" else ONCE) + name
        answer = await self._run.call(called, _public(args, kwargs), work)
        value = from_json(text_given(answer, called))
        return value if returns is None else TypeAdapter(returns).validate_python(value)

    def stored(self, name: str, arguments: dict[str, Any]) -> Stored:
        """Return a step that is done elsewhere, for adapters of frameworks (see `Stored`)."""
        result = self._run.noted_result(key_of(STEP + name, arguments))
        return Stored(self._run, STEP + name, arguments, result)

    async def live_messages(self) -> list[MessageText]:
        """Return the live messages that users have sent since the last call. Those that are never read are
        passed to the agent as messages of their own when it is done."""
        return await self._run.live_messages()


async def _performed(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    call: Callable[..., Awaitable[Any]] = (
        function if iscoroutinefunction(function) else partial(in_thread, function)
    )
    return to_json(await call(*args, **kwargs)).decode()


def _public(args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a step that its event shows: those that are JSON and small enough."""
    try:
        data = orjson.dumps({"args": args, **kwargs} if args else kwargs)
        shown: dict[str, Any] = storable(orjson.loads(data)) if len(data) <= _ARGUMENTS_BYTES else {}
    except (TypeError, ValueError):
        return {}
    return shown
