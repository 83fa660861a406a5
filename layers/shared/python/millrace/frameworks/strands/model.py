"""The model of a Strands agent, which stores its answers."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import orjson
from strands.models import Model

from millrace.agent.model import Block
from millrace.app import AgentContext
from millrace.frameworks.common.answers import Answers
from millrace.frameworks.common.live import Live
from millrace.frameworks.common.steps import from_plain, to_plain
from millrace.frameworks.strands.content import content_of


class StoredModel(Model):
    """A model whose answers are stored with the run. Adds live messages before the next call."""

    def __init__(self, wrapped: Model, ctx: AgentContext) -> None:
        config = wrapped.get_config()
        self._wrapped = wrapped
        self._ctx = ctx
        model = str((config.get("model_id") if isinstance(config, dict) else None) or "model")
        # The name that models of the same server have here.
        self.name = f"{type(wrapped).__module__.rpartition('.')[2]}:{model}"
        self._live = Live(ctx, self.name)
        self._answers = Answers(ctx, model)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    @property
    def stateful(self) -> bool:
        """See `Model`."""
        return self._wrapped.stateful

    @property
    def context_window_limit(self) -> int | None:
        """See `Model`."""
        return self._wrapped.context_window_limit

    def update_config(self, **model_config: Any) -> None:
        """See `Model`."""
        self._wrapped.update_config(**model_config)

    def get_config(self) -> Any:
        """See `Model`."""
        return self._wrapped.get_config()

    def structured_output(self, *given: Any, **more: Any) -> Any:
        """See `Model`."""
        return self._wrapped.structured_output(*given, **more)

    async def count_tokens(self, *given: Any, **more: Any) -> int:
        """See `Model`."""
        return await self._wrapped.count_tokens(*given, **more)

    async def stream(
        self, messages: Any, tool_specs: Any = None, system_prompt: str | None = None, **more: Any
    ) -> AsyncIterator[Any]:
        """See `Model`."""
        sent = _together(await self._live.among(messages, _said_live))
        stored = self._answers.find(system_prompt, [_about(one) for one in sent])
        if stored.result is not None:
            for event in from_plain(orjson.loads(stored.result)):
                yield event
            return
        kept: list[Any] = []
        wrapped: Any = self._wrapped
        said = self._answers.stream(lambda: wrapped.stream(sent, tool_specs, system_prompt, **more))
        async with aclosing(said) as events:
            async for event in events:
                kept.append(event)
                yield event
        stored.keep(orjson.dumps(to_plain(list(_joined(kept)))).decode())
        self._used(kept)

    def _used(self, events: Sequence[Any]) -> None:
        for event in events:
            if usage := event.get("metadata", {}).get("usage"):
                self._ctx.model.used(self.name, usage["inputTokens"], usage["outputTokens"])


def _said_live(blocks: list[Block]) -> Any:
    return {"role": "user", "content": content_of(blocks)}


def _together(messages: Sequence[Any]) -> list[Any]:
    """Return the messages with consecutive ones of one role joined, since some servers refuse others."""
    found: list[Any] = []
    for one in messages:
        if found and found[-1]["role"] == one["role"]:
            found[-1] = found[-1] | {"content": [*found[-1]["content"], *one["content"]]}
        else:
            found.append(one)
    return found


def _about(message: Any) -> Any:
    """Return what identifies a message: its content without ids, which differ from one process to the
    next."""
    return [message["role"], [_block(one) for one in message["content"]]]


def _block(block: Any) -> Any:
    for name in ("toolUse", "toolResult"):
        if name in block:
            return {key: value for key, value in block[name].items() if key != "toolUseId"}
    return to_plain(block)


def _joined(events: Sequence[Any]) -> Iterator[Any]:
    """Yield the events, with the pieces of one text joined."""
    text: list[str] = []
    for event in events:
        piece = event.get("contentBlockDelta", {}).get("delta", {}).get("text")
        if piece is not None:
            text.append(piece)
            continue
        if text:
            yield {"contentBlockDelta": {"delta": {"text": "".join(text)}}}
            text = []
        yield event
