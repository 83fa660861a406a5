from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from millrace.agent.providers.connection import model_client
from millrace.agent.providers.registry import ProviderRegistry
from tests.agent.providers.asking import Ask, settings_for
from tests.fakes.fixtures import model_server
from tests.fakes.model_server import ACCESS_KEY, SECRET_KEY, ModelServer

__all__ = ["model_server"]


@pytest.fixture(autouse=True)
def aws_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fake server's credentials, and nothing of the machine's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def ask(model_server: ModelServer) -> AsyncIterator[Ask]:
    """Asks a model of the fake server through the registry, as the executor does."""
    async with model_client(read_timeout=20) as client:
        yield Ask(ProviderRegistry(settings_for(model_server), lambda: client))
