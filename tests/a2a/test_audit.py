"""The audit log of A2A: every change has an entry, in both bindings."""

import uuid

import httpx

from millrace.api.a2a import A2A
from millrace.api.a2a_rpc import Rpc
from millrace.api.a2a_tasks import Tasks
from millrace.services.runs.platform import Platform
from tests.a2a.talk import message, rpc, send
from tests.audit_log import acts

UNAUDITED = {
    "SendMessage": "the message names its author; one to a task, or with a push configuration, has an entry",
    "SendStreamingMessage": "as SendMessage",
    "GetTask": "reads",
    "ListTasks": "reads",
    "SubscribeToTask": "reads",
    "GetTaskPushNotificationConfig": "reads",
    "ListTaskPushNotificationConfigs": "reads",
}


def test_every_method_that_changes_something_is_audited(platform: Platform) -> None:
    methods = Rpc(Tasks(platform), A2A(platform).whole_card)
    every = methods.methods | methods.streams
    assert {name for name, one in every.items() if not one.changes} == set(UNAUDITED)


def asking(client: httpx.Client) -> str:
    """The id of a task that asks."""
    task = send(client, agent="conformance", messageId=f"tck-input-required-{uuid.uuid4()}")
    return str(task["id"])


def test_canceled_task_has_an_entry_in_both_bindings(
    client: httpx.Client, platform: Platform, organization: str
) -> None:
    first, second = asking(client), asking(client)
    assert acts(platform, organization) == []
    client.post(f"/a2a/conformance/tasks/{first}:cancel")
    rpc(client, "CancelTask", {"id": second}, agent="conformance")
    rpc(client, "CancelTask", {"id": second}, agent="conformance")
    rpc(client, "CancelTask", {"id": "run_unknown"}, agent="conformance")
    by_method = "POST /a2a/{agent_id} CancelTask"
    target = {"agentId": "conformance", "taskId": second}
    assert acts(platform, organization) == [
        ("POST /a2a/{agent_id}/tasks/{task_id}:cancel", target | {"taskId": first}, 200),
        (by_method, target, 200),
        (by_method, target, 409),
        (by_method, target | {"taskId": "run_unknown"}, 404),
    ]


def test_answer_to_a_task_has_an_entry_and_a_message_has_none(
    client: httpx.Client, platform: Platform, organization: str
) -> None:
    first, second = asking(client), asking(client)
    client.post("/a2a/conformance/message:send", json=message("blue", taskId=first))
    rpc(client, "SendMessage", message("blue", taskId=second), agent="conformance")
    found = acts(platform, organization)
    assert [(action, target["taskId"]) for action, target, _ in found] == [
        ("POST /a2a/{agent_id}/message:send", first),
        ("POST /a2a/{agent_id} SendMessage", second),
    ]
    assert "blue" not in str(found)
