"""The A2A function's app behind a real socket. What goes on elsewhere does so in the emulated Lambda."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from millrace.api.a2a_app import create_app
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.api.conftest import issuer, keys_url, management, organization, quick_looks
from tests.aws import Aws
from tests.serving import served
from tests.tokens import AUDIENCE, ISSUER, Issuer

__all__ = ["issuer", "keys_url", "management", "organization", "quick_looks"]


@pytest.fixture
def settings(aws_environment: Aws, keys_url: str) -> Settings:
    return replace(
        Settings.from_environment(aws_environment.environment("ConversationFunction")),
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks_url=keys_url,
        default_agent="echo",
    )


@pytest.fixture
def platform(settings: Settings) -> Platform:
    return Platform.make(settings)


@pytest.fixture
def address(platform: Platform) -> Iterator[str]:
    with served(create_app(platform.settings, platform)) as url:
        yield url


@pytest.fixture
def elsewhere(settings: Settings) -> Iterator[str]:
    """Another environment of the function: it shares nothing but what is stored."""
    with served(create_app(settings, Platform.make(settings))) as url:
        yield url


@pytest.fixture
def headers(issuer: Issuer, organization: str) -> dict[str, str]:
    return issuer.headers(organization) | {"a2a-version": "1.0"}


@pytest.fixture
def client(address: str, headers: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
        yield client
