"""The endpoints of other protocols in tests: their app behind a socket, with a model that a test scripts."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from millrace.api.conversation_app import create_app
from millrace.domain.agents import Agent
from millrace.domain.runs import ContinueRun
from millrace.services.mcp_secrets import McpSecrets
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.platform import HttpClients, Platform
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from tests.services.scripted import Scripted, Turn
from tests.serving import served
from tests.tokens import Issuer


@dataclass
class Face:
    """A served app. The run queue works: what waits for another process goes on in this one."""

    url: str
    headers: dict[str, str]
    models: Scripted
    platform: Platform
    organization: str

    def client(self, **more: Any) -> httpx.Client:
        """A client of it."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=30, **more)

    def hire(self, agent_id: str = "clerk", **settings: Any) -> Agent:
        """Make an agent."""
        made = Agent.model_validate({"id": agent_id, "name": "Clerk", "model": "echo:"} | settings)
        stores = Stores.connect(self.platform.settings)
        with ThreadPoolExecutor(1) as pool:  # a test may have a loop of its own
            pool.submit(asyncio.run, stores.agents.create(self.organization, made)).result()
        return made


@contextmanager
def facing(
    settings: Settings, issuer: Issuer, organization: str, *turns: Turn, aws: Aws | None = None
) -> Iterator[Face]:
    """Serve the conversation function's app; each call of a model gets the next of the turns."""
    stores = Stores.connect(settings, aws)
    models = Scripted(settings, list(turns))
    platform = Platform(settings, stores, models, HttpClients(settings), McpSecrets(stores.sealer))
    tasks: set[asyncio.Task[Any]] = set()

    async def enqueue(organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        task = asyncio.create_task(continue_run(platform, ContinueRun(organization, run_id, reason)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    stores.run_queue.enqueue = enqueue  # type: ignore[method-assign]
    with served(create_app(settings, platform)) as url:
        yield Face(url, issuer.headers(organization), models, platform, organization)


def script(face: Face, *turns: Sequence[Any]) -> None:
    """The next turns of the model."""
    face.models.turns = list(turns)
