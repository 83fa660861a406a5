"""Settings of the conversation function, and environments for deliveries: one local, one as deployed."""

from collections.abc import AsyncIterator, Iterator

import pytest

from millrace.destinations.catalog import ServiceUrls
from millrace.net.client import guarded_client
from millrace.settings import Settings
from tests.aws import Aws
from tests.fakes.receivers import Receivers, receiving
from tests.services.delivery.delivering import World, resources, world


@pytest.fixture
def settings(aws_environment: Aws) -> Settings:
    return Settings.from_environment(aws_environment.environment("ConversationFunction"))


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with receiving() as running:
        yield running


@pytest.fixture(scope="module")
def deliver_resources(aws: Aws) -> Iterator[dict[str, str]]:
    with resources(aws) as made:
        yield made


@pytest.fixture
def environ(aws_environment: Aws, deliver_resources: dict[str, str]) -> dict[str, str]:
    return aws_environment.environ | deliver_resources


@pytest.fixture
async def here(environ: dict[str, str], receivers: Receivers) -> AsyncIterator[World]:
    """Destinations may be on this machine, as in the local stack."""
    services = ServiceUrls(mixpanel=receivers.url, amplitude=receivers.url, segment=receivers.url)
    async with guarded_client(allow_loopback_http=True) as client:
        yield world(environ, client, services, loopback=True)


@pytest.fixture
async def deployed(environ: dict[str, str]) -> AsyncIterator[World]:
    """Destinations may only be public, as in a deployment. Every name leads to 127.0.0.1 at last."""

    async def resolve(host: str, port: int) -> list[str]:
        return {"private.example": ["10.0.0.7"], "mixed.example": ["1.1.1.1", "127.0.0.1"]}.get(
            host, ["127.0.0.1"]
        )

    async with guarded_client(resolve=resolve) as client:
        yield world(environ, client, ServiceUrls(), loopback=False)
