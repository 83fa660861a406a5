"""The resources of a function from its init to its end: settings, stores, model providers, active runs."""

import asyncio
import logging
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct, field

from millrace.agent.tools.a2a import CardCatalog
from millrace.agent.tools.mcp import ToolCatalog
from millrace.services.mcp_secrets import McpSecrets
from millrace.services.runs.models import Models
from millrace.settings import Settings
from millrace.stores.connect import Stores

if TYPE_CHECKING:
    import httpx

    from millrace.stores.deployment_secrets import OwnSecrets


class HttpClients:
    """The process's two HTTP clients: one for model servers, and one guarded against non-public addresses.

    They are created on first use, because their import alone takes 0.1 s.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def models(self) -> "httpx.AsyncClient":
        """For model servers, which the operator configures."""
        from millrace.agent.providers.connection import model_client

        return model_client()

    @cached_property
    def guarded(self) -> "httpx.AsyncClient":
        """For addresses that come from users or models."""
        from millrace.net.client import guarded_client

        return guarded_client(allow_loopback_http=self._settings.allow_loopback_http)

    async def close(self) -> None:
        """Close the clients that were created."""
        for name in ("models", "guarded"):
            if name in self.__dict__:
                await self.__dict__[name].aclose()


class Platform(Struct, eq=False, dict=True):
    """Created once in each process, during init; nothing uses the network before it is needed.

    The deployment's code is loaded then. An error in it ends the init.
    """

    settings: Settings
    stores: Stores
    models: Models
    http: HttpClients
    mcp_secrets: McpSecrets
    tool_catalog: ToolCatalog = field(default_factory=ToolCatalog)
    cards: CardCatalog = field(default_factory=CardCatalog)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @classmethod
    def make(cls, settings: Settings, stores: Stores | None = None) -> "Platform":
        """Create the platform from settings; tests may pass their own stores."""
        for name in ("httpx", "httpx2", "mcp"):  # they log every URL, including secrets in its query
            logging.getLogger(name).setLevel(logging.WARNING)
        if settings.app_packages:
            load_app(settings.app_packages)
        http = HttpClients(settings)
        models = Models(settings, lambda: http.models)
        stores = stores or Stores.connect(settings)
        return cls(settings, stores, models, http, McpSecrets(stores.sealer))

    @cached_property
    def secrets(self) -> "OwnSecrets":
        """The deployment's secrets, for its own tools and agents."""
        from millrace.stores.deployment_secrets import OwnSecrets

        return OwnSecrets(self.stores.aws)

    def warm(self) -> None:
        """Do during init what the first request would wait for.

        That is creating the AWS clients, and the HTTP client if the default model needs the network.
        """
        self.stores.aws.client("dynamodb")
        self.stores.aws.client("events")
        self.models.load_keys(self.stores.aws)
        if not self.settings.default_model.startswith(("demo:", "echo:")):
            _ = self.http.models

    async def close(self) -> None:
        """Wait for active runs to end, then close connections and threads."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=10)
        await self.http.close()
        await asyncio.to_thread(self.stores.aws.close)


def load_app(packages: str) -> None:
    """Load the deployment's own tools and agents. Raises `InvalidApp`."""
    from millrace.services.runs.own_code import load_checked

    load_checked(packages)
