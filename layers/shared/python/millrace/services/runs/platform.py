"""The resources that a function holds from its init to its end: settings, stores, model providers,
active runs."""

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
    """The process's two HTTP clients, made when first used (their import alone costs 0.1 s): one for model
    servers, one guarded against addresses that are not public."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def models(self) -> "httpx.AsyncClient":
        """For model servers, which the operator names."""
        from millrace.agent.providers.connection import model_client

        return model_client()

    @cached_property
    def guarded(self) -> "httpx.AsyncClient":
        """For addresses that come from users or models."""
        from millrace.net.client import guarded_client

        return guarded_client(allow_loopback_http=self._settings.allow_loopback_http)

    async def close(self) -> None:
        """Close what was made."""
        for name in ("models", "guarded"):
            if name in self.__dict__:
                await self.__dict__[name].aclose()


class Platform(Struct, eq=False, dict=True):
    """Made once per process, in init; nothing goes out over the network until it is used. The deployment's
    own code is loaded then: what is wrong with it ends the init."""

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
        """From settings; tests may bring their own stores."""
        for name in ("httpx", "httpx2", "mcp"):  # they log every URL, secrets in its query included
            logging.getLogger(name).setLevel(logging.WARNING)
        if settings.app_packages:
            load_app(settings.app_packages)
        http = HttpClients(settings)
        models = Models(settings, lambda: http.models)
        stores = stores or Stores.connect(settings)
        return cls(settings, stores, models, http, McpSecrets(stores.sealer))

    @cached_property
    def secrets(self) -> "OwnSecrets":
        """The deployment's secrets, for tools and agents of its own."""
        from millrace.stores.deployment_secrets import OwnSecrets

        return OwnSecrets(self.stores.aws)

    def warm(self) -> None:
        """Do in init what the first request would wait for: the AWS clients, and the HTTP client where the
        default model is behind a network."""
        self.stores.aws.client("dynamodb")
        self.stores.aws.client("events")
        self.models.load_keys(self.stores.aws)
        if not self.settings.default_model.startswith(("demo:", "echo:")):
            _ = self.http.models

    async def close(self) -> None:
        """Let active runs end, then close connections and threads."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=10)
        await self.http.close()
        await asyncio.to_thread(self.stores.aws.close)


def load_app(packages: str) -> None:
    """Load the deployment's own tools and agents. Raises `InvalidApp`."""
    from millrace.services.runs.own_code import load_checked

    load_checked(packages)
