"""Everything that A2A reveals about a run, in both bindings."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx

from millrace.domain.tasks import PushMessage
from tests.a2a.talk import message
from tests.api.outlets import A2A, PUSHES
from tests.fakes.receivers import receiving

AGENT = "quiet"
VERSION = {"a2a-version": "1.0"}


def a2a_answers(
    api: httpx.Client, play: Callable[[], None], ids: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Collect the answers of each operation and method; `play` has the model tell its story."""
    for path in ("message:send", "message:stream"):
        play()
        yield _answer(api, "POST", f"{A2A}/{path}", {}, json=message("How are you?"))
    for path, method in ((A2A, "SendMessage"), (f"{A2A}/", "SendStreamingMessage")):
        play()
        yield _answer(api, "POST", path, {}, json=_call(method, message("How are you?")))
    found = api.get(A2A.format(agent_id=AGENT) + "/tasks", headers=VERSION).json()
    ids["task_id"] = found["tasks"][0]["id"]
    task = {"id": ids["task_id"]}
    yield _answer(api, "GET", f"{A2A}/tasks", ids, params={"includeArtifacts": "true", "historyLength": "99"})
    yield _answer(api, "GET", f"{A2A}/tasks/{{task_id}}", ids, params={"historyLength": "99"})
    for method in ("GET", "POST"):
        yield _answer(api, method, f"{A2A}/tasks/{{task_id}}:subscribe", ids, over=True)
    yield _answer(api, "POST", f"{A2A}/tasks/{{task_id}}:cancel", ids, over=True)
    for method, params in (("GetTask", task), ("ListTasks", {"includeArtifacts": True})):
        yield _answer(api, "POST", A2A, {}, json=_call(method, params))
    for method in ("SubscribeToTask", "CancelTask"):
        yield _answer(api, "POST", A2A, {}, json=_call(method, task), over=True)


def push_answers(
    api: httpx.Client,
    play: Callable[[], None],
    ids: dict[str, str],
    queue: list[PushMessage],
    push: Callable[[PushMessage], None],
) -> Iterator[tuple[str, str]]:
    """Collect what a receiver of push notifications gets, and what is told of the configurations; `push` does
    what a message of the `queue` asks for."""
    with receiving() as receivers:
        config = {"id": "p1", "url": f"{receivers.url}/hook", "token": "shared"}
        play()
        asking = message("How are you?") | {"configuration": {"taskPushNotificationConfig": config}}
        yield _answer(api, "POST", f"{A2A}/message:send", {}, json=asking)
        yield _answer(api, "POST", PUSHES, ids, over=True, json=config)
        task = {"taskId": ids["task_id"]}
        for method, params in (
            ("GetTaskPushNotificationConfig", task | {"id": "p1"}),
            ("ListTaskPushNotificationConfigs", task),
        ):
            yield _answer(api, "POST", A2A, {}, json=_call(method, params), over=True)
        yield _answer(api, "GET", PUSHES, ids, over=True)
        for method in ("GET", "DELETE"):
            yield _answer(api, method, f"{PUSHES}/{{push_id}}", ids | {"push_id": "p1"}, over=True)
        assert queue
        for one in queue:
            push(one)
        bodies = [one.body.decode() for one in receivers.hook.taken]
    assert any("well" in body for body in bodies), bodies
    assert any("TASK_STATE_COMPLETED" in body for body in bodies)
    for body in bodies:
        yield "push", body


def _call(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _answer(
    api: httpx.Client, method: str, path: str, ids: dict[str, str], *, over: bool = False, **more: Any
) -> tuple[str, str]:
    """The answer of an operation, which has the agent's text unless the task is `over` for it."""
    found = api.request(method, path.format(agent_id=AGENT, **ids), headers=VERSION, **more)
    assert over or "well" in found.text, (method, path, found.text)
    return f"{method} {path} {more.get('json', {}).get('method', '')}", found.text
