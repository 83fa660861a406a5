"""Model keys: from the deployment's secret, read once in init."""

import json
import uuid

import pytest

from millrace.agent.providers.registry import named_servers
from millrace.domain.agents import ASSISTANT
from millrace.errors import Unavailable
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.aws import Aws

PLACEHOLDER = "not-a-real-key"


def assistant(aws: Aws, **more: str) -> Platform:
    environment = aws.environment("ConversationFunction") | {"DEFAULT_MODEL": "anthropic:claude-sonnet-4-5"}
    return Platform.make(Settings.from_environment(environment | more))


def test_keys_come_from_the_secret(aws_environment: Aws) -> None:
    name = f"keys-{uuid.uuid4().hex}"
    secret = json.dumps({"ANTHROPIC_API_KEY": f"{PLACEHOLDER}\n"})
    aws_environment.client("secretsmanager").create_secret(Name=name, SecretString=secret)
    platform = assistant(aws_environment, MODEL_KEYS_SECRET=name)
    platform.warm()
    _, model = platform.models.provider_for(ASSISTANT)
    assert model == "claude-sonnet-4-5"
    assert platform.models._settings.anthropic_api_key == PLACEHOLDER  # without the line end around it


def test_named_servers_get_their_keys_from_the_secret(aws_environment: Aws) -> None:
    name = f"keys-{uuid.uuid4().hex}"
    secret = {"OPENAI_SERVERS": {"groq": {"key": PLACEHOLDER}, "own": {"baseUrl": "http://10.0.0.7/v1"}}}
    aws_environment.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(secret))
    public = json.dumps({"groq": {"baseUrl": "https://api.groq.com/openai/v1"}})
    platform = assistant(aws_environment, MODEL_KEYS_SECRET=name, OPENAI_SERVERS=public)
    platform.warm()
    for model in ("groq:llama-3.3-70b", "own:m"):
        _, rest = platform.models.provider_for(ASSISTANT.model_copy(update={"model": model}))
        assert f":{rest}" in model
    servers = named_servers(platform.models._settings)
    assert servers["groq"].key == PLACEHOLDER


@pytest.mark.parametrize("secret", ["", "no-such-secret"])
def test_provider_without_its_key_names_what_to_set(aws_environment: Aws, secret: str) -> None:
    platform = assistant(aws_environment, MODEL_KEYS_SECRET=secret)
    platform.warm()
    with pytest.raises(Unavailable, match="ANTHROPIC_API_KEY"):
        platform.models.provider_for(ASSISTANT)
