"""A runnable of LangChain as an agent of the deployment."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import aclosing
from itertools import count
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.pregel import Pregel
from pydantic_core import to_json

from millrace.app import AgentContext, agent
from millrace.frameworks.common.failures import of_ours
from millrace.frameworks.langchain_core.callbacks import Calls, custom_event, said_in
from millrace.frameworks.langchain_core.messages import conversation, filled
from millrace.frameworks.langgraph import langgraph_agent

_PIECES = ("on_chain_stream", "on_chat_model_stream", "on_llm_stream")
_HISTORY = ("history", "chat_history")
MESSAGES = "messages"


def langchain_agent(
    id: str,
    runnable: Runnable[Any, Any],
    /,
    *,
    input: Callable[[AgentContext], Any] | None = None,
    output: Callable[[Any], Any] | None = None,
    config: Callable[[AgentContext], RunnableConfig] | None = None,
    once: Collection[str] = (),
    **settings: Any,
) -> Any:
    """Make a runnable an agent of the deployment: an agent of `create_agent`, a chain, a model.

    Args:
        id: The agent's id.
        runnable: The runnable.
        input: Returns the runnable's input from the context, possibly as a coroutine. By default a chain gets
            the message in its only variable, and the conversation in `messages`, `history` or `chat_history`.
        output: Returns the answer from what the runnable returns, if that is not streamed text.
        config: Returns additional configuration: `configurable`, `tags` ...
        once: Names of tools whose interrupted calls must not be repeated, since nobody knows whether they
            took effect: the run ends with an error instead.
        settings: As for `@agent`; for graphs also those of `langgraph_agent`.

    Raises `ValueError` for a chain that needs an `input`.
    """
    if isinstance(runnable, Pregel):
        return langgraph_agent(id, runnable, input=input, output=output, config=config, once=once, **settings)
    make_input = input or _input_for(id, runnable)

    @agent(id, **settings, replay=False)
    async def play(ctx: AgentContext) -> AsyncIterator[Any]:
        given: Any = dict(config(ctx)) if config else {}
        calls, run, shown = Calls(ctx, once), _Run(output), False
        given["callbacks"] = [*given.get("callbacks", ()), *calls.handlers()]
        for attempt in count(1):
            try:
                async with aclosing(run.events(runnable, await filled(make_input(ctx)), given)) as events:
                    async for event in events:
                        shown = True
                        yield event
                return
            except Exception as error:
                await calls.give_up()
                failure = calls.failure(error)
                if failure is None:
                    raise of_ours(error) or error from error
                await ctx.model.wait_after(failure, attempt, started=shown or calls.has_called)

    return play


class _Run:
    """A run of a runnable. The answer is what the runnable itself streams, not what the models inside it
    say."""

    def __init__(self, output: Callable[[Any], Any] | None) -> None:
        self._output = output
        self._has_said = False

    async def events(
        self, runnable: Runnable[Any, Any], given: Any, config: RunnableConfig
    ) -> AsyncGenerator[Any, None]:
        """Yield the output of the runnable until its end."""
        stream: Any = runnable.astream_events(given, config, version="v2")
        async with aclosing(stream) as found:
            async for event in found:
                for one in self._events_of(event):
                    self._has_said = self._has_said or isinstance(one, str)
                    yield one

    def _events_of(self, event: Any) -> list[Any]:
        kind, outermost, data = event["event"], not event["parent_ids"], event["data"]
        if kind in _PIECES:
            return _pieces(data["chunk"], outermost and self._output is None)
        if kind == "on_custom_event":
            return [custom_event(event["data"])]
        # Models and chains have different names for their end events.
        if outermost and kind.endswith("_end") and (self._output or not self._has_said):
            text = _text_of(self._output(data["output"]) if self._output else data["output"])
            return [text] if text else []
        return []


def _pieces(chunk: Any, answers: bool) -> list[Any]:
    """Return the pieces of the answer in a chunk, and of reasoning, which is shown for every model."""
    if isinstance(chunk, BaseMessage):
        return [one for one in said_in(chunk) if answers or not isinstance(one, str)]
    text = chunk if isinstance(chunk, str) else getattr(chunk, "text", None)
    return [text] if answers and isinstance(text, str) and text else []


def _text_of(value: Any) -> str:
    """Return the answer in the result of a runnable."""
    if isinstance(value, BaseMessage):
        return str(value.text)
    if isinstance(value, dict) and isinstance(value.get("output"), str):
        return str(value["output"])
    return value if isinstance(value, str) else to_json(value, fallback=str).decode()


def _input_for(id: str, runnable: Runnable[Any, Any]) -> Callable[[AgentContext], Any]:
    """Return a function that creates the input from the context, by the variables that the runnable needs."""
    variables = list(runnable.get_input_jsonschema().get("properties") or ())
    if not variables:
        takes_messages = isinstance(getattr(runnable, "bound", runnable), BaseLanguageModel)
        return conversation if takes_messages else lambda ctx: str(ctx.message)
    texts = [name for name in variables if name not in (MESSAGES, *_HISTORY)]
    if len(texts) > 1 or (MESSAGES in variables and texts):
        raise ValueError(
            f"The chain {id!r} takes {', '.join(variables)}; specify its input: langchain_agent(..., "
            f"input=lambda ctx: {{{variables[0]!r}: ctx.message, ...}})."
        )

    async def made(ctx: AgentContext) -> dict[str, Any]:
        given: dict[str, Any] = dict.fromkeys(texts, str(ctx.message))
        messages = await conversation(ctx)
        for name in variables:
            if name == MESSAGES:
                given[name] = messages
            elif name in _HISTORY:
                given[name] = messages[:-1]
        return given

    return made
