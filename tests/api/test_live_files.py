"""Images and files that the model of an active run, or of the run that would replace it, does not accept."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of, saying
from tests.api.test_files import announce, image, png, upload

RUNNING = "/echo tools=0 tokens=5000 delayMs=20\nword"
PATH = "/api/conversations/c1"
MESSAGES = f"{PATH}/messages"


@pytest.fixture
def blind(management: httpx.Client) -> str:
    """An agent whose model takes nothing but text."""
    made = management.post("/api/agents", json={"name": "Blind", "model": "echo:", "accepts": []})
    assert made.status_code == 201, made.text
    agent_id: str = made.json()["id"]
    return agent_id


def stopped(chat: httpx.Client, events: Any) -> dict[str, Any]:
    """The last event of a run that is still active, once it is stopped."""
    assert chat.post(f"{PATH}/stop").status_code == 202
    last: dict[str, Any] = list(events)[-1].data
    return last


@pytest.mark.parametrize("way", ["inject", "ifBusy inject", "ifBusy interrupt"])
def test_image_that_the_model_does_not_take_leaves_run_and_file_alone(
    chat: httpx.Client, blind: str, way: str
) -> None:
    file_id = upload(chat, png(), "image/png")
    with saying(chat, RUNNING, agentId=blind) as events:
        next(events)
        if way == "inject":
            refused = chat.post(f"{PATH}/inject", json={"content": [image(file_id)]})
        else:
            refused = chat.post(MESSAGES, json={"content": [image(file_id)], "ifBusy": way.split()[1]})
        assert error_of(refused) == (422, "attachment_not_accepted")
        assert "echo:" in refused.json()["error"]["message"]
        assert chat.get(f"{PATH}/inject").json()["items"] == []
        assert stopped(chat, events)["finishReason"] == "stopped"
    assert chat.get(f"/api/files/{file_id}").json()["conversationId"] is None


def test_live_image_is_checked_by_the_model_that_is_at_work(chat: httpx.Client, blind: str) -> None:
    file_id = upload(chat, png(), "image/png")
    with saying(chat, RUNNING) as events:
        next(events)
        # The agent that the message names would answer it only if nobody did.
        sent = {"agentId": blind, "content": [image(file_id)]}
        assert chat.post(MESSAGES, json=sent | {"ifBusy": "inject"}).status_code == 202
        refused = chat.post(MESSAGES, json=sent | {"ifBusy": "interrupt"})
        assert error_of(refused) == (422, "attachment_not_accepted")
        assert stopped(chat, events)["finishReason"] == "stopped"


def test_message_whose_file_is_not_there_interrupts_nothing(chat: httpx.Client) -> None:
    missing = announce(chat, png(), "image/png")["fileId"]
    with saying(chat, RUNNING) as events:
        next(events)
        for file_id, error in ((missing, (409, "file_not_uploaded")), ("file_none", (404, "file_not_found"))):
            refused = chat.post(MESSAGES, json={"content": [image(file_id)], "ifBusy": "interrupt"})
            assert error_of(refused) == error
        assert stopped(chat, events)["finishReason"] == "stopped"


def test_image_that_is_taken_interrupts_and_is_read(chat: httpx.Client) -> None:
    file_id = upload(chat, png(), "image/png", "cat.png")
    with saying(chat, RUNNING) as events:
        next(events)
        content = [{"type": "text", "text": "look"}, image(file_id)]
        answer = chat.post(MESSAGES, json={"content": content, "ifBusy": "interrupt"})
        assert "[image: cat.png]" in answer.json()["content"]
        assert list(events)[-1].data["finishReason"] == "interrupted"
