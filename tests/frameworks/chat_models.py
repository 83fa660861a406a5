"""A LangChain chat model that answers by its input, piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

USAGE = UsageMetadata(input_tokens=10, output_tokens=3, total_tokens=13)
Answer = str | list[dict[str, Any]]
"""A text, or calls of tools."""


def call(name: str, id: str = "", **arguments: Any) -> dict[str, Any]:
    """A call of a tool."""
    return {"name": name, "args": arguments, "id": id or f"call_{name}", "type": "tool_call"}


class FakeModel(BaseChatModel):
    """`answer` makes the answer of the messages; `asked` are those that came. With `hold` the second piece of
    a text waits for ever; `held` tells that it does, and `ended` that the call was cancelled."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    answer: Callable[[Sequence[BaseMessage]], Answer]
    asked: list[list[str]] = Field(default_factory=list)
    hold: bool = False
    held: asyncio.Event = Field(default_factory=asyncio.Event)
    ended: asyncio.Event = Field(default_factory=asyncio.Event)

    @property
    def _llm_type(self) -> str:
        return "fake"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _pieces(self, messages: Sequence[BaseMessage]) -> list[AIMessageChunk]:
        self.asked.append([str(one.text) for one in messages if one.type == "human"])
        said = self.answer(messages)
        if isinstance(said, str):
            words = [AIMessageChunk(content=f"{word} ") for word in said.split()]
        else:
            message = AIMessage("", tool_calls=said)
            words = [AIMessageChunk(content="", tool_call_chunks=_chunks(message))]
        return [*words, AIMessageChunk(content="", usage_metadata=USAGE, chunk_position="last")]

    def _stream(self, messages: Any, *_: Any, run_manager: Any = None, **__: Any) -> Iterator[Any]:
        for piece in self._pieces(messages):
            chunk = ChatGenerationChunk(message=piece)
            if run_manager and piece.content:
                run_manager.on_llm_new_token(piece.content, chunk=chunk)
            yield chunk

    async def _astream(
        self, messages: Any, *_: Any, run_manager: Any = None, **__: Any
    ) -> AsyncIterator[Any]:
        for number, piece in enumerate(self._pieces(messages)):
            if self.hold and number == 1:
                await self._wait()
            chunk = ChatGenerationChunk(message=piece)
            if run_manager and piece.content:
                await run_manager.on_llm_new_token(piece.content, chunk=chunk)
            yield chunk

    async def _wait(self) -> None:
        self.held.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        whole = self._pieces(messages)
        first = whole[0]
        for piece in whole[1:]:
            first = first + piece
        message = AIMessage(first.content, tool_calls=first.tool_calls, usage_metadata=first.usage_metadata)
        return ChatResult(generations=[ChatGeneration(message=message)])


def _chunks(message: AIMessage) -> Any:
    from langchain_core.messages.tool import tool_call_chunk
    from pydantic_core import to_json

    return [
        tool_call_chunk(name=one["name"], args=to_json(one["args"]).decode(), id=one["id"], index=at)
        for at, one in enumerate(message.tool_calls)
    ]
