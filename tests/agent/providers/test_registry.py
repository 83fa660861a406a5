import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
from msgspec.structs import replace

from millrace.agent.providers.connection import model_client
from millrace.agent.providers.registry import ProviderRegistry, check_model, split_model
from millrace.errors import InvalidRequest, Unavailable
from millrace.settings import Settings
from tests.agent.providers.asking import Ask, assistant, user


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
    with pytest.raises(InvalidRequest, match=r"bedrock:|needs a name"):
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


SERVERS = """{"groq": {"baseUrl": "https://api.groq.com/openai/v1", "key": "gsk"},
 "gpu-1": {"baseUrl": "http://10.0.0.7:8000/v1/", "dialect": "deepseek"}}"""


async def test_named_server_gets_its_models_with_its_key_and_dialect() -> None:
    sent: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(401)

    settings = Settings("r", openai_servers=SERVERS)
    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        ask = Ask(ProviderRegistry(settings, lambda: client))
        _, failure = await ask.failing("groq:llama:70b", user("Hi"), assistant("Yes"), user("And?"))
        await ask.failing("gpu-1:m", user("Hi"), assistant("Yes"), user("And?"))
    assert "the key of 'groq' in OPENAI_SERVERS" in failure.message
    assert [str(request.url) for request in sent] == [
        "https://api.groq.com/openai/v1/chat/completions",
        "http://10.0.0.7:8000/v1/chat/completions",
    ]
    assert [request.headers.get("authorization") for request in sent] == ["Bearer gsk", None]
    groq, gpu = (orjson.loads(request.content) for request in sent)
    assert groq["model"] == "llama:70b"
    assert groq["messages"][1] == {"role": "assistant", "content": "Yes"}
    assert gpu["messages"][1] == {"role": "assistant", "content": "Yes", "reasoning_content": ""}


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ("{nope", "must be JSON"),
        ("[]", "JSON object"),
        ('{"x": "http://y"}', "JSON object of objects"),
        ('{"x": {}}', "OPENAI_SERVERS.x.baseUrl must be an http"),
        ('{"x": {"baseUrl": "http://y", "Key": "k"}}', "unknown fields Key"),
        ('{"x": {"baseUrl": "http://y", "key": 7}}', "must have text"),
        ('{"x": {"baseUrl": "http://y", "dialect": "klingon"}}', "the dialects are generic"),
        ('{"openai": {"baseUrl": "http://y"}}', "is not one of bedrock"),
        ('{"Two words": {"baseUrl": "http://y"}}', "1 to 32"),
    ],
)
async def test_wrong_servers_are_named_and_break_no_other_model(
    servers: str, words: str, client: httpx.AsyncClient
) -> None:
    registry = ProviderRegistry(Settings("r", openai_servers=servers, openai_api_key="k"), lambda: client)
    assert registry.provider_for("openai:gpt-5")
    with pytest.raises(Unavailable, match=words) as caught:
        registry.provider_for("x:m")
    assert caught.value.code == "not_configured"


def test_written_agent_may_name_a_server_that_only_the_secret_knows() -> None:
    settings = Settings("r", openai_servers=SERVERS)
    assert check_model("groq:m", settings) == ("groq", "m")
    with pytest.raises(InvalidRequest, match="groq:, gpu-1:"):
        check_model("other:m", settings)
    assert check_model("other:m", replace(settings, model_keys_secret="arn")) == ("other", "m")
    with pytest.raises(InvalidRequest, match="needs a name"):
        check_model("other:", replace(settings, model_keys_secret="arn"))


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
