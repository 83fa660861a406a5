"""Push notifications: every update arrives, signed and in order, whatever fails on the way."""

import asyncio
import base64
import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx
import orjson
import pytest
from msgspec.structs import replace
from starlette.responses import PlainTextResponse

from millrace.api.a2a_app import create_app
from millrace.domain.tasks import PushMessage
from millrace.protocols.a2a.notifications import notifications
from millrace.services.runs.platform import Platform
from millrace.services.tasks.notify import Notices
from millrace.settings import Settings
from tests.a2a.talk import Json, message, reason_of, rpc, send
from tests.audit_log import acts
from tests.fakes.receivers import Receivers, receiving
from tests.serving import served


@dataclass
class Sent:
    """A queue that keeps what is put on it, with the delay."""

    messages: list[tuple[PushMessage, float]] = field(default_factory=list)

    async def enqueue(self, message: PushMessage, delay: float = 0) -> None:
        self.messages.append((message, delay))


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def platform(settings: Settings, sent: Sent) -> Platform:
    made = Platform.make(replace(settings, allow_loopback_http=True))
    made.stores = replace(made.stores, push_queue=sent)
    return made


@pytest.fixture
def address(platform: Platform, run_queue: None) -> Iterator[str]:
    with served(create_app(platform.settings, platform)) as url:
        yield url


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with receiving() as running:
        yield running


def config(url: str, **more: Any) -> Json:
    auth = {"scheme": "Bearer", "credentials": "secret"}
    return {"id": "p1", "url": f"{url}/hook", "token": "shared", "authentication": auth} | more


def begin(client: httpx.Client, url: str, text: str = "one two") -> Json:
    body = message(text) | {"configuration": {"taskPushNotificationConfig": config(url)}}
    task: Json = client.post("/a2a/echo/message:send", json=body).json()["task"]
    return task


def take_up(settings: Settings, sent: Sent, message: PushMessage) -> None:
    """Do what the function of the queue does with a message."""

    async def work() -> None:
        made = Platform.make(replace(settings, allow_loopback_http=True))
        made.stores = replace(made.stores, push_queue=sent)
        await Notices(made, notifications, time.monotonic() + 60).take_up(message)
        await made.http.close()

    asyncio.run(work())


def kinds(receivers: Receivers) -> list[str]:
    """The notifications that have arrived, in order: states, and artifacts by their texts."""
    found = []
    for one in receivers.hook.taken:
        body = orjson.loads(one.body)
        if update := body.get("artifactUpdate"):
            found.append(update["artifact"]["parts"][0]["text"])
        else:
            status = (body.get("task") or body["statusUpdate"])["status"]
            found.append(status["state"].removeprefix("TASK_STATE_"))
    return found


def test_every_update_is_pushed_signed_and_in_order(
    client: httpx.Client, settings: Settings, sent: Sent, receivers: Receivers
) -> None:
    begin(client, receivers.url)
    [(first, _)] = sent.messages
    take_up(settings, sent, first)
    assert kinds(receivers) == ["SUBMITTED", "WORKING", "one two", "COMPLETED"]
    ids = []
    for one in receivers.hook.taken:
        assert one.headers["authorization"] == "Bearer secret"
        assert one.headers["x-a2a-notification-token"] == "shared"
        id, stamp = one.headers["webhook-id"], one.headers["webhook-timestamp"]
        digest = hmac.new(b"shared", f"{id}.{stamp}.".encode() + one.body, sha256).digest()
        assert one.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        ids.append(id)
    assert len(sent.messages) == 1


def test_failed_push_goes_on_where_it_failed(
    client: httpx.Client, settings: Settings, sent: Sent, receivers: Receivers
) -> None:
    begin(client, receivers.url)
    receivers.answers += [PlainTextResponse("ok"), PlainTextResponse("", 503)]
    take_up(settings, sent, sent.messages[0][0])
    again, delay = sent.messages[-1]
    assert (again.attempt, delay >= 1) == (1, True)
    receivers.hook.taken.clear()
    take_up(settings, sent, again)
    assert kinds(receivers) == ["WORKING", "one two", "COMPLETED"]


def test_message_that_is_earlier_than_its_task_comes_again(settings: Settings, sent: Sent) -> None:
    early = PushMessage("o", "run_none", "p1", "c", sent_ms=int(time.time() * 1000))
    take_up(settings, sent, early)
    assert [one for one, _ in sent.messages] == [early]
    take_up(settings, sent, replace(early, sent_ms=early.sent_ms - 120_000))
    assert len(sent.messages) == 1


