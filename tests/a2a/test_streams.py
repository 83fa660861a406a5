"""Streams of tasks: resumed after any event, and subscribed to and canceled from another environment."""

import json
import threading
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.a2a.talk import Frame, answer_of, frames, message, reason_of, send, state_of, states, stream
from tests.tokens import Issuer

SLOW = "/echo think=0 tools=0 delayMs=20 tokens=40\nword"
HANGS = "/echo think=0 tools=0 hang=1\nword"


@pytest.fixture
def other(elsewhere: str, headers: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=elsewhere, headers=headers, timeout=30) as client:
        yield client


class Streaming(threading.Thread):
    """A client that streams a message; `task_id` is there once the task has begun."""

    def __init__(self, client: httpx.Client, text: str) -> None:
        super().__init__()
        self.events: list[Frame] = []
        self.begun = threading.Event()
        self._client, self._text = client, text

    def run(self) -> None:
        path = "/a2a/echo/message:stream"
        with self._client.stream("POST", path, json=message(self._text)) as response:
            for event in frames(response):
                self.events.append(event)
                if "artifactUpdate" in event.data:
                    self.begun.set()

    @property
    def task_id(self) -> str:
        assert self.begun.wait(20)
        return str(self.events[0].data["task"]["id"])


def test_stream_cut_behind_any_event_goes_on_without_loss(client: httpx.Client) -> None:
    task = send(client, "/echo think=1 tools=1\none two three four")["id"]
    path = f"/api/a2a/tasks/{task}/stream"
    whole = stream(client, "GET", path)
    assert states(whole) == ["SUBMITTED", "WORKING", "COMPLETED"]
    for number, event in enumerate(whole):
        if not event.id:
            continue
        if event is whole[-1]:
            assert client.get(path, headers={"last-event-id": event.id}).status_code == 204
            refused = client.post(f"/a2a/echo/tasks/{task}:subscribe", headers={"last-event-id": event.id})
            assert reason_of(refused) == (400, "UNSUPPORTED_OPERATION")
            continue
        rest = stream(client, "GET", path, headers={"last-event-id": event.id})
        assert answer_of(whole[: number + 1] + rest) == answer_of(whole)
        assert states(rest)[-1] == "COMPLETED"
        resumed = stream(
            client, "POST", f"/a2a/echo/tasks/{task}:subscribe", headers={"last-event-id": event.id}
        )
        assert "task" in resumed[0].data
        assert answer_of(resumed) == answer_of(whole)


def test_ended_task_takes_no_subscription(client: httpx.Client) -> None:
    task = send(client)["id"]
    assert reason_of(client.get(f"/a2a/echo/tasks/{task}:subscribe")) == (400, "UNSUPPORTED_OPERATION")


def test_task_is_followed_from_another_environment(client: httpx.Client, other: httpx.Client) -> None:
    streaming = Streaming(client, SLOW)
    streaming.start()
    followed = stream(other, "GET", f"/a2a/echo/tasks/{streaming.task_id}:subscribe")
    streaming.join()
    assert "task" in followed[0].data
    assert answer_of(followed) == answer_of(streaming.events) == "word " * 40
    assert states(followed)[-1] == "COMPLETED"


def test_task_is_canceled_from_another_environment(client: httpx.Client, other: httpx.Client) -> None:
    streaming = Streaming(client, HANGS)
    streaming.start()
    canceled = other.post(f"/a2a/echo/tasks/{streaming.task_id}:cancel").json()
    streaming.join()
    assert state_of(canceled) == "CANCELED"
    assert states(streaming.events) == ["SUBMITTED", "WORKING", "CANCELED"]


def test_reference_sees_each_type_and_state_in_words(client: httpx.Client, other: httpx.Client) -> None:
    task = send(client, agent="conformance", messageId=f"tck-input-required-{uuid.uuid4()}")["id"]
    other.post("/a2a/conformance/message:send", json=message("blue", taskId=task))
    events = [event.data for event in stream(client, "GET", f"/api/a2a/tasks/{task}/stream")]
    assert [one["type"] for one in events] == [
        *("task", "statusUpdate", "statusUpdate", "statusUpdate"),
        *("artifactUpdate", "artifactUpdate", "statusUpdate"),
    ]
    words = [one["status"] for one in events if one["type"] == "statusUpdate"]
    assert words == ["working", "input-required", "working", "completed"]
    chunks = [one for one in events if one["type"] == "artifactUpdate"]
    assert (chunks[0]["chunk"], chunks[1]["lastChunk"]) == ("Hello from TCK", True)
    assert chunks[1]["artifact"]["parts"] == [{"text": "Hello from TCK"}]


def test_cards_of_built_in_agents_are_public_and_revalidated(address: str) -> None:
    with httpx.Client(base_url=address) as anybody:
        card = anybody.get("/.well-known/agent-card.json")
        assert card.json()["supportedInterfaces"][0]["url"] == f"{address}/a2a/echo"
        assert card.headers["cache-control"] == "public, max-age=300"
        again = {"if-none-match": card.headers["etag"]}
        assert anybody.get("/.well-known/agent-card.json", headers=again).status_code == 304
        assert anybody.get("/a2a/demo/.well-known/agent-card.json").json()["name"] == "Demo"
        assert anybody.get("/a2a/nobody/.well-known/agent-card.json").status_code == 401
        assert anybody.post("/a2a/echo/message:send", json=message()).status_code == 401
        assert anybody.get("/a2a/echo/extendedAgentCard").status_code == 401


def test_extended_card_tells_the_tools(client: httpx.Client) -> None:
    card = client.get("/a2a/echo/extendedAgentCard").json()
    assert [one["id"] for one in card["skills"]] == ["echo_tool"]


def test_agent_that_shows_answers_only_hides_its_tools(
    client: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    tools = [{"name": "echo_tool", "policy": "ask"}]
    made = {"id": "quiet", "name": "Quiet", "model": "echo:", "exposeA2A": True, "visibility": "answer"}
    assert management.post("/api/agents", json=made | {"tools": tools}).status_code == 201
    task = send(client, agent="quiet")
    assert task["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert "echo_tool" not in json.dumps(task)
    customer = issuer.user(organization, "ann", "customer")
    card = "/a2a/quiet/extendedAgentCard"
    assert [one["id"] for one in client.get(card, headers=customer).json()["skills"]] == ["quiet"]
    assert [one["id"] for one in client.get(card).json()["skills"]] == ["echo_tool"]


def test_agent_that_is_not_exposed_is_not_found(
    client: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    made = {"id": "clerk", "name": "Clerk", "model": "echo:"}
    assert management.post("/api/agents", json=made).status_code == 201
    assert client.get("/a2a/clerk/.well-known/agent-card.json").status_code == 404
    assert client.post("/a2a/clerk/message:send", json=message()).status_code == 404
    exposed = management.post("/api/agents", json=made | {"id": "open", "exposeA2A": True})
    assert exposed.json()["exposeA2A"] is True
    assert send(client, agent="open")["status"]["state"] == "TASK_STATE_COMPLETED"
    theirs = issuer.headers(f"{organization}x")
    assert client.get("/a2a/open/.well-known/agent-card.json", headers=theirs).status_code == 404
