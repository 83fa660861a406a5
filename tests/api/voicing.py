"""The voice app behind a real socket, on the emulated AWS."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from millrace.api.voice_app import create_app
from millrace.settings import Settings
from millrace.speech.engines import SpeechConfig
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