def test_waiting_task_is_looked_at_again_and_an_answer_wakes_it(
    client: httpx.Client, settings: Settings, sent: Sent, receivers: Receivers
) -> None:
    task = send(client, agent="conformance", messageId="tck-input-required-1")
    made = client.post(
        f"/a2a/conformance/tasks/{task['id']}/pushNotificationConfigs", json=config(receivers.url)
    )
    assert "credentials" not in made.json()["authentication"]
    take_up(settings, sent, sent.messages[-1][0])
    waiting, delay = sent.messages[-1]
    assert (kinds(receivers), delay) == ([], 300)
    client.post("/a2a/conformance/message:send", json=message("blue", taskId=task["id"]))
    woken, delay = sent.messages[-1]
    assert delay == 0
    take_up(settings, sent, woken)
    assert kinds(receivers) == ["WORKING", "Hello from TCK", "COMPLETED"]
    take_up(settings, sent, waiting)  # the chain of messages before ends
    assert len(kinds(receivers)) == 3


def test_configurations_are_read_listed_and_deleted_in_both_bindings(
    client: httpx.Client, receivers: Receivers
) -> None:
    task = send(client)["id"]
    made = rpc(client, "CreateTaskPushNotificationConfig", config(receivers.url) | {"taskId": task})["result"]
    assert (made["id"], made["taskId"], "token" in made) == ("p1", task, False)
    path = f"/a2a/echo/tasks/{task}/pushNotificationConfigs"
    assert client.get(f"{path}/p1").json() == made
    assert client.get(path).json() == {"configs": [made]}
    assert rpc(client, "ListTaskPushNotificationConfigs", {"taskId": task})["result"]["configs"] == [made]
    assert client.delete(f"{path}/p1").json() == client.delete(f"{path}/p1").json() == {}
    assert reason_of(client.get(f"{path}/p1")) == (404, "PUSH_NOT_FOUND")


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "http://1.1.1.1/hook"},
        {"url": "https://10.0.0.7/hook"},
        {"url": "https://169.254.169.254/latest"},
        {"url": "ftp://example.com"},
        {"url": ""},
        {"token": "a\nb"},
        {"id": "a#b"},
    ],
)
def test_bad_configuration_is_refused_before_a_task_begins(client: httpx.Client, bad: Json) -> None:
    given = config("https://example.com") | bad
    body = message() | {"configuration": {"taskPushNotificationConfig": given}}
    response = client.post("/a2a/echo/message:send", json=body)
    assert response.status_code == 400
    assert client.get("/a2a/echo/tasks").json()["totalSize"] == 0


def test_deployment_without_pushes_says_so(settings: Settings, headers: dict[str, str]) -> None:
    """Its queue would be polled, and billed, day and night."""
    silent = replace(settings, push_queue_url="")
    with served(create_app(silent, Platform.make(silent))) as url:
        card = httpx.get(f"{url}/.well-known/agent-card.json", headers=headers).json()
        assert card["capabilities"].get("pushNotifications", False) is False
        answer = httpx.get(f"{url}/a2a/echo/tasks/run_1/pushNotificationConfigs", headers=headers)
        message = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
        wanted = {"url": "https://hooks.example.com/a"}
        body = {"message": message, "configuration": {"taskPushNotificationConfig": wanted}}
        sent = httpx.post(f"{url}/a2a/echo/message:send", headers=headers, json=body)
    for refused in (answer, sent):
        assert refused.status_code == 400
        assert "PushNotifications=true" in refused.text


def test_push_configuration_has_an_entry_in_both_bindings(
    client: httpx.Client, platform: Platform, organization: str, receivers: Receivers
) -> None:
    task = str(send(client)["id"])
    given = config(receivers.url) | {"token": "topsecret"}
    rpc(client, "CreateTaskPushNotificationConfig", given | {"taskId": task})
    rpc(client, "DeleteTaskPushNotificationConfig", {"taskId": task, "id": "p1"})
    client.post(f"/a2a/echo/tasks/{task}/pushNotificationConfigs", json=given)
    client.post(
        "/a2a/echo/message:send",
        json=message("hello") | {"configuration": {"taskPushNotificationConfig": given}},
    )
    found = acts(platform, organization)
    assert [action for action, _, _ in found] == [
        "POST /a2a/{agent_id} CreateTaskPushNotificationConfig",
        "POST /a2a/{agent_id} DeleteTaskPushNotificationConfig",
        "POST /a2a/{agent_id}/tasks/{task_id}/pushNotificationConfigs",
        "POST /a2a/{agent_id}/message:send",
    ]
    assert {target.get("taskId") for _, target, _ in found} == {task, None}
    assert "topsecret" not in str(found)
