"""Clients of other protocols whose run is continued by another process in the middle of its answer."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from millrace.domain.clock import now_ms
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.clients import run_client
from tests.continuing import after_the_lease, taken_elsewhere
from tests.sse import Sent, read_events

SAID = "/echo tools=1 tokens=60 delayMs=120\nword"
WORDS = ["word"] * 60
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def take_over(settings: Settings, organization: str, run_id: str) -> None:
    """Another process takes the run to its end, by whose clock its lease is over."""

    async def go_on() -> None:
        stores = Stores.connect(settings, clock=after_the_lease(now_ms))
        await taken_elsewhere(settings, stores, organization, run_id)

    asyncio.run(go_on())


def wait_until_logged(chat: httpx.Client, run_id: str) -> None:
    """Wait until a later viewer sees some of the answer."""
    with chat.stream(
        "GET", f"/api/runs/{run_id}/stream", headers={"accept": "text/event-stream"}
    ) as response:
        assert any(event.data["type"] == "token" for event in read_events(response.iter_lines()))


def some(events: Iterator[Sent], last: str) -> list[Sent]:
    """The events up to the first of a kind."""
    found = [next(events)]
    while found[-1].data["type"] != last:
        found.append(next(events))
    return found


def test_ag_ui_client_ends_with_the_same_messages_however_it_reads(
    settings: Settings, chat: httpx.Client, organization: str
) -> None:
    question = {"id": "user_1", "role": "user", "content": SAID}
    body = {"threadId": "t1", "runId": "their_run", "messages": [question]}
    with chat.stream("POST", "/agui/echo", json=body) as response:
        events = read_events(response.iter_lines())
        begun = some(events, "TEXT_MESSAGE_CONTENT")
        run_id = begun[0].run_id
        wait_until_logged(chat, run_id)
        take_over(settings, organization, run_id)
        left = list(events)
    resumed = chat.post("/agui/echo", json=body, headers={"last-event-id": begun[-1].id or ""})
    joined = chat.get("/agui?runId=their_run")
    rest, late = (list(read_events(one.text.split("\n"))) for one in (resumed, joined))
    assert "MESSAGES_SNAPSHOT" in [event.data["type"] for event in late]
    views = [[event.data for event in one] for one in ([*begun, *left], [*begun, *rest], late)]
    given = json.dumps([{"events": view, "open": False} for view in views])
    stayed, came_back, came_late = asyncio.run(run_client("ag_ui_verify.mjs", stdin=given))
    assert stayed["error"] is came_back["error"] is came_late["error"] is None
    assert answer_of(stayed) == answer_of(came_back) == answer_of(came_late) == WORDS


def answer_of(view: dict[str, Any]) -> list[str]:
    texts = [one.get("content", "") for one in view["messages"] if one["role"] == "assistant"]
    return "".join(texts).split()


def test_client_of_responses_ends_with_the_same_response_however_it_reads(
    settings: Settings, chat: httpx.Client, organization: str
) -> None:
    body = {"model": "agent:echo", "input": SAID, "stream": True}
    with chat.stream("POST", "/v1/responses", json=body) as response:
        events = read_events(response.iter_lines())
        begun = some(events, "response.output_text.delta")
        path = f"/v1/responses/{begun[0].data['response']['id']}"
        wait_until_logged(chat, begun[0].run_id)
        take_over(settings, organization, begun[0].run_id)
        left = list(events)
    number = begun[-1].data["sequence_number"]
    resumed = chat.get(path, params={"stream": "true", "starting_after": number})
    joined = chat.get(path, params={"stream": "true"})
    rest, late = (list(read_events(one.text.split("\n"))) for one in (resumed, joined))
    whole = chat.get(path).json()
    for view in ([*begun, *left], [*begun, *rest], late):
        numbers = [event.data["sequence_number"] for event in view]
        assert numbers == sorted(set(numbers))
        state: Any = ResponseStreamState(text_format=omit, input_tools=[])
        for event in view:
            state.handle_event(EVENT.validate_python(event.data))
        assert state._completed_response.output_text.split() == WORDS
        assert view[-1].data["response"] == whole
    incomplete = [one.data["item"] for one in late if one.data["type"] == "response.output_item.done"]
    assert "incomplete" in [item["status"] for item in incomplete]
