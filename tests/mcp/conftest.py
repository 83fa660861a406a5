"""The MCP function's app behind a real socket. Other functions run in the emulated Lambda."""

import pytest

from millrace.api import mcp_app
from millrace.settings import Settings
from tests.api.conftest import issuer, keys_url, organization, quick_looks
from tests.api.protocol_apps import CreateApp, address, client, elsewhere, platform, run_queue, settings_of
from tests.aws import Aws
from tests.tokens import Issuer

__all__ = [
    "address",
    "client",
    "elsewhere",
    "issuer",
    "keys_url",
    "organization",
    "platform",
    "quick_looks",
    "run_queue",
]


@pytest.fixture
def create_app() -> CreateApp:
    return mcp_app.create_app


@pytest.fixture
def settings(aws_environment: Aws, keys_url: str) -> Settings:
    return settings_of(aws_environment, "McpFunction", keys_url)


@pytest.fixture
def headers(issuer: Issuer, organization: str) -> dict[str, str]:
    return issuer.headers(organization)
