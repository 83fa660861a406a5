"""The round trips to AWS between a client's message and the model, for every protocol."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from millrace.settings import Settings
from tests.api.faces import Face, facing, script
from tests.services.scripted import says
from tests.services.test_first_token import Measuring, in_sequence
from tests.tokens import Issuer

QUESTION = {"id": "u1", "role": "user", "content": "Hello"}
AG_UI = {"threadId": "t1", "runId": "r1", "messages": [QUESTION]}
CHAT = {"model": "agent:clerk", "messages": [QUESTION]}
RESPONSE = {"model": "agent:clerk", "input": "Hello"}


@pytest.fixture
def measured(settings: Settings) -> Measuring:
    made = Measuring(settings.region)
    made.calls = []
    return made


@pytest.fixture
def face(settings: Settings, issuer: Issuer, organization: str, measured: Measuring) -> Iterator[Face]:
    with facing(settings, issuer, organization, aws=measured) as made:
        made.hire()
        yield made


def before_the_model(face: Face, measured: Measuring, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """The calls in sequence until the model was asked, and the answer."""
    asked: list[int] = []

    async def note() -> None:
        asked.append(in_sequence(measured.calls))

    script(face, [note, *says("Hi")])
    measured.calls = []
    with face.client() as client:
        answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    wait_until_published(measured)
    return asked[0], answer


def wait_until_published(measured: Measuring) -> None:
    """Wait for the last calls of a run, which it makes behind its answer: they are none of the next run's."""
    while [operation for operation, *_ in measured.calls].count("put_events") < 2:
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("path", "body"),
    [("/agui/clerk", AG_UI), ("/v1/chat/completions", CHAT), ("/v1/responses", RESPONSE)],
)
def test_message_reaches_the_model_in_two_round_trips(
    face: Face, measured: Measuring, path: str, body: dict[str, Any]
) -> None:
    assert before_the_model(face, measured, path, body)[0] <= 2


def test_message_behind_a_response_reads_its_run_first(face: Face, measured: Measuring) -> None:
    _, first = before_the_model(face, measured, "/v1/responses", RESPONSE)
    more = RESPONSE | {"previous_response_id": first.json()["id"]}
    assert before_the_model(face, measured, "/v1/responses", more)[0] <= 3
    known = RESPONSE | {"conversation": first.json()["conversation"]}
    assert before_the_model(face, measured, "/v1/responses", known)[0] <= 2
