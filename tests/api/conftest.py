"""The conversation app and the management app behind real sockets, on the emulated AWS."""

import uuid
from collections.abc import Iterator

import httpx
import pytest
from msgspec.structs import replace

from millrace.api.conversation_app import create_app as conversation_app
from millrace.api.management_app import create_app as management_app
from millrace.services.runs import follow, subscribe
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores import event_log
from tests.api.protocol_apps import platform, run_queue, settings_of
from tests.aws import Aws
from tests.serving import served
from tests.tokens import Issuer

__all__ = ["platform", "run_queue"]


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="session")
def keys_url(issuer: Issuer) -> Iterator[str]:
    with served(issuer.app) as url:
        yield f"{url}/keys"


@pytest.fixture
def settings(aws_environment: Aws, keys_url: str) -> Settings:
    return settings_of(aws_environment, "ConversationFunction", keys_url)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams look for what is new five times as often: most of the tests wait for that."""
    monkeypatch.setattr(event_log, "FAST_POLL", 0.05)
    monkeypatch.setattr(event_log, "SLOW_POLL", 0.2)
    monkeypatch.setattr(subscribe, "FAST_POLL", 0.05)
    monkeypatch.setattr(subscribe, "SLOW_POLL", 0.2)
    monkeypatch.setattr(follow, "CHECK_SECONDS", 0.4)


@pytest.fixture
def organization() -> str:
    return f"org-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def chat(platform: Platform, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    """The conversation function's app."""
    with served(conversation_app(platform.settings, platform)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


@pytest.fixture
def management(platform: Platform, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    """The management function's app."""
    with served(management_app(platform.settings, platform)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


@pytest.fixture
def management_at_home(platform: Platform, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    """The management app of a stack on one machine, which may call this machine."""
    home = replace(platform.settings, allow_loopback_http=True)
    with served(management_app(home, Platform.make(home, platform.stores))) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client
