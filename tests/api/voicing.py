"""The voice app behind a real socket, on the emulated AWS. Test modules import the fixtures they want."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from millrace.api.voice_app import create_app
from millrace.settings import Settings
from millrace.speech.engines import SpeechConfig
from tests.fakes.speech_server import SpeechServer
from tests.serving import served
from tests.tokens import Issuer

SPEECH = "/api/voice/tts/stream"
TEXT = "Nine ships sail past the old stone bridge on a Sunday afternoon."


@contextmanager
def voice_client(
    settings: Settings,
    issuer: Issuer,
    organization: str,
    speech: SpeechConfig | None = None,
    **claims: Any,
) -> Iterator[httpx.Client]:
    """A client of the voice app as one organization's user."""
    with served(create_app(settings, speech)) as url:
        headers = issuer.headers(organization, **claims)
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            yield client


@pytest.fixture
def voice(settings: Settings, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with voice_client(settings, issuer, organization) as client:
        yield client


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    """The server of an engine, which the test plays."""
    with SpeechServer() as running:
        yield running
