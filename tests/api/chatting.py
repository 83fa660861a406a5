"""Helpers for requests and streams of AI SDK clients."""

import asyncio
import json
from typing import Any

import httpx

from millrace.domain.clock import now_ms
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.continuing import after_the_lease, taken_elsewhere

ECHO = {"agentId": "echo"}


def user_message(text: str, message_id: str = "m1") -> dict[str, Any]:
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}


def body(text: str, message_id: str = "m1", **more: Any) -> dict[str, Any]:
    sent = {"id": "c1", "messages": [user_message(text, message_id)], "trigger": "submit-message"}
    return sent | ECHO | more


def frames_of(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.read()
    return [frame for frame in response.text.split("\n\n") if frame and not frame.startswith(":")]


def chunks_of(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line for frame in frames_of(response) for line in frame.split("\n") if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


def continue_lost(settings: Settings, organization: str, run_id: str) -> None:
    """Another process takes the run, by whose clock its lease is over."""

    async def go_on() -> None:
        stores = Stores.connect(settings, clock=after_the_lease(now_ms))
        await taken_elsewhere(settings, stores, organization, run_id)

    asyncio.run(go_on())
