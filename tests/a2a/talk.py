"""Helpers to speak A2A by hand, in both bindings."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]


@dataclass
class Frame:
    """One event of a stream: its id ("" without) and its data."""

    id: str
    data: Json


def message(text: str = "hello", **more: Any) -> Json:
    """A message of a user."""
    given = {"role": "ROLE_USER", "messageId": str(uuid.uuid4()), "parts": [{"text": text}]}
    return {"message": given | more}


def send(client: httpx.Client, text: str = "hello", agent: str = "echo", **more: Any) -> Json:
    """Send over HTTP+JSON and return the task."""
    response = client.post(f"/a2a/{agent}/message:send", json=message(text, **more))
    assert response.status_code == 200, response.text
    task: Json = response.json()["task"]
    return task


def rpc(client: httpx.Client, method: str, params: Any, agent: str = "echo") -> Json:
    """Call over JSON-RPC and return the response."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    response = client.post(f"/a2a/{agent}", json=body)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    assert (found["jsonrpc"], found["id"]) == ("2.0", 7)
    return found


def frames(response: httpx.Response) -> Iterator[Frame]:
    """The events of a stream as they come."""
    assert response.headers["content-type"].startswith("text/event-stream"), response.read()
    id, data = "", ""
    for line in response.iter_lines():
        if line.startswith("id: "):
            id = line[4:]
        elif line.startswith("data: "):
            data = line[6:]
        elif not line and data:
            yield Frame(id, json.loads(data))
            id, data = "", ""


def stream(client: httpx.Client, method: str, path: str, **more: Any) -> list[Frame]:
    """Read a whole stream."""
    with client.stream(method, path, **more) as response:
        assert response.status_code == 200, response.read()
        return list(frames(response))


def states(events: list[Frame]) -> list[str]:
    """The states that a stream goes through, each once in a row."""
    found: list[str] = []
    for event in events:
        body = event.data.get("task") or event.data.get("statusUpdate") or {}
        state = body.get("status", {}).get("state", "").removeprefix("TASK_STATE_")
        if state and found[-1:] != [state]:
            found.append(state)
    return found


def answer_of(events: list[Frame]) -> str:
    """The text of the answer as a client puts it together, which must agree at the last chunk."""
    text = ""
    for event in events:
        task, update = event.data.get("task"), event.data.get("artifactUpdate")
        if task:
            text = text_of(task)
        if update and update["artifact"].get("name") == "answer":
            piece = update["artifact"]["parts"][0]["text"]
            text = text + piece if update.get("append") else piece
    return text


def text_of(task: Json) -> str:
    """The text of a task's answer."""
    answers = [one for one in task.get("artifacts", []) if one.get("name") == "answer"]
    return "".join(part["text"] for one in answers for part in one["parts"])


def state_of(task: Json) -> str:
    """The state of a task."""
    return str(task["status"]["state"].removeprefix("TASK_STATE_"))


def reason_of(response: httpx.Response) -> tuple[int, str]:
    """Status and reason of an error over HTTP+JSON, whose shape is checked."""
    error = response.json()["error"]
    assert error["code"] == response.status_code
    assert error["message"]
    assert error["status"]
    return response.status_code, error["details"][0]["reason"]
