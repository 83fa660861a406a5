"""Tasks in both bindings: created, read, listed, continued and canceled."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.a2a.talk import answer_of, message, reason_of, rpc, send, state_of, states, stream, text_of
from tests.tokens import Issuer


def test_sent_message_completes_a_task(client: httpx.Client) -> None:
    sent = message("one two")
    task = client.post("/a2a/echo/message:send", json=sent).json()["task"]
    assert (state_of(task), text_of(task)) == ("COMPLETED", "one two")
    assert [one["messageId"] for one in task["history"]] == [sent["message"]["messageId"]]
    assert client.get(f"/a2a/echo/tasks/{task['id']}").json() == task
    assert rpc(client, "GetTask", {"id": task["id"]})["result"] == task


def test_repeated_message_leads_to_the_same_task(client: httpx.Client) -> None:
    sent = message("once")
    first = client.post("/a2a/echo/message:send", json=sent).json()["task"]
    again = rpc(client, "SendMessage", sent)["result"]["task"]
    assert again == first
    assert client.get("/a2a/echo/tasks").json()["totalSize"] == 1


def test_stream_goes_from_submitted_to_completed(client: httpx.Client) -> None:
    events = stream(client, "POST", "/a2a/echo/message:stream", json=message("one two three"))
    assert states(events) == ["SUBMITTED", "WORKING", "COMPLETED"]
    assert answer_of(events) == "one two three"
    updates = [event.data["artifactUpdate"] for event in events if "artifactUpdate" in event.data]
    assert "append" not in updates[0]
    assert all(update["append"] for update in updates[1:])
    assert [update.get("lastChunk", False) for update in updates] == [False] * (len(updates) - 1) + [True]


def test_json_rpc_stream_wraps_each_update(client: httpx.Client) -> None:
    body = {"jsonrpc": "2.0", "id": "s", "method": "SendStreamingMessage", "params": message("hi")}
    events = stream(client, "POST", "/a2a/echo/", json=body)
    assert all((event.data["jsonrpc"], event.data["id"]) == ("2.0", "s") for event in events)
    assert "task" in events[0].data["result"]
    assert events[-1].data["result"]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


def test_answer_puts_a_task_back_to_working(client: httpx.Client) -> None:
    task = send(client, agent="conformance", messageId=f"tck-input-required-{uuid.uuid4()}")
    assert state_of(task) == "INPUT_REQUIRED"
    assert task["status"]["message"]["parts"][0]["text"] == "What is the input?"
    sent = message("blue", taskId=task["id"])
    events = stream(client, "POST", "/a2a/conformance/message:stream", json=sent)
    assert states(events) == ["INPUT_REQUIRED", "WORKING", "COMPLETED"], events
    again = client.post("/a2a/conformance/message:send", json=sent).json()["task"]
    assert [one["parts"][0]["text"] for one in again["history"]] == ["hello", "What is the input?", "blue"]


def test_task_that_waits_is_canceled(client: httpx.Client) -> None:
    task = send(client, agent="conformance", messageId=f"tck-input-required-{uuid.uuid4()}")
    canceled = client.post(f"/a2a/conformance/tasks/{task['id']}:cancel").json()
    assert state_of(canceled) == "CANCELED"
    again = client.post(f"/a2a/conformance/tasks/{task['id']}:cancel")
    assert reason_of(again) == (409, "TASK_NOT_CANCELABLE")
    more = client.post("/a2a/conformance/message:send", json=message(taskId=task["id"]))
    assert reason_of(more) == (400, "UNSUPPORTED_OPERATION")


def test_message_that_answers_a_call_twice_is_refused_before_either_counts(client: httpx.Client) -> None:
    task = send(client, agent="conformance", messageId=f"tck-input-required-{uuid.uuid4()}")
    answers = [{"data": {"decision": "answer", "content": word}} for word in ("yes", "no")]
    given = message(taskId=task["id"], parts=answers)
    assert reason_of(client.post("/a2a/conformance/message:send", json=given)) == (400, "INVALID_ANSWER")
    assert state_of(client.get(f"/a2a/conformance/tasks/{task['id']}").json()) == "INPUT_REQUIRED"


def test_task_that_returns_at_once_goes_on_elsewhere(client: httpx.Client) -> None:
    given = message("/echo think=0 delayMs=700\nlater on") | {"configuration": {"returnImmediately": True}}
    task = client.post("/a2a/echo/message:send", json=given).json()["task"]
    assert state_of(task) in ("SUBMITTED", "WORKING")
    events = stream(client, "GET", f"/api/a2a/tasks/{task['id']}/stream")
    assert answer_of(events) == "later on"


def test_tasks_are_listed_latest_first_page_by_page(client: httpx.Client) -> None:
    context = str(uuid.uuid4())
    sent = [send(client, str(number), contextId=context)["id"] for number in range(3)]
    send(client, "elsewhere")
    first = client.get("/a2a/echo/tasks", params={"contextId": context, "pageSize": 2}).json()
    assert (first["totalSize"], first["pageSize"]) == (3, 2)
    params = {"contextId": context, "pageToken": first["nextPageToken"], "includeArtifacts": "true"}
    rest = client.get("/a2a/echo/tasks", params=params).json()
    assert [one["id"] for one in first["tasks"] + rest["tasks"]] == sent[::-1]
    assert (rest["nextPageToken"], [text_of(one) for one in rest["tasks"]]) == ("", ["0"])
    none = rpc(client, "ListTasks", {"contextId": context, "status": "TASK_STATE_FAILED"})["result"]
    assert none == {"tasks": [], "nextPageToken": "", "pageSize": 50, "totalSize": 0}


def test_tasks_are_listed_from_the_time_of_their_status_on(client: httpx.Client) -> None:
    task = send(client)
    moment = datetime.fromisoformat(task["status"]["timestamp"])

    def listed(ms: int) -> list[str]:
        after = (moment + timedelta(milliseconds=ms)).isoformat().replace("+00:00", "Z")
        found = client.get("/a2a/echo/tasks", params={"statusTimestampAfter": after})
        assert found.status_code == 200, found.text
        return [one["id"] for one in found.json()["tasks"]]

    assert (listed(-1), listed(0), listed(1)) == ([task["id"]], [task["id"]], [])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", ":cancel"), ("POST", ":subscribe"), ("GET", ":subscribe")]
)
def test_task_of_another_organization_is_not_found(
    client: httpx.Client, issuer: Issuer, organization: str, method: str, path: str
) -> None:
    task = send(client)["id"]
    other = issuer.headers(f"{organization}x")
    found = client.request(method, f"/a2a/echo/tasks/{task}{path}", headers=other)
    unknown = client.request(method, f"/a2a/echo/tasks/run_1{path}", headers=other)
    assert reason_of(found) == reason_of(unknown) == (404, "TASK_NOT_FOUND")


@pytest.mark.parametrize(
    "query",
    [
        "/run_1?historyLength=many",
        "/run_1?historyLength=99999999999",
        "?pageSize=x",
        "?statusTimestampAfter=now",
    ],
)
def test_query_that_cannot_be_read_is_refused(client: httpx.Client, query: str) -> None:
    assert reason_of(client.get(f"/a2a/echo/tasks{query}")) == (400, "INVALID_PARAMS")


@pytest.mark.parametrize("method", ["GetTask", "CancelTask", "SubscribeToTask"])
def test_task_of_another_organization_is_not_found_over_json_rpc(
    client: httpx.Client, address: str, issuer: Issuer, organization: str, method: str
) -> None:
    task = send(client)["id"]
    theirs = issuer.headers(f"{organization}x") | {"a2a-version": "1.0"}
    with httpx.Client(base_url=address, headers=theirs) as other:
        assert rpc(other, method, {"id": task})["error"]["code"] == -32001
        assert rpc(other, "SendMessage", message(taskId=task))["error"]["code"] == -32001
        assert other.get(f"/api/a2a/tasks/{task}/stream").status_code == 404


BAD: list[tuple[Any, int, str]] = [
    ({}, 400, "INVALID_PARAMS"),
    ({"message": {"role": "ROLE_USER", "messageId": "m"}}, 400, "INVALID_PARAMS"),
    ({"message": {"role": "ROLE_USER", "parts": [{"text": "x"}]}}, 400, "INVALID_PARAMS"),
    (message(role="ROLE_AGENT"), 400, "INVALID_PARAMS"),
    (message(parts=[{}]), 400, "INVALID_PARAMS"),
    (message(parts=[{"text": " "}]), 400, "EMPTY_MESSAGE"),
    (message(parts=[{"raw": "AA==", "mediaType": "image/x-unknown"}]), 415, "CONTENT_TYPE_NOT_SUPPORTED"),
    (message(parts="x"), 400, "INVALID_PARAMS"),
    (message(contextId="a#b"), 400, "INVALID_ID"),
    ([], 400, "INVALID_PARAMS"),
    (
        message()
        | {"configuration": {"taskPushNotificationConfig": {"url": f"https://example.com/{'x' * 500_000}"}}},
        400,
        "INVALID_PUSH_URL",
    ),
    (message() | {"configuration": {"historyLength": -1}}, 400, "INVALID_PARAMS"),
    (
        message() | {"configuration": {"acceptedOutputModes": ["image/png"]}},
        415,
        "CONTENT_TYPE_NOT_SUPPORTED",
    ),
]


@pytest.mark.parametrize(("body", "status", "reason"), BAD)
def test_bad_message_is_refused_before_anything_is_stored(
    client: httpx.Client, body: Any, status: int, reason: str
) -> None:
    assert reason_of(client.post("/a2a/echo/message:send", json=body)) == (status, reason)
    assert client.get("/a2a/echo/tasks").json()["totalSize"] == 0


def test_image_of_a_message_is_kept_with_it(client: httpx.Client) -> None:
    image = {"url": "https://example.com/cat.png", "mediaType": "image/png", "filename": "cat.png"}
    task = send(client, parts=[{"text": "Look"}, image])
    assert state_of(task) == "COMPLETED"
    assert task["history"][0]["parts"] == [{"text": "Look"}, image]
    other = {"url": "https://example.com/dog.png", "mediaType": "image/png"}
    sent = message(parts=[{"text": "Look"}, image], messageId="twice")
    first = client.post("/a2a/echo/message:send", json=sent).json()["task"]["id"]
    assert client.post("/a2a/echo/message:send", json=sent).json()["task"]["id"] == first
    changed = message(parts=[{"text": "Look"}, other], messageId="twice")
    assert client.post("/a2a/echo/message:send", json=changed).json()["task"]["id"] != first


def test_other_versions_are_refused(client: httpx.Client) -> None:
    for version in ("", "0.3", "99.0", "x"):
        response = client.post("/a2a/echo/message:send", json=message(), headers={"a2a-version": version})
        assert reason_of(response) == (400, "VERSION_NOT_SUPPORTED")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", -32700),
        ("[]", -32600),
        ('"x"', -32600),
        ('{"id":1,"method":"GetTask"}', -32600),
        ('{"jsonrpc":"2.0","id":{},"method":"GetTask"}', -32600),
        ('{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        ('{"jsonrpc":"2.0","id":1,"method":"tasks/get"}', -32601),
        ('{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{}}', -32602),
        ('{"jsonrpc":"2.0","id":1,"method":"GetTask","params":[]}', -32602),
    ],
)
def test_bad_json_rpc_is_refused(client: httpx.Client, content: str, code: int) -> None:
    response = client.post("/a2a/echo", content=content, headers={"content-type": "application/json"})
    assert response.json()["error"]["code"] == code


def test_json_rpc_of_another_content_type_is_refused(client: httpx.Client) -> None:
    response = client.post("/a2a/echo", content="{}", headers={"content-type": "text/plain"})
    assert response.json()["error"]["code"] == -32005
