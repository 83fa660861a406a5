"""LangChain's callbacks: its tools are steps of the run, and its models' tokens count for the run."""

import asyncio
import re
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import LLMResult
from pydantic_core import from_json, to_json

from millrace.agent.code.context import ONCE, STEP
from millrace.agent.code.record import Answer, Key, calls_in, key_of
from millrace.agent.providers.lenient_json import storable, whole
from millrace.app import AgentContext, ProviderError, ToolError, log, status, thought
from millrace.frameworks.common.failures import chain_of, of_server

_NAME = re.compile(r"[^A-Za-z0-9_-]|_(?=_)")
_ARGUMENTS_BYTES = 4_000
_CLIENTS = frozenset({"anthropic", "openai"})


def step_name(name: str) -> str:
    """Return the name of a step for one of the framework's tools."""
    return _NAME.sub("-", name)[:56] or "step"


def said_in(message: BaseMessage) -> Iterator[Any]:
    """Yield the pieces of the answer and of reasoning in a message, or in a part of one."""
    for block in message.content_blocks:
        if block["type"] == "text" and block["text"]:
            yield block["text"]
        elif block["type"] == "reasoning" and block.get("reasoning"):
            yield thought(block["reasoning"])


def custom_event(chunk: Any) -> Any:
    """Return the event for what the deployment's code sent to the stream: one of our events as it is, a text
    as a status, anything else as a line about the work."""
    if isinstance(chunk, str):
        return status(chunk)
    if isinstance(chunk, dict) and chunk.get("type") in ("status", "thinking", "token"):
        return chunk
    return log(to_json(chunk, fallback=str).decode())


@dataclass(eq=False)
class _ToolCall:
    """An active call. The tool waits until it has `begun`, which is when the turn that calls it is stored."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def result(self) -> str:
        """Wait for the end of the tool, as the step that the run shows."""
        self.begun.set()
        return await self.over


class Calls:
    """The calls of tools and models in one process of a run, as its steps and its usage."""

    def __init__(self, ctx: AgentContext, once: Collection[str] = ()) -> None:
        self._ctx = ctx
        self._once = frozenset(once)
        self._calls: dict[UUID, _ToolCall] = {}
        self._models: dict[UUID, str] = {}
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._inside: set[UUID] = set()
        self._made: set[Key] = set()
        self._earlier = calls_in(ctx.run.earlier)
        self._failed: list[BaseException] = []
        self.in_tools: set[str] = set()
        """The namespaces of LangGraph's checkpoints whose graphs are run by tools."""

    def handlers(self) -> list[BaseCallbackHandler]:
        """Return the callbacks for code in the run's event loop, and those for code in threads."""
        return [_InLoop(self, asyncio.get_running_loop()), _InThread(self, asyncio.get_running_loop())]

    async def begin(self, name: str, arguments: dict[str, Any], run_id: UUID) -> None:
        """Make the call of a tool a step, which is stored before the tool starts. Raises `ToolError` for a
        tool that must not be repeated."""
        kind = ONCE if name in self._once else STEP
        step = kind + step_name(name)
        key = key_of(step, arguments)
        if kind == ONCE and key in self._earlier:
            raise ToolError(f"The call of {name} was interrupted; nobody knows whether it took effect.")
        busy = any(one.begun.is_set() for one in self._calls.values())
        self._made.add(key)
        call = self._calls[run_id] = _ToolCall()
        task = asyncio.create_task(self._ctx.run.call(step, arguments, call.result))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # The step of a tool that another one calls is shown after the other's, so it must not be waited for.
        if not busy:
            await call.begun.wait()

    async def end(self, run_id: UUID, result: str | ToolError) -> None:
        """Store the result of a tool."""
        call = self._calls.pop(run_id, None)
        if call is None or call.over.done():
            return
        if isinstance(result, str):
            call.over.set_result(result)
        else:
            call.over.set_exception(result)
            call.over.exception()  # whoever shows the step may be gone

    @property
    def has_called(self) -> bool:
        """True if a tool was called in this process."""
        return bool(self._made)

    async def give_up(self) -> None:
        """End the calls that the framework has abandoned, before it starts again."""
        for run_id in list(self._calls):
            await self.end(run_id, ToolError("Another part of the run failed, so this call was ended."))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._earlier |= self._made

    def starts(self, run_id: UUID, parent_run_id: UUID | None, metadata: dict[str, Any] | None) -> None:
        """Note what a tool runs."""
        if parent_run_id in self._calls or parent_run_id in self._inside:
            self._inside.add(run_id)
            node = (metadata or {}).get("langgraph_checkpoint_ns", "")
            self.in_tools.add(node.rpartition("|")[0])

    def asks(self, run_id: UUID, metadata: dict[str, Any] | None) -> None:
        """Note which model is asked."""
        known = metadata or {}
        self._models[run_id] = (
            f"{known.get('ls_provider', 'langchain')}:{known.get('ls_model_name', 'model')}"
        )

    def failed(self, error: BaseException) -> None:
        """Note that a model has failed."""
        self._failed.append(error)

    def failure(self, error: BaseException) -> ProviderError | None:
        """Return the failure of a model's server that caused an error; None if it has another cause, since
        the deployment's code may call services that fail in the same way."""
        known = {id(one) for one in self._failed}
        asked = (one for one in chain_of(error) if id(one) in known or _is_of_models(one))
        return next((made for one in asked if (made := of_server(one))), None)

    def answered(self, run_id: UUID, response: LLMResult) -> None:
        """Count the tokens of a model."""
        model = self._models.pop(run_id, "langchain:model")
        for generation in (one for many in response.generations for one in many):
            message = getattr(generation, "message", None)
            usage = message.usage_metadata if isinstance(message, AIMessage) else None
            if usage:
                details = usage.get("input_token_details") or {}
                self._ctx.model.used(
                    model,
                    usage["input_tokens"],
                    usage["output_tokens"],
                    cache_read=details.get("cache_read") or 0,
                    cache_write=details.get("cache_creation") or 0,
                )


