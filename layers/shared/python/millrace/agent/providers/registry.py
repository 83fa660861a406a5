"""Finds the provider of a model by its name: `<provider>:<model>`, as in
`bedrock:us.anthropic.claude-sonnet-5`.

The name of a server in `OPENAI_SERVERS` is a provider too, and so is the entry point of a package that adds
one: a function that receives the HTTP client and returns a `Provider`.
"""

from collections.abc import Callable, Collection
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from millrace.agent.model import Provider
from millrace.domain.agents import CODE, OWN_AGENTS
from millrace.errors import InvalidRequest, Unavailable
from millrace.extensions import extension, names
from millrace.settings import Settings

if TYPE_CHECKING:
    import httpx

    from millrace.agent.providers.model_servers import ModelServer

Client = Callable[[], "httpx.AsyncClient"]


class ProviderRegistry:
    """The providers of one process, each created (and its module imported) when a model first needs it.
    `client` returns the HTTP client that they share."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._made: dict[str, Provider] = {}

    def provider_for(self, model: str) -> tuple[Provider, str]:
        """Return the provider of a model and the model's name without the prefix. Raises `InvalidRequest` for
        an unknown prefix or a missing name, `Unavailable` for a provider that is not configured."""
        # A mistake in `OPENAI_SERVERS` must not affect models that do not need it.
        prefix, name = split_model(model, () if model.startswith(_OWN) else self._servers)
        if prefix not in self._made:
            self._made[prefix] = self._make(prefix)
        return self._made[prefix], name

    def _make(self, prefix: str) -> Provider:
        if prefix in _MAKERS:
            return _MAKERS[prefix](self._settings, self._client)
        if prefix not in self._servers:
            return _extension(prefix, self._client)
        from millrace.agent.providers.openai import OpenAIProvider

        return OpenAIProvider(self._servers[prefix], self._client())

    @cached_property
    def _servers(self) -> "dict[str, ModelServer]":
        return named_servers(self._settings)


def named_servers(settings: Settings) -> "dict[str, ModelServer]":
    """Return the servers of `OPENAI_SERVERS` by name. Raises `Unavailable` if the setting is invalid."""
    from millrace.agent.providers.model_servers import read_servers

    return read_servers(settings.openai_servers, _MAKERS)


def provider_names(settings: Settings) -> list[str]:
    """Return the prefixes that a model's name may have, according to the settings. Those of the deployment's
    secret are known only to runs."""
    own = [one for one in _MAKERS if OWN_AGENTS or one != CODE[:-1]]
    return [*own, *named_servers(settings), *names("providers")]


def split_model(model: str, servers: Collection[str] = ()) -> tuple[str, str]:
    """Split the name of a model into its prefix and its name there. The prefix is that of a provider or of
    one of the named `servers`. Raises `InvalidRequest`."""
    prefix, colon, name = model.partition(":")
    if not colon or not (prefix in _MAKERS or prefix in servers or prefix in names("providers")):
        known = ", ".join(f"{each}:" for each in (*_MAKERS, *servers, *names("providers")))
        raise InvalidRequest(f"Unknown model {model!r:.120}: write a provider before its name ({known}).")
    if prefix == CODE[:-1]:
        _check_code(name)
    if not name and prefix not in ("demo", "echo", "conformance"):
        raise InvalidRequest(f"The model {model!r} needs a name after the colon.")
    return prefix, name


def _check_code(name: str) -> None:
    if name not in OWN_AGENTS:
        known = ", ".join(OWN_AGENTS) or "none"
        raise InvalidRequest(f"The code of this deployment has no agent {name!r:.120}; it has: {known}.")


def check_model(model: str, settings: Settings) -> tuple[str, str]:
    """Check the model of an agent that is being saved, as `split_model` does. Any prefix that the
    deployment's secret may define is accepted, since those who save agents cannot read the secret."""
    if model.startswith(_OWN):
        return split_model(model)
    servers = named_servers(settings)
    prefix, _, _ = model.partition(":")
    may_be_secret = bool(settings.model_keys_secret) and ":" in model
    return split_model(model, [*servers, prefix] if may_be_secret else servers)


def _extension(name: str, client: Client) -> Provider:
    """Return the provider of another package. Raises `Unavailable` that says why it cannot be used."""
    found = extension("providers", name)
    problem = found.problem if found else "It is not installed here."
    made = None
    if found and not problem:
        try:
            made = found.value(client)
        except Exception as error:  # whatever the package's code raises
            problem = f"It cannot be made: {type(error).__name__}: {error}"[:500]
    if not problem and not callable(getattr(made, "stream", None)):
        problem = "It must be a function of the HTTP client that gives an object with stream()."
    if problem or made is None:
        package = f" of {found.package}" if found else ""
        raise Unavailable(f"The provider {name!r}{package} cannot be used. {problem}", code="not_configured")
    provider: Provider = made
    return provider


def _openai(settings: Settings, client: Client) -> Provider:
    from millrace.agent.providers.model_servers import ModelServer, check_address
    from millrace.agent.providers.openai import OpenAIProvider

    check_address("OPENAI_BASE_URL", settings.openai_base_url)
    if urlsplit(settings.openai_base_url).hostname == "api.openai.com":
        settings.require("openai_api_key")
    return OpenAIProvider(ModelServer(settings.openai_base_url, settings.openai_api_key), client())


def _anthropic(settings: Settings, client: Client) -> Provider:
    from millrace.agent.providers.anthropic import AnthropicProvider
    from millrace.agent.providers.model_servers import check_address

    check_address("ANTHROPIC_BASE_URL", settings.anthropic_base_url)
    settings.require("anthropic_api_key")
    return AnthropicProvider(settings, client())


def _bedrock(settings: Settings, client: Client) -> Provider:
    from millrace.agent.providers.bedrock import BedrockProvider
    from millrace.agent.providers.model_servers import check_address

    if settings.bedrock_endpoint_url:
        check_address("BEDROCK_ENDPOINT_URL", settings.bedrock_endpoint_url)
    return BedrockProvider(settings, client())


def _echo(_settings: Settings, _client: Client) -> Provider:
    from millrace.agent.providers.echo import EchoProvider

    return EchoProvider()


def _demo(_settings: Settings, _client: Client) -> Provider:
    from millrace.agent.providers.demo import DemoProvider

    return DemoProvider()


def _code(_settings: Settings, _client: Client) -> Provider:
    from millrace.agent.code.run import NoModel

    return NoModel()


def _conformance(settings: Settings, _client: Client) -> Provider:
    from millrace.agent.providers.conformance import ConformanceProvider

    settings.require("conformance_agent")
    return ConformanceProvider()


_MAKERS: dict[str, Callable[[Settings, Client], Provider]] = {
    "bedrock": _bedrock,
    "anthropic": _anthropic,
    "openai": _openai,
    "demo": _demo,
    "echo": _echo,
    "conformance": _conformance,
    "code": _code,
}
_OWN = tuple(f"{prefix}:" for prefix in _MAKERS)
