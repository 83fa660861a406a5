"""One run of a graph of LangGraph: its output, its finished nodes, and live messages.

A finished node is a step of the run, stored with its output. So a process that takes over the run continues
with the unfinished nodes, and nothing is said twice.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.constants import TAG_NOSTREAM
from langgraph.errors import GraphDrained, InvalidUpdateError
from langgraph.pregel import Pregel
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot
from pydantic_core import to_json

from millrace.agent.code.context import STEP
from millrace.agent.code.record import Live, RecordedTurn
from millrace.app import AgentContext
from millrace.frameworks.langchain_core.callbacks import Calls, custom_event, said_in, step_name
from millrace.frameworks.langchain_core.messages import conversation, filled, question
from millrace.frameworks.langgraph.attempts import Attempts
from millrace.frameworks.langgraph.questions import Answers, answer_of
from millrace.frameworks.langgraph.run_checkpoints import MESSAGES, RUN, RunCheckpoints

MODES = ["messages", "custom", "tasks"]
THREAD = "thread"
STOPPED = "The run was stopped before this tool had answered."


@dataclass(frozen=True)
class GraphOptions:
    """The options of a graph (see `langgraph_agent`)."""

    input: Callable[[AgentContext], Any] | None = None
    output: Callable[[Any], Any] | None = None
    config: Callable[[AgentContext], RunnableConfig] | None = None
    context: Callable[[AgentContext], Any] | None = None
    answer_nodes: frozenset[str] = frozenset()
    once: frozenset[str] = frozenset()


class GraphRun:
    """A run in one process."""

    def __init__(self, graph: Pregel[Any, Any, Any, Any], ctx: AgentContext, options: GraphOptions) -> None:
        self._ctx = ctx
        self._options = options
        self._calls = Calls(ctx, options.once)
        self._saver = RunCheckpoints(ctx, self._calls.in_tools)
        self._graph = graph.copy({"checkpointer": self._saver})
        self._callbacks = self._calls.handlers()
        self._attempts = Attempts(ctx, self._calls, self._saver)
        self._answers = Answers(ctx.run.earlier)
        self._live: list[str] = []
        self._last_nodes: list[str] = []
        self._has_said = any(one.text for one in ctx.run.earlier if isinstance(one, RecordedTurn))
        self._thread = ""
        self._takes_messages = takes_messages(graph)

    async def events(self) -> AsyncGenerator[Any, None]:
        """Yield the output of the graph until its end."""
        given = await self._begin()
        while given is not _OVER:
            control = RunControl()
            try:
                async with aclosing(self._streamed(given, control)) as said:
                    async for event in said:
                        yield event
            except Exception as error:
                await self._attempts.wait_after(error)
                given = await self._once_more(given)
            else:
                given = await self._after(await self._graph.aget_state(self._config))
        snapshot = await self._graph.aget_state(self._config)
        if not self._has_said and (text := self._output(snapshot)):
            yield text
        await self._end()

    # --- start and end ------------------------------------------------------------------------------

    async def _begin(self) -> Any:
        """Return the input of the graph; None to continue from its last checkpoint."""
        ctx = self._ctx
        known = await ctx.store.get(THREAD)
        if known and known["run"] == ctx.run_id:
            self._thread = known["thread"]
            if known["ended"] and not ctx.resumed:  # it runs once more, for live messages
                return {MESSAGES: [await question(ctx, self._id(ctx.run.live))]}
            if (given := await self._resumed()) is not _NEW:
                return given
        elif known and known["run"] == ctx.run.previous_run:
            self._thread = known["thread"]
        else:
            # The first run here, or one in another branch, or one after the answer of another agent.
            self._thread, self._saver.new = ctx.run_id, True
        fresh = self._saver.new
        await ctx.store.put(THREAD, {"thread": self._thread, "run": ctx.run_id, "ended": False})
        if known and known["thread"] != self._thread:
            await self._saver.adelete_thread(known["thread"])
        if self._options.input:
            return await filled(self._options.input(ctx))
        if fresh:
            return {MESSAGES: await conversation(ctx)}
        return {MESSAGES: [*await self._repairs(bool(known and known["ended"])), await question(ctx)]}

    async def _resumed(self) -> Any:
        """Return the input for a process that has taken over the run; `_NEW` if the graph has not started."""
        snapshot = await self._graph.aget_state(self._config)
        self._live = self._not_taken(snapshot)
        if (snapshot.metadata or {}).get(RUN) != self._ctx.run_id:
            return _NEW
        return await self._after(snapshot)

    async def _once_more(self, given: Any) -> Any:
        """Return the input after a failure: none, if the earlier one is in the graph's state."""
        snapshot = await self._graph.aget_state(self._config)
        return None if (snapshot.metadata or {}).get(RUN) == self._ctx.run_id else given

    def _not_taken(self, snapshot: StateSnapshot) -> list[str]:
        """Return the live messages that arrived before the takeover and are not in the graph's state."""
        came = [str(one.text) for one in self._ctx.run.earlier if isinstance(one, Live)]
        ids = [str(one.id) for one in _messages(snapshot)]
        marks = [id.removeprefix(self._mark) for id in ids if id.startswith(self._mark)]
        return came[max((int(mark) for mark in marks), default=0) :] if self._takes_messages else []

    async def _repairs(self, ended: bool) -> list[AnyMessage]:
        """Return the messages that the state lacks because the previous run was stopped: results of calls and
        a text."""
        if ended:
            return []
        snapshot = await self._graph.aget_state(self._config)
        open_calls = _open_calls(_messages(snapshot))
        found: list[AnyMessage] = [ToolMessage(STOPPED, tool_call_id=id) for id in open_calls]
        last = self._ctx.history[-1] if self._ctx.history else None
        known = {str(one.text) for one in _messages(snapshot) if isinstance(one, AIMessage)}
        if last and last.role == "assistant" and last.text and str(last.text) not in known:
            found.append(AIMessage(str(last.text)))
        return found

    def _id(self, taken: int) -> str | None:
        """Return the id of a message, which says how many live messages the graph has received with it."""
        return f"{self._mark}{taken}" if taken else None

    async def _end(self) -> None:
        await self._ctx.store.put(THREAD, {"thread": self._thread, "run": self._ctx.run_id, "ended": True})
        if not any(isinstance(one, DeltaChannel) for one in self._graph.channels.values()):
            await self._saver.aprune([self._thread])

    def _output(self, snapshot: StateSnapshot) -> str:
        """Return the answer of a graph that has said nothing itself."""
        if self._options.output:
            value = self._options.output(snapshot.values)
            return value if isinstance(value, str) else to_json(value, fallback=str).decode()
        messages = _messages(snapshot)
        if messages:
            return str(messages[-1].text) if isinstance(messages[-1], AIMessage) else ""
        return to_json(snapshot.values, fallback=str).decode() if snapshot.values else ""

    # --- running ------------------------------------------------------------------------------------

    async def _streamed(self, given: Any, control: RunControl) -> AsyncGenerator[Any, None]:
        context = self._options.context(self._ctx) if self._options.context else None
        stream: AsyncGenerator[Any, None] = self._graph.astream(  # type: ignore[call-overload]
            given,
            self._config,
            context=context,
            stream_mode=MODES,
            subgraphs=True,
            durability="sync",
            control=control,
        )
        try:
            async with aclosing(stream) as chunks:
                async for namespace, mode, chunk in chunks:
                    for event in self._outputs_in(mode, chunk):
                        self._has_said = self._has_said or isinstance(event, str)
                        yield event
                    if mode == "tasks" and "result" in chunk and not chunk["interrupts"]:
                        await self._finished(chunk, control, "|".join(namespace))
        except GraphDrained:
            pass

    def _outputs_in(self, mode: str, chunk: Any) -> list[Any]:
        if mode == "custom":
            return [custom_event(chunk)]
        if mode == "tasks":
            return []
        message, metadata = chunk
        wanted = self._options.answer_nodes
        if not isinstance(message, AIMessage) or TAG_NOSTREAM in (metadata.get("tags") or ()):
            return []
        if not isinstance(message, AIMessageChunk) and message.id in self._saver.known_messages:
            return []
        if wanted and metadata["langgraph_node"] not in wanted:
            return []
        said = list(said_in(message))
        if said:
            self._attempts.said(metadata)
        return said

    async def _finished(self, task: Mapping[str, Any], control: RunControl, namespace: str) -> None:
        """Store that a node has finished, with its output; then check for live messages."""
        if task["error"] or namespace in self._calls.in_tools:
            return
        if not namespace:
            self._last_nodes.append(task["name"])
        await self._saver.finished(task["id"], namespace)
        await self._ctx.run.call(STEP + step_name(task["name"]), {"task": task["id"]}, _done)
        self._saver.count(task["id"])
        self._attempts.finished(task["id"])
        if self._takes_messages:
            self._live += await self._ctx.live_messages()
            if self._live:
                control.request_drain("live message")

    async def _after(self, snapshot: StateSnapshot) -> Any:
        """Return the next input of a graph that has stopped: answers, live messages, or that it has ended."""
        if snapshot.interrupts:
            return await self._answered(snapshot)
        if snapshot.tasks:
            return await self._let_in(snapshot)
        return {MESSAGES: [self._live_message()]} if self._live else _OVER

    async def _answered(self, snapshot: StateSnapshot) -> Command[Any]:
        resume = {one.id: await answer_of(self._ctx, one, self._answers) for one in snapshot.interrupts}
        return Command(resume=resume)

    async def _let_in(self, snapshot: StateSnapshot) -> None:
        """Put live messages into the state between two nodes, if a model may read them and the graph takes
        the same path as without them; otherwise they wait for the next opportunity."""
        nodes, self._last_nodes = set(self._last_nodes), []
        if not self._live or not snapshot.next or len(nodes) > 1 or _open_calls(_messages(snapshot)):
            return
        live = [*self._live]
        try:
            update = {MESSAGES: [self._live_message()]}
            updated = await self._graph.aupdate_state(self._config, update, *nodes)
        except InvalidUpdateError:
            self._live = live
            return
        if (await self._graph.aget_state(self._config)).next != snapshot.next:
            await self._saver.forget(updated)
            self._live = live

    def _live_message(self) -> HumanMessage:
        text, self._live = "\n".join(self._live), []
        return HumanMessage(text, id=self._id(self._ctx.run.live))

    @property
    def _mark(self) -> str:
        return f"{self._ctx.run_id}-live-"

    @property
    def _config(self) -> RunnableConfig:
        ctx = self._ctx
        own: dict[str, Any] = dict(self._options.config(ctx)) if self._options.config else {}
        ours = {
            "user_id": ctx.user.id,
            "organization": ctx.organization,
            "conversation_id": ctx.conversation_id,
        }
        own["configurable"] = {**ours, **own.get("configurable", {}), "thread_id": self._thread}
        own["metadata"] = {**own.get("metadata", {}), RUN: ctx.run_id}
        own["callbacks"] = [*own.get("callbacks", ()), *self._callbacks]
        return cast(RunnableConfig, own)


def takes_messages(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Return whether the graph's state has messages."""
    return MESSAGES in graph.channels


def _messages(snapshot: StateSnapshot) -> Sequence[AnyMessage]:
    values = snapshot.values
    found = values.get(MESSAGES) if isinstance(values, Mapping) else getattr(values, MESSAGES, None)
    return found or []


def _open_calls(messages: Sequence[AnyMessage]) -> Collection[str]:
    """Return the calls of the last turn that have no result."""
    answered = {one.tool_call_id for one in messages if isinstance(one, ToolMessage)}
    calls = (call for one in messages if isinstance(one, AIMessage) for call in one.tool_calls)
    return [str(call["id"]) for call in calls if call["id"] not in answered]


async def _done() -> str:
    return "{}"


_NEW, _OVER = object(), object()
