import asyncio
import socket
from email.utils import formatdate

import pytest

from millrace.agent.model import Delta, PromptUsage, Text, Usage
from millrace.agent.providers.connection import model_client
from millrace.agent.providers.registry import ProviderRegistry
from millrace.settings import Settings
from tests.agent.providers.asking import Ask, finish_of, settings_for, text_of
from tests.fakes.model_bytes import (
    anthropic_answer,
    anthropic_start,
    anthropic_text,
    bedrock_answer,
    bedrock_delta,
    openai_answer,
    openai_chunk,
)
from tests.fakes.model_server import Exchange, Gate, ModelServer, Script

PROVIDERS = ["openai", "anthropic", "bedrock"]
FIRST = {
    "openai": [openai_chunk({"content": "x"})],
    "anthropic": [anthropic_start(), *anthropic_text(0, ["x"])[:2]],
    "bedrock": [bedrock_delta(0, text="x")],
}
WHOLE = {
    "openai": openai_answer(["x"]),
    "anthropic": anthropic_answer(["x"]),
    "bedrock": bedrock_answer(["x"]),
}
SEEN: dict[str, list[Delta]] = {
    "openai": [Text("x")],
    "anthropic": [PromptUsage(Usage(11, 0)), Text("x")],
    "bedrock": [Text("x")],
}
"""The deltas of FIRST: Anthropic tells at once what the prompt took."""
JSON = {"content-type": "application/json"}


async def left(exchange: Exchange) -> bool:
    """Return whether the server saw its client leave."""
    return await asyncio.to_thread(exchange.disconnected.wait, 20)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_closing_the_generator_closes_the_servers_socket_at_once(
    provider: str, ask: Ask, model_server: ModelServer
) -> None:
    silence = Gate()
    model_server.play(Script([*FIRST[provider], silence]))
    stream = ask.stream(f"{provider}:m")
    assert [await anext(stream) for _ in SEEN[provider]] == SEEN[provider]
    await stream.aclose()
    assert await left(model_server.exchanges[0])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("tokens", [True, False])
