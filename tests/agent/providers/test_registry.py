import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from millrace.agent.providers.connection import model_client
from millrace.agent.providers.registry import ProviderRegistry, split_model
from millrace.errors import InvalidRequest, Unavailable
from millrace.settings import Settings


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with model_client() as client:
        yield client


@pytest.mark.parametrize(
    ("model", "kind", "name"),
    [
        ("bedrock:us.amazon.nova-lite-v1:0", "BedrockProvider", "us.amazon.nova-lite-v1:0"),
        ("anthropic:claude-opus-5-5", "AnthropicProvider", "claude-opus-5-5"),
        ("openai:gpt-5", "OpenAIProvider", "gpt-5"),
        ("openai:llama3.2:1b", "OpenAIProvider", "llama3.2:1b"),
        ("demo:", "DemoProvider", ""),
        ("echo:", "EchoProvider", ""),
    ],
)
async def test_prefix_chooses_the_provider(
    model: str, kind: str, name: str, client: httpx.AsyncClient
) -> None:
    settings = Settings("eu-central-1", openai_api_key="k", anthropic_api_key="k")
    registry = ProviderRegistry(settings, lambda: client)
    provider, rest = registry.provider_for(model)
    assert (type(provider).__name__, rest) == (kind, name)
    assert registry.provider_for(model)[0] is provider


@pytest.mark.parametrize("model", ["", "gpt-5", "gemini:pro", ":x", "OpenAI:gpt-5", "openai:", "bedrock:"])
def test_model_that_nobody_serves_is_refused(model: str) -> None:
    with pytest.raises(InvalidRequest, match=r"bedrock:|lacks its name"):
        split_model(model)


@pytest.mark.parametrize(
    ("model", "settings", "name"),
    [
        ("openai:m", Settings("r"), "OPENAI_API_KEY"),
        ("anthropic:m", Settings("r"), "ANTHROPIC_API_KEY"),
        ("openai:m", Settings("r", openai_base_url="localhost:11434/v1"), "OPENAI_BASE_URL"),
        (
            "anthropic:m",
            Settings("r", anthropic_base_url="ftp://x", anthropic_api_key="k"),
            "ANTHROPIC_BASE_URL",
        ),
        ("bedrock:m", Settings("r", bedrock_endpoint_url="https://"), "BEDROCK_ENDPOINT_URL"),
    ],
)
async def test_provider_that_is_not_configured_names_what_to_set(
    model: str, settings: Settings, name: str, client: httpx.AsyncClient
) -> None:
    with pytest.raises(Unavailable, match=name) as caught:
        ProviderRegistry(settings, lambda: client).provider_for(model)
    assert caught.value.code == "not_configured"


async def test_compatible_server_needs_no_key(client: httpx.AsyncClient) -> None:
    settings = Settings("r", openai_base_url="http://localhost:11434/v1")
    assert ProviderRegistry(settings, lambda: client).provider_for("openai:llama3")


def test_registry_imports_no_provider_before_it_is_asked_for() -> None:
    script = (
        "import sys, millrace.agent.providers.registry;"
        "print([name for name in sys.modules if name.startswith(('botocore', 'boto3'))"
        " or name in {f'millrace.agent.providers.{each}' for each in"
        " ('openai', 'anthropic', 'bedrock', 'echo', 'demo')}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
