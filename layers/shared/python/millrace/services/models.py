"""The model providers of this process, made when the first agent needs them."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from millrace.agent.model import Provider
from millrace.agent.providers.registry import ProviderRegistry
from millrace.domain.agents import Agent
from millrace.settings import Settings

if TYPE_CHECKING:
    import httpx


class Models:
    """Finds an agent's provider; the deployment's default model serves agents that name none."""

    def __init__(self, settings: Settings, client: "Callable[[], httpx.AsyncClient]") -> None:
        self._settings = settings
        self._client = client

    @cached_property
    def _registry(self) -> ProviderRegistry:
        return ProviderRegistry(self._settings, self._client)

    def name_of(self, agent: Agent) -> str:
        """The agent's model with its provider's prefix."""
        return agent.model or self._settings.default_model

    def provider_for(self, agent: Agent) -> tuple[Provider, str]:
        """The provider and the model's name there. Raises `InvalidRequest` or `Unavailable`."""
        return self._registry.provider_for(self.name_of(agent))