async def test_cancelling_the_task_closes_the_servers_socket_at_once(
    provider: str, tokens: bool, ask: Ask, model_server: ModelServer
) -> None:
    silence = Gate()
    model_server.play(Script([*(FIRST[provider] if tokens else []), silence]))
    task = asyncio.create_task(ask(f"{provider}:m"))
    assert await asyncio.to_thread(silence.reached.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await left(model_server.exchanges[0])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_deltas_arrive_while_the_server_still_writes(
    provider: str, ask: Ask, model_server: ModelServer
) -> None:
    gate = Gate()
    first = len(WHOLE[provider]) - len(WHOLE[provider][-2:])
    model_server.play(Script([*WHOLE[provider][:first], gate, *WHOLE[provider][first:]]))
    stream = ask.stream(f"{provider}:m")
    assert [await anext(stream) for _ in SEEN[provider]] == SEEN[provider]
    gate.open()
    assert finish_of([delta async for delta in stream])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_connection_serves_call_after_call(provider: str, ask: Ask, model_server: ModelServer) -> None:
    for _ in range(3):
        assert text_of(await ask(f"{provider}:fake-tokens=2")) == " token0 token1"
    assert model_server.connections == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_server_that_keeps_its_stream_open_after_the_end_does_not_hold_us(
    provider: str, ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([*WHOLE[provider], Gate()]))
    assert text_of(await ask(f"{provider}:m")) == "x"
    assert await left(model_server.exchanges[0])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("cut", [True, False])
async def test_stream_that_ends_in_the_middle_is_incomplete(
    provider: str, cut: bool, ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([*FIRST[provider]], cut=cut))
    seen, failure = await ask.failing(f"{provider}:m")
    assert seen == SEEN[provider]
    assert (failure.code, failure.retryable) == ("incomplete_response", True)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_socket_cut_after_the_end_of_message_loses_nothing(
    provider: str, ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([*WHOLE[provider]], cut=True))
    assert text_of(await ask(f"{provider}:m")) == "x"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_server_that_is_not_there_is_unreachable(provider: str) -> None:
    with socket.socket() as occupied:
        # Bound but not listening: nobody else gets the port, and connecting to it is refused.
        occupied.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{occupied.getsockname()[1]}"
        settings = Settings(
            "eu-central-1",
            openai_base_url=url,
            anthropic_base_url=url,
            anthropic_api_key="k",
            bedrock_endpoint_url=url,
        )
        async with model_client() as client:
            _, failure = await Ask(ProviderRegistry(settings, lambda: client)).failing(f"{provider}:m")
    assert (failure.code, failure.retryable) == ("provider_unreachable", True)


async def test_silence_beyond_the_read_timeout_is_an_error(model_server: ModelServer) -> None:
    model_server.play(Script([*FIRST["openai"], Gate()]))
    async with model_client(read_timeout=1.0) as client:
        ask = Ask(ProviderRegistry(settings_for(model_server), lambda: client))
        seen, failure = await ask.failing("openai:m")
    assert seen == SEEN["openai"]
    assert (failure.code, failure.retryable) == ("provider_unreachable", True)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_rate_limit_says_how_long_to_wait(provider: str, ask: Ask, model_server: ModelServer) -> None:
    body = b'{"error": {"message": "Slow down", "type": "rate_limit_error"}}'
    model_server.play(Script([body], 429, JSON | {"retry-after": "7"}))
    _, failure = await ask.failing(f"{provider}:m")
    assert (failure.code, failure.retryable, failure.retry_after) == ("rate_limited", True, 7)
    assert "Slow down" in failure.message


async def test_rate_limit_may_name_a_date(ask: Ask, model_server: ModelServer) -> None:
    past = {"retry-after": formatdate(0, usegmt=True)}
    model_server.play(Script([b"{}"], 429, JSON | past))
    assert (await ask.failing("openai:m"))[1].retry_after == 0


async def test_empty_purse_is_not_worth_a_retry(ask: Ask, model_server: ModelServer) -> None:
    body = b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'
    model_server.play(Script([body], 429, JSON))
    _, failure = await ask.failing("openai:m")
    assert (failure.code, failure.retryable) == ("rate_limited", False)


@pytest.mark.parametrize(
    ("provider", "key"), [("openai", "sk-openai-secret"), ("anthropic", "sk-ant-secret")]
)
async def test_key_that_the_server_repeats_stays_secret(
    provider: str, key: str, ask: Ask, model_server: ModelServer
) -> None:
    body = f'{{"error": {{"message": "Incorrect API key provided: {key}"}}}}'.encode()
    model_server.play(Script([body], 401, JSON))
    _, failure = await ask.failing(f"{provider}:m")
    assert failure.code == "provider_auth"
    assert key not in failure.message
    assert f"Check {provider.upper()}_API_KEY" in failure.message


async def test_endless_error_body_is_cut(ask: Ask, model_server: ModelServer) -> None:
    model_server.play(Script([b"x" * 70_000, Gate()], 500))
    _, failure = await ask.failing("openai:m")
    assert len(failure.message) < 600
    assert await left(model_server.exchanges[0])


@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=utf-8"])
async def test_answer_that_is_no_stream_says_to_check_the_address(
    kind: str, ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([b"{}"], 200, {"content-type": kind}))
    _, failure = await ask.failing("openai:m")
    assert failure.code == "unreadable_response"
    assert "check its address" in failure.message


async def test_many_streams_run_at_once_on_one_client(ask: Ask, model_server: ModelServer) -> None:
    answers = await asyncio.gather(*(ask("bedrock:fake-tokens=50") for _ in range(64)))
    assert {text_of(answer) for answer in answers} == {"".join(f" token{n % 10}" for n in range(50))}


async def test_twelve_bedrock_streams_start_side_by_side(ask: Ask, model_server: ModelServer) -> None:
    """Every stream gets its first token while all the others are still open: none waits for a thread."""
    gates = [Gate() for _ in range(12)]
    model_server.play(*(Script([*FIRST["bedrock"], gate, *WHOLE["bedrock"][2:]]) for gate in gates))
    streams = [ask.stream("bedrock:m") for _ in gates]
    assert await asyncio.gather(*map(anext, streams)) == [Text("x")] * 12
    for gate in gates:
        gate.open()
    for stream in streams:
        assert finish_of([delta async for delta in stream])
