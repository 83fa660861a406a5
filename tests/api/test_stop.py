"""Stopping a run, from any process, whatever it is doing. A run that could not be stopped would outlast the
tests' time limit: the tool sleeps for a minute, the provider for ever."""

from collections.abc import Iterator

import httpx
import pytest

from millrace.api.conversation_app import create_app
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.api.talk import attach, error_of, say, saying
from tests.serving import served
from tests.sse import answer

STOP = "/api/conversations/c1/stop"


@pytest.fixture
def elsewhere(settings: Settings, chat: httpx.Client) -> Iterator[httpx.Client]:
    with served(create_app(settings, Platform.make(settings))) as url:
        with httpx.Client(base_url=url, headers=chat.headers, timeout=30) as client:
            yield client


@pytest.mark.parametrize(
    ("doing", "steering", "until"),
    [
        ("while tokens flow", "tools=0 tokens=100000 delayMs=10", "token"),
        ("while a tool sleeps", "tools=1 toolMs=60000", "tool_call"),
        ("while the provider hangs", "tools=0 hang=1 tokens=10", "token"),
    ],
)
def test_stop_ends_the_run_and_keeps_what_was_said(
    chat: httpx.Client, elsewhere: httpx.Client, doing: str, steering: str, until: str
) -> None:
    with saying(chat, f"/echo {steering}\nword") as events:
        seen = []
        for event in events:
            seen.append(event)
            if event.data["type"] == until:
                break
        stopping = elsewhere.post(STOP)
        assert stopping.status_code == 202
        assert stopping.json() == {"runId": seen[0].data["runId"], "state": "stopping"}
        seen += events
    assert seen[-1].data["type"] == "done", doing
    assert seen[-1].data["finishReason"] == "stopped"
    assert elsewhere.get(f"/api/runs/{seen[0].data['runId']}").json()["state"] == "stopped"
    stored = elsewhere.get("/api/conversations/c1/messages").json()["items"]
    if text := answer(seen):
        assert stored[-1]["content"] == [{"text": text}]
        assert stored[-1]["interrupted"] is True
    assert attach(elsewhere, f"/api/runs/{seen[0].data['runId']}/stream")[-1] == seen[-1]
    assert answer(say(chat, "/echo tools=0\nand on")) == "and on"


def test_cut_tool_call_gets_a_result_so_that_the_model_can_go_on(chat: httpx.Client) -> None:
    with saying(chat, "/echo toolMs=60000\nword") as events:
        for event in events:
            if event.data["type"] == "tool_call":
                chat.post(STOP)
    call, result, end = chat.get("/api/conversations/c1/messages").json()["items"][-3:]
    assert (end["content"], end["finishReason"]) == ([], "stopped")
    assert call["content"][0]["toolUse"]["toolUseId"] == result["content"][0]["toolResult"]["toolUseId"]
    assert result["content"][0]["toolResult"]["status"] == "error"


def test_stopping_twice_is_harmless_and_stopping_nothing_says_so(chat: httpx.Client) -> None:
    with saying(chat, "/echo toolMs=60000\nword") as events:
        next(events)
        assert chat.post(STOP).status_code == 202
        list(events)
    assert error_of(chat.post(STOP)) == (409, "not_streaming")
    assert error_of(chat.post("/api/conversations/nowhere/stop")) == (404, "conversation_not_found")


def test_run_ends_by_its_own_limits(chat: httpx.Client, management: httpx.Client) -> None:
    for name, limits, reason in (
        ("brief", {"maxSeconds": 1}, "max_seconds"),
        ("few", {"maxIterations": 2}, "max_iterations"),
    ):
        agent = {"id": name, "name": name, "model": "echo:", "tools": ["echo_tool"], "limits": limits}
        assert management.post("/api/agents", json=agent).status_code == 201
        events = say(chat, "/echo tools=5 toolMs=600\nword", conversation=name, agentId=name)
        assert events[-1].data["type"] == "done"
        assert events[-1].data["finishReason"] == reason
        assert answer(say(chat, "/echo tools=0\nagain", conversation=name, agentId="echo")) == "again"
