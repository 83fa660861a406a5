"""The app of a protocol's own function behind real sockets. A conftest imports these fixtures and adds
`create_app`, the function's app, `settings` and `headers`."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.aws import Aws, at_work
from tests.serving import served
from tests.tokens import AUDIENCE, ISSUER

CreateApp = Callable[[Settings, Platform], Any]


def settings_of(aws: Aws, function: str, keys_url: str) -> Settings:
    """The settings of a function (by logical id) that takes the tokens of the tests' issuer."""
    return replace(
        Settings.from_environment(aws.environment(function)),
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks_url=keys_url,
    )


@pytest.fixture
def platform(settings: Settings) -> Platform:
    return Platform.make(settings)


@pytest.fixture(scope="module")
def run_queue(aws: Aws) -> Iterator[None]:
    """The run queue at work: runs of these functions always go on in another one."""
    with at_work(aws, "ContinueRunsFunctionQueue", "RunQueue"):
        yield


@pytest.fixture
def address(create_app: CreateApp, platform: Platform, run_queue: None) -> Iterator[str]:
    with served(create_app(platform.settings, platform)) as url:
        yield url


@pytest.fixture
def elsewhere(create_app: CreateApp, settings: Settings) -> Iterator[str]:
    """Another environment of the function: it shares nothing but what is stored."""
    with served(create_app(settings, Platform.make(settings))) as url:
        yield url


@pytest.fixture
def client(address: str, headers: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
        yield client