class _InLoop(AsyncCallbackHandler):
    """The callbacks of code in the run's event loop. LangChain also calls them from other threads, where
    their errors would end nothing."""

    raise_error = True

    def __init__(self, calls: Calls, loop: asyncio.AbstractEventLoop) -> None:
        self._calls = calls
        self._loop = loop

    @property
    def _elsewhere(self) -> bool:
        return asyncio.get_running_loop() is not self._loop

    async def on_tool_start(
        self, serialized: dict[str, Any], input_str: str, *, run_id: UUID, **more: Any
    ) -> None:
        """See `Calls.begin`."""
        if not self._elsewhere:
            await self._calls.begin(*_named(serialized, input_str, more), run_id)

    async def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """See `Calls.end`."""
        if not self._elsewhere:
            await self._calls.end(run_id, _text_of(output))

    async def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """See `Calls.end`."""
        if not self._elsewhere:
            await self._calls.end(run_id, _failed(error))

    async def on_chain_start(self, *_: Any, run_id: UUID, **more: Any) -> None:
        """See `Calls.starts`."""
        self._calls.starts(run_id, more.get("parent_run_id"), more.get("metadata"))

    async def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **more: Any
    ) -> None:
        """See `Calls.asks`."""
        self._calls.asks(run_id, more.get("metadata"))

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """See `Calls.answered`."""
        self._loop.call_soon_threadsafe(self._calls.answered, run_id, response)

    async def on_llm_error(self, error: BaseException, **_: Any) -> None:
        """See `Calls.failed`."""
        self._calls.failed(error)


class _InThread(BaseCallbackHandler):
    """The callbacks of tools in threads, which wait there for the run."""

    raise_error = True
    run_inline = True

    def __init__(self, calls: Calls, loop: asyncio.AbstractEventLoop) -> None:
        self._calls = calls
        self._loop = loop

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, *, run_id: UUID, **more: Any) -> None:
        """See `Calls.begin`."""
        self._wait(lambda: self._calls.begin(*_named(serialized, input_str, more), run_id))

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """See `Calls.end`."""
        self._wait(lambda: self._calls.end(run_id, _text_of(output)))

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """See `Calls.end`."""
        self._wait(lambda: self._calls.end(run_id, _failed(error)))

    def _wait(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run_coroutine_threadsafe(work(), self._loop).result()


def _named(serialized: dict[str, Any] | None, text: str, more: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a tool and its arguments."""
    return (serialized or {}).get("name") or more.get("name") or "tool", _public(more.get("inputs"), text)


def _is_of_models(error: BaseException) -> bool:
    """Return whether an error comes from a client library by which the deployment's code asks models."""
    return type(error).__module__.partition(".")[0] in _CLIENTS


def _failed(error: BaseException) -> ToolError:
    return ToolError(f"{type(error).__name__}: {error}")


def _public(inputs: Any, text: str) -> dict[str, Any]:
    """Return the arguments of a call that its event shows: those that are JSON and small enough."""
    given = inputs if isinstance(inputs, dict) else {"input": text}
    shown = {}
    for name, value in given.items():
        if name not in ("runtime", "state", "store", "config"):
            with suppress(ValueError):  # of a value that is nested too deeply
                data = to_json(storable(value), fallback=lambda _: None, serialize_unknown=True)
                if len(data) <= _ARGUMENTS_BYTES:
                    shown[whole(str(name))] = storable(from_json(data))
    return shown


def _text_of(output: Any) -> str:
    content = output.content if isinstance(output, BaseMessage) else output
    try:
        return to_json(storable(content), fallback=str).decode()
    except ValueError:
        return to_json(whole(str(content))).decode()
