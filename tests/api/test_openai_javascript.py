"""OpenAI's own client for JavaScript, unmodified."""

from collections.abc import Iterator
from typing import Any

import pytest

from millrace.settings import Settings
from tests.api.faces import Face, facing, script
from tests.clients import run_client, run_example
from tests.services.asking import call
from tests.services.scripted import says
from tests.tokens import Issuer


@pytest.fixture
def face(settings: Settings, issuer: Issuer, organization: str) -> Iterator[Face]:
    with facing(settings, issuer, organization) as made:
        made.hire()
        yield made


async def seen(face: Face, scenario: str) -> Any:
    token = face.headers["authorization"].removeprefix("Bearer ")
    return await run_client("openai_chat.mjs", face.url, token, scenario)


async def test_chat_whole_and_streamed(face: Face) -> None:
    script(face, says("One", "."), says("Two", "."))
    found = await seen(face, "chat")
    assert (found["whole"], found["streamed"]) == ("One.", "Two.")
    assert "agent:clerk" in found["models"]


async def test_tool_runner_runs_the_clients_function(face: Face) -> None:
    script(face, [call("show_map", city="Rome")], says("There."))
    assert (await seen(face, "tools"))["content"] == "There."
    [result] = face.models.requests[-1].messages[-1]["content"]
    assert result["toolResult"]["content"] == [{"text": "a map of Rome"}]


async def test_response_is_streamed_and_resumed(face: Face) -> None:
    script(face, says("Hi", " there"))
    assert await seen(face, "responses") == {"text": "Hi there", "suffix": True}


async def test_background_response_is_followed(face: Face) -> None:
    script(face, says("Done."))
    found = await seen(face, "background")
    assert found["status"] in ("queued", "in_progress")
    assert (found["last"], found["text"], found["cancelled"]) == ("response.completed", "Done.", "completed")


async def test_unknown_model_is_a_typed_404(face: Face) -> None:
    expected = {"kind": "NotFoundError", "status": 404, "code": "model_not_found"}
    assert await seen(face, "unknown") == expected


async def test_example_of_the_documentation_runs(face: Face) -> None:
    script(face, says("42"))
    token = face.headers["authorization"].removeprefix("Bearer ")
    assert await run_example("openai.md", MILLRACE_URL=face.url, TOKEN=token) == "42"
