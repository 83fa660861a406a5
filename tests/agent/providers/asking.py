"""Helpers to call providers."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from itertools import pairwise
from typing import Any

from millrace.agent.model import Delta, Finish, Message, ModelRequest, Text, Thinking, ToolCall, ToolSpec
from millrace.agent.providers.connection import Reader
from millrace.agent.providers.failures import Server
from millrace.agent.providers.registry import ProviderRegistry
from millrace.errors import ProviderError
from millrace.settings import Settings
from tests.fakes.model_server import REGION, ModelServer

SERVER = Server("The server", "Check the key.")
WEATHER = ToolSpec("weather", "The weather of a city.", {"type": "object", "properties": {"city": {}}})


def settings_for(server: ModelServer) -> Settings:
    return Settings(
        region=REGION,
        openai_base_url=f"{server.url}/v1",
        openai_api_key="sk-openai-secret",
        anthropic_base_url=server.url,
        anthropic_api_key="sk-ant-secret",
        bedrock_endpoint_url=server.url,
    )


def user(*texts: str) -> Message:
    return {"role": "user", "content": [{"text": text} for text in texts]}


def assistant(*texts: str) -> Message:
    return {"role": "assistant", "content": [{"text": text} for text in texts]}


def called(id: str, name: str, given: dict[str, Any]) -> Message:
    return {"role": "assistant", "content": [{"toolUse": {"toolUseId": id, "name": name, "input": given}}]}


def result(id: str, text: str, *live: str, status: str = "success") -> Message:
    content = {"toolUseId": id, "status": status, "content": [{"text": text}]}
    return {"role": "user", "content": [{"toolResult": content}, *({"text": each} for each in live)]}


def request(*messages: Message, tools: Iterable[ToolSpec] = (), **more: Any) -> ModelRequest:
    return ModelRequest(
        more.pop("model", "fake"), more.pop("system", ""), list(messages) or [user("Hi")], list(tools), **more
    )


class Ask:
    """`await ask("openai:model", ...)` gives every delta; `ask.stream(...)` the generator."""

    def __init__(self, registry: ProviderRegistry) -> None:
        self.registry = registry

    def stream(self, model: str, *messages: Message, **more: Any) -> AsyncGenerator[Delta, None]:
        provider, name = self.registry.provider_for(model)
        return provider.stream(request(*messages, model=name, **more))

    async def __call__(self, model: str, *messages: Message, **more: Any) -> list[Delta]:
        return [delta async for delta in self.stream(model, *messages, **more)]

    async def failing(self, model: str, *messages: Message, **more: Any) -> tuple[list[Delta], ProviderError]:
        """Return the deltas before the failure, and the failure."""
        seen: list[Delta] = []
        try:
            async for delta in self.stream(model, *messages, **more):
                seen.append(delta)
        except ProviderError as error:
            return seen, error
        raise AssertionError(f"no failure after {seen}")


def read(reader: Reader, chunks: Iterable[bytes]) -> Iterator[Delta]:
    """Return a provider's deltas for a body, without HTTP."""
    for chunk in chunks:
        yield from reader.feed(chunk)
        if reader.done:
            break
    yield from reader.end()


def text_of(deltas: Iterable[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


def thoughts_of(deltas: Iterable[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Thinking))


def calls_of(deltas: Iterable[Delta]) -> list[tuple[str, Any]]:
    return [(delta.name, delta.arguments) for delta in deltas if isinstance(delta, ToolCall)]


def finish_of(deltas: list[Delta]) -> Finish:
    """The last delta, which must be the only `Finish`."""
    finishes = [delta for delta in deltas if isinstance(delta, Finish)]
    assert finishes == deltas[-1:]
    return finishes[0]


def cuts(body: bytes, positions: Iterable[int]) -> list[bytes]:
    """`body` cut at the given places."""
    edges = [0, *sorted({position % (len(body) + 1) for position in positions}), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]
