"""The history shows a run as its stream did: exactly what its visibility allows."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from millrace.services.runs.platform import Platform
from tests.api.talk import say, saying
from tests.sse import Sent, read_events

MESSAGES = "/api/conversations/c1/messages"
Make = Callable[..., None]


@pytest.fixture
def make(management: httpx.Client) -> Make:
    """Create an echo agent."""

    def make(visibility: str = "full", id: str = "seen", **more: Any) -> None:
        agent = {"id": id, "name": "Seen", "model": "echo:", "tools": ["echo_tool"], "visibility": visibility}
        made = management.post("/api/agents", json=agent | more)
        assert made.status_code == 201, made.text

    return make


def history(chat: httpx.Client, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chat.get(MESSAGES, params=query).raise_for_status().json()["items"]
    return found


def steps(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [step for message in messages for step in message.get("steps", [])]


def streamed_steps(events: list[Sent]) -> list[dict[str, Any]]:
    """The steps of a stream, pieces of one thought joined."""
    found: list[dict[str, Any]] = []
    for event in (sent.data for sent in events):
        if event["type"] == "thinking" and found and found[-1]["type"] == "thinking":
            found[-1] = event | {"text": found[-1]["text"] + event["text"]}
        elif event["type"] in ("thinking", "tool_call", "tool_result"):
            found.append(event)
    return found


@pytest.mark.parametrize("detail", ["answer", "steps", "full"])
def test_history_of_an_answer_agent_has_texts_only(chat: httpx.Client, make: Make, detail: str) -> None:
    make("answer")
    say(chat, "/echo think=3 tools=2\nhello", agentId="seen")
    messages = history(chat, detail=detail)
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert all(set(block) == {"text"} for message in messages for block in message["content"])
    assert steps(messages) == []
    assert messages[-1]["finishReason"] == "stop"


@pytest.mark.parametrize("detail", ["steps", "full"])
def test_history_of_a_steps_agent_hides_arguments_and_results(
    chat: httpx.Client, make: Make, detail: str
) -> None:
    make("steps")
    say(chat, "/echo tools=1\nsecret words", agentId="seen")
    _, call, result, _ = history(chat, detail=detail)
    assert call["content"] == [{"toolUse": {"toolUseId": "echo_1", "name": "echo_tool", "input": {}}}]
    shown = {"toolUseId": "echo_1", "status": "success", "content": []}
    assert result["content"] == [{"toolResult": shown}]
    assert result["steps"][0]["summary"] == "secret words"
    assert "result" not in result["steps"][0]


@pytest.mark.parametrize("detail", ["answer", "steps", "full"])
def test_reloaded_history_has_the_steps_of_the_stream_in_order(
    chat: httpx.Client, make: Make, detail: str
) -> None:
    make("full")
    say(chat, "/echo think=3 tools=2\nhello", agentId="seen")
    run_id = history(chat)[0]["runId"]
    with chat.stream("GET", f"/api/runs/{run_id}/stream", params={"detail": detail}) as response:
        events = list(read_events(response.iter_lines()))
    kept = steps(history(chat, detail=detail))
    lasted = [step.pop("durationMs", 0) for step in kept if step["type"] == "thinking"]
    assert all(isinstance(one, int) for one in lasted)
    assert kept == streamed_steps(events)
    assert (steps(history(chat, detail=detail)) == []) is (detail == "answer")


def test_reloaded_history_has_the_figures_of_the_stream(chat: httpx.Client) -> None:
    done = say(chat, "hello")[-1].data
    names = ("usage", "cost", "finishReason", "durationMs", "firstTokenMs")
    answer = history(chat)[-1]
    assert {name: answer[name] for name in names} == {name: done[name] for name in names}
    assert 0 <= done["firstTokenMs"] <= done["durationMs"]
    assert chat.get(f"/api/runs/{answer['runId']}").json()["firstTokenMs"] == done["firstTokenMs"]


def test_answer_without_a_token_has_no_time_to_its_first(chat: httpx.Client) -> None:
    say(chat, "/echo nonsense=1\nhello")
    answer = history(chat)[-1]
    assert answer.get("firstTokenMs") is None
    assert chat.get(f"/api/runs/{answer['runId']}").json()["firstTokenMs"] is None


def test_failed_run_stays_failed_in_the_history(chat: httpx.Client) -> None:
    error = say(chat, "/echo tools=0 failAfter=2\none two three four")[-1].data
    answer = history(chat)[-1]
    assert answer["content"] == [{"text": "one two"}]
    assert answer["error"] == {name: error[name] for name in ("message", "code", "retryable")}
    assert answer["finishReason"] == "error"
    assert answer["durationMs"] is not None


def test_run_that_failed_before_its_first_word_is_in_the_history(chat: httpx.Client) -> None:
    say(chat, "/echo nonsense=1\nhello")
    answer = history(chat)[-1]
    assert (answer["role"], answer["content"]) == ("assistant", [])
    assert answer["error"]["code"] == "echo_steering"
    assert say(chat, "/echo tools=0\nand on")[-1].data["type"] == "done"


def test_stopped_run_stays_stopped_in_the_history(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=0 hang=1\nword") as events:
        for event in events:
            if event.data["type"] == "token":
                chat.post("/api/conversations/c1/stop")
    answer = history(chat)[-1]
    assert (answer["finishReason"], answer["interrupted"]) == ("stopped", True)


@pytest.mark.parametrize("visibility", ["answer", "steps", "full"])
def test_json_answer_lists_the_tools_that_may_be_seen(
    chat: httpx.Client, make: Make, visibility: str
) -> None:
    make(visibility)
    sent = {"agentId": "seen", "content": "hello", "idempotencyKey": "k"}
    first = chat.post(MESSAGES, json=sent).json()
    assert [call["name"] for call in first["toolCalls"]] == ["echo_tool"] * (visibility != "answer")
    assert chat.post(MESSAGES, json=sent).json() == first
    narrowed = chat.post(MESSAGES, json=sent, params={"detail": "answer"}).json()
    assert narrowed["toolCalls"] == []


def test_messages_stored_without_visibility_show_what_their_run_allows(
    chat: httpx.Client, make: Make, platform: Platform, organization: str
) -> None:
    make("answer")
    say(chat, "hello", agentId="seen")
    dynamodb = platform.stores.aws.client("dynamodb")
    table, key = platform.stores.conversations.table, f"{organization}#c1"
    for item in dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :m)",
        ExpressionAttributeValues={":pk": {"S": key}, ":m": {"S": "M#"}},
    )["Items"]:
        item["body"]["S"] = item["body"]["S"].replace('"visibility":"answer"', '"visibility":null')
        dynamodb.put_item(TableName=table, Item=item)
    assert steps(history(chat, detail="full")) == []
    assert [message["role"] for message in history(chat, detail="full")] == ["user", "assistant"]
    run_id = history(chat)[0]["runId"]
    runs = {"pk": {"S": organization}, "sk": {"S": run_id}}
    dynamodb.delete_item(TableName=platform.stores.runs.table, Key=runs)
    assert steps(history(chat, detail="full")) == []
