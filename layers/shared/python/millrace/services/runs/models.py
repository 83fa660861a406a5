"""The model providers of this process, created when the first agent needs them."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import orjson
from msgspec.structs import replace

from millrace.agent.accepts import accepted, check_accepted, media_rules
from millrace.agent.context.setup import Compactor
from millrace.agent.model import Block, Provider
from millrace.agent.providers.model_servers import merged
from millrace.agent.providers.registry import ProviderRegistry
from millrace.domain.agents import Agent
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.deployment_secrets import DeploymentSecrets

if TYPE_CHECKING:
    import httpx


log = logging.getLogger(__name__)
_KEYS = ("openai_api_key", "anthropic_api_key", "aws_bearer_token_bedrock")


class Models:
    """Finds an agent's provider. Agents without a model use the deployment's default."""

    def __init__(self, settings: Settings, client: "Callable[[], httpx.AsyncClient]") -> None:
        self._settings = settings
        self._client = client

    def load_keys(self, aws: Aws) -> None:
        """Load the providers' keys from the deployment's secret. See `keyed`."""
        self._settings = self.keyed(self._settings, aws)

    @staticmethod
    def keyed(settings: Settings, aws: Aws) -> Settings:
        """Return the settings with the providers' keys from the deployment's secret, if there is one.

        Call it during init, as it blocks. Without the secret, the keys in the environment are used, and a
        provider without its key reports this.
        """
        if not settings.model_keys_secret:
            return settings
        try:
            keys = orjson.loads(DeploymentSecrets(aws).text(settings.model_keys_secret))
            given = {name: keys[name.upper()].strip() for name in _KEYS if keys.get(name.upper())}
            if servers := keys.get("OPENAI_SERVERS"):
                given["openai_servers"] = merged(settings.openai_servers, servers)
            return replace(settings, **given)
        except Exception:  # the function still serves agents that need no key
            log.exception("the model keys cannot be read from %s", settings.model_keys_secret)
            return settings

    @cached_property
    def _registry(self) -> ProviderRegistry:
        return ProviderRegistry(self._settings, self._client)

    def name_of(self, agent: Agent) -> str:
        """Return the agent's model with its provider's prefix."""
        return agent.model or self._settings.default_model

    def compactor_for(self, agent: Agent) -> Compactor | None:
        """Return the model for summaries of the agent's conversations, or None for the agent's own model.

        Raises as `provider_for` does.
        """
        if not agent.compaction_model:
            return None
        provider, model = self.provider_for(agent.model_copy(update={"model": agent.compaction_model}))
        return Compactor(provider, model, agent.compaction_model)

    def check_accepted(self, agent: Agent, blocks: Sequence[Block]) -> None:
        """Check that the agent's model accepts the images and files of a message.

        Raises `InvalidRequest` or `TooLarge`.
        """
        rules, name = media_rules(self.provider_for(agent)[0]), self.name_of(agent)
        check_accepted(blocks, accepted(agent, name, rules), rules, name)

    def provider_for(self, agent: Agent) -> tuple[Provider, str]:
        """Return the provider and the model's name there. Raises `InvalidRequest` or `Unavailable`."""
        return self._registry.provider_for(self.name_of(agent))
