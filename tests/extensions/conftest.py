from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import chat, issuer, keys_url, management, organization, platform, settings
from tests.fakes.packages import acme as package

__all__ = ["chat", "issuer", "keys_url", "management", "organization", "platform", "settings"]


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[None]:
    """The package of the guide is installed."""
    with package(tmp_path):
        yield
