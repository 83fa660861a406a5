"""Model names to providers: `<provider>:<model>`, as in `bedrock:us.anthropic.claude-sonnet-5` or `demo:`."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from millrace.agent.model import Provider
from millrace.errors import InvalidRequest, Unavailable
from millrace.settings import Settings

if TYPE_CHECKING:
    import httpx

Client = Callable[[], "httpx.AsyncClient"]


class ProviderRegistry:
    """The providers of one process, each made (and its module imported) when the first model asks for it;
    `client` gives the HTTP client that they share."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._made: dict[str, Provider] = {}

    def provider_for(self, model: str) -> tuple[Provider, str]:
        """The provider of a model and the model's name without the prefix. Raises `InvalidRequest` for an
        unknown prefix or a missing name, `Unavailable` for a provider that is not configured."""
        prefix, name = split_model(model)
        if prefix not in self._made:
            self._made[prefix] = _MAKERS[prefix](self._settings, self._client)
        return self._made[prefix], name


def split_model(model: str) -> tuple[str, str]:
    """(`prefix`, `name`) of a model that some provider may serve; needs no settings, so that agents can be
    checked when they are written. Raises `InvalidRequest`."""
    prefix, colon, name = model.partition(":")
    if not colon or prefix not in _MAKERS:
        known = ", ".join(f"{each}:" for each in _MAKERS)
        raise InvalidRequest(f"Unknown model {model!r:.120}: write a provider before its name ({known}).")
    if not name and prefix not in ("demo", "echo"):
        raise InvalidRequest(f"The model {model!r} lacks its name after the colon.")
    return prefix, name


def _openai(settings: Settings, client: Client) -> Provider:
    from millrace.agent.providers.openai import OpenAIProvider

    _check_address("OPENAI_BASE_URL", settings.openai_base_url)
    if urlsplit(settings.openai_base_url).hostname == "api.openai.com":
        settings.require("openai_api_key")
    return OpenAIProvider(settings, client())


def _anthropic(settings: Settings, client: Client) -> Provider:
    from millrace.agent.providers.anthropic import AnthropicProvider

    _check_address("ANTHROPIC_BASE_URL", settings.anthropic_base_url)
    settings.require("anthropic_api_key")
    return AnthropicProvider(settings, client())


def _bedrock(settings: Settings, client: Client) -> Provider:
    from millrace.agent.providers.bedrock import BedrockProvider

    if settings.bedrock_endpoint_url:
        _check_address("BEDROCK_ENDPOINT_URL", settings.bedrock_endpoint_url)
    return BedrockProvider(settings, client())


def _echo(_settings: Settings, _client: Client) -> Provider:
    from millrace.agent.providers.echo import EchoProvider

    return EchoProvider()


def _demo(_settings: Settings, _client: Client) -> Provider:
    from millrace.agent.providers.demo import DemoProvider

    return DemoProvider()


_MAKERS: dict[str, Callable[[Settings, Client], Provider]] = {
    "bedrock": _bedrock,
    "anthropic": _anthropic,
    "openai": _openai,
    "demo": _demo,
    "echo": _echo,
}


def _check_address(name: str, address: str) -> None:
    try:
        url = urlsplit(address)
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Unavailable(f"{name} must be an http or https address.", code="not_configured")
