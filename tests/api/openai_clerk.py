"""An agent "clerk" behind OpenAI's endpoints, and OpenAI's own client for Python.

Test modules import the fixtures that they want.
"""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from millrace.settings import Settings
from tests.api.faces import Face, facing
from tests.tokens import Issuer

CLERK = "agent:clerk"


@pytest.fixture
def face(settings: Settings, issuer: Issuer, organization: str) -> Iterator[Face]:
    with facing(settings, issuer, organization) as made:
        made.hire(tools=[{"name": "refund", "policy": "ask"}, "ask_user", "calculator"])
        yield made


@pytest.fixture
def client(face: Face) -> Iterator[OpenAI]:
    with client_of(face, face.headers) as made:
        yield made


def client_of(face: Face, headers: dict[str, str]) -> OpenAI:
    """A client of the user whose headers these are."""
    token = headers["authorization"].removeprefix("Bearer ")
    return OpenAI(base_url=f"{face.url}/v1", api_key=token, max_retries=0)
