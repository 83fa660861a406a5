"""Endpoints of other protocols: their app behind a socket, with a scripted model."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import httpx
from msgspec.structs import replace

from millrace.agent.code.agent import CODE_AGENTS, agent_of
from millrace.api import a2a_app, mcp_app
from millrace.api.conversation_app import create_app
from millrace.domain.agents import OWN_AGENTS, Agent
from millrace.domain.runs import ContinueRun
from millrace.serve.app import Served
from millrace.services.mcp_secrets import McpSecrets
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.platform import HttpClients, Platform
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.connect import Stores
from tests.aws import Aws as Deployed
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
    loop: asyncio.AbstractEventLoop | None = None

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
    models = Scripted(settings, list(turns))
    platform = platform_with_queue(settings, models, aws)
    with served(create_app(settings, platform)) as url:
        yield Face(url, issuer.headers(organization), models, platform, organization)


@contextmanager
def facing_all(
    settings: Settings, issuer: Issuer, organization: str, *functions: Any, turns: Sequence[Turn] = ()
) -> Iterator[Face]:
    """Serve every protocol from one process, with these agents in code."""
    made = {one.id: one for one in map(agent_of, functions) if one}
    models = Scripted(settings, list(turns))
    platform = platform_with_queue(settings, models)
    apps = {"conversation": create_app, "a2a": a2a_app.create_app, "mcp": mcp_app.create_app}
    records = {id: one.record() for id, one in made.items()}
    with patch.dict(CODE_AGENTS, made), patch.dict(OWN_AGENTS, records):
        face = Face("", issuer.headers(organization), models, platform, organization)
        with served(_noting(face, Served({n: make(settings, platform) for n, make in apps.items()}))) as url:
            face.url = url
            yield face


def _noting(face: Face, app: Any) -> Any:
    """Note in which loop an app is at work."""

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        face.loop = asyncio.get_running_loop()
        await app(scope, receive, send)

    return noted


def settings_of_all(aws: Deployed, settings: Settings) -> Settings:
    """The settings of all functions together, with the issuer of these."""
    environ: dict[str, str] = {}
    for name in aws.deployment.functions:
        environ |= {key: value for key, value in aws.environment(name).items() if value}
    found = Settings.from_environment(environ)
    about = ("oidc_issuer", "oidc_audience", "oidc_jwks_url")
    return replace(found, **{name: getattr(settings, name) for name in about})


def platform_with_queue(settings: Settings, models: Scripted, aws: Aws | None = None) -> Platform:
    """A platform whose run queue works in this process."""
    stores = Stores.connect(settings, aws)
    platform = Platform(settings, stores, models, HttpClients(settings), McpSecrets(stores.sealer))
    tasks: set[asyncio.Task[Any]] = set()

    async def enqueue(organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        task = asyncio.create_task(continue_run(platform, ContinueRun(organization, run_id, reason)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    stores.run_queue.enqueue = enqueue  # type: ignore[method-assign]
    return platform


def script(face: Face, *turns: Sequence[Any]) -> None:
    """The next turns of the model."""
    face.models.turns = list(turns)
