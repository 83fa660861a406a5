"""The cost of a streamed token: CPU per token of each provider, alone and against the official clients.

`python -m tests.bench.providers` prints it. `read_*` is our own part (bytes to deltas, without HTTP),
`stream_*` the whole way from a socket, `*_sdk` the official client on the same server in the same run. The
server is a process of its own, so that its work is not counted; every token is an HTTP chunk of its own.
"""

import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from millrace.agent.model import ModelRequest, Provider
from millrace.agent.providers.anthropic import MessageReader
from millrace.agent.providers.bedrock import ConverseReader
from millrace.agent.providers.chat_reader import ChatReader
from millrace.agent.providers.connection import Reader, model_client
from millrace.agent.providers.failures import Server
from millrace.agent.providers.registry import ProviderRegistry
from millrace.settings import Settings
from tests.fakes.model_bytes import anthropic_answer, bedrock_answer, openai_answer
from tests.fakes.model_server import ACCESS_KEY, REGION, SECRET_KEY

TOKENS = 4000
RUNS = 3
STREAMS = 12
MODEL = f"fake-tokens={TOKENS}"
SERVER = Server("The server", "")
USER: list[Any] = [{"role": "user", "content": "Hi"}]
READERS: dict[str, tuple[Callable[[Server], Reader], Callable[[list[str]], list[bytes]]]] = {
    "openai": (ChatReader, openai_answer),
    "anthropic": (MessageReader, anthropic_answer),
    "bedrock": (ConverseReader, bedrock_answer),
}


def measure() -> dict[str, float]:
    """CPU microseconds per token (`*_us`), ratios of the official clients to ours (`*_times`), and how much
    later than the fastest the slowest of twelve Bedrock streams has its first token (`*_spread`)."""
    numbers = {f"read_{name}_us": _read(name) for name in READERS}
    return numbers | asyncio.run(_streams())


def _read(name: str) -> float:
    make_reader, make_body = READERS[name]
    chunks = make_body([f" token{number % 10}" for number in range(TOKENS)])
    return min(_timed(lambda: _drain(make_reader(SERVER), chunks)) for _ in range(RUNS))


def _drain(reader: Reader, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        for _ in reader.feed(chunk):
            pass
    for _ in reader.end():
        pass


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / TOKENS * 1e6


async def _streams() -> dict[str, float]:
    async with _registry() as (registry, url):
        numbers = {}
        for name in READERS:
            provider, model = registry.provider_for(f"{name}:{MODEL}")
            request = ModelRequest(model, "", [{"role": "user", "content": [{"text": "Hi"}]}])
            numbers[f"stream_{name}_us"] = await _best(partial(_ask, provider, request))
        for name, ask in _peers(url).items():
            numbers[f"{name}_us"] = await _best(ask)
            numbers[f"{name}_times"] = numbers[f"{name}_us"] / numbers[f"stream_{name.split('_')[0]}_us"]
        return numbers | {"bedrock_first_token_spread": await _spread(registry)}


async def _ask(provider: Provider, request: ModelRequest) -> int:
    return await _consume(provider.stream(request))


async def _best(ask: Callable[[], Awaitable[object]]) -> float:
    await ask()
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        await ask()
        times.append((time.process_time() - began) / TOKENS * 1e6)
    return min(times)


async def _consume(stream: AsyncIterator[Any]) -> int:
    return sum([1 async for _ in stream])


def _peers(url: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """The official clients, and pydantic-ai where it is installed."""
    import anthropic
    import openai

    chat = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k")
    messages = anthropic.AsyncAnthropic(base_url=url, api_key="k")

    async def ask_openai() -> int:
        return await _consume(await chat.chat.completions.create(model=MODEL, messages=USER, stream=True))

    async def ask_anthropic() -> int:
        stream = await messages.messages.create(model=MODEL, max_tokens=9, messages=USER, stream=True)
        return await _consume(stream)

    peers: dict[str, Callable[[], Awaitable[object]]] = {
        "openai_sdk": ask_openai,
        "anthropic_sdk": ask_anthropic,
    }
    if importlib.util.find_spec("pydantic_ai"):
        peers["openai_pydantic_ai"] = _pydantic_ai(url)
    return peers


def _pydantic_ai(url: str) -> Callable[[], Awaitable[object]]:
    agents: Any = importlib.import_module("pydantic_ai")
    models: Any = importlib.import_module("pydantic_ai.models.openai")
    providers: Any = importlib.import_module("pydantic_ai.providers.openai")
    provider = providers.OpenAIProvider(base_url=f"{url}/v1", api_key="k")
    agent = agents.Agent(models.OpenAIChatModel(MODEL, provider=provider))

    async def ask() -> int:
        async with agent.run_stream("Hi") as result:
            return await _consume(result.stream_text(delta=True, debounce_by=None))

    return ask


async def _spread(registry: ProviderRegistry) -> float:
    """The slowest first token of twelve streams at once, by the fastest, each token 20 ms apart."""
    provider, model = registry.provider_for("bedrock:fake-tokens=50-delayms=20")
    request = ModelRequest(model, "", [{"role": "user", "content": [{"text": "Hi"}]}])
    await _consume(provider.stream(request))
    began = time.monotonic()

    async def first() -> float:
        stream = provider.stream(request)
        await anext(stream)
        seconds = time.monotonic() - began
        await _consume(stream)
        return seconds

    times = await asyncio.gather(*(first() for _ in range(STREAMS)))
    return max(times) / min(times)


@asynccontextmanager
async def _registry() -> AsyncIterator[tuple[ProviderRegistry, str]]:
    os.environ.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    with _server() as url:
        settings = Settings(
            REGION,
            openai_base_url=f"{url}/v1",
            anthropic_base_url=url,
            anthropic_api_key="k",
            bedrock_endpoint_url=url,
        )
        async with model_client() as client:
            yield ProviderRegistry(settings, lambda: client), url


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.fakes.model_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    for name, number in measure().items():
        print(f"{name:32} {number:8.2f}")
