"""Live messages among the messages that a framework sends to its model."""

from collections.abc import Callable, Sequence
from typing import Any

from millrace.agent.code.attachments import blocks_of
from millrace.agent.model import Block
from millrace.app import AgentContext


class Live:
    """The live messages of a run, each at the position where it arrived. The framework does not know them,
    and sends its own messages again with every call. `model` is the name by which the accepted attachments
    are looked up."""

    def __init__(self, ctx: AgentContext, model: str) -> None:
        self._ctx = ctx
        self._model = model
        self._found: list[tuple[int, Any]] = []
        self._calls = 0

    async def among(self, messages: Sequence[Any], made: Callable[[list[Block]], Any]) -> list[Any]:
        """Return the messages of the next call with the live ones, which `made` creates from their blocks."""
        # Before the first answer there is nothing that a live message could interrupt.
        if self._calls:
            texts = await self._ctx.live_messages()
            turns = [{"role": "user", "content": blocks_of(text)} for text in texts]
            for turn in await self._ctx.model.with_files(turns, self._model):
                self._found.append((len(messages), made(turn["content"])))
        self._calls += 1
        all_of_them: list[Any] = []
        for place, message in enumerate(messages):
            all_of_them += [live for where, live in self._found if where == place]
            all_of_them.append(message)
        return all_of_them + [live for where, live in self._found if where >= len(messages)]
