"""The official clients, in both bindings, as their users use them."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.client.client import Client
from a2a.types.a2a_pb2 import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskState,
)
from a2a.utils.errors import TaskNotFoundError

from tests.a2a.talk import message
from tests.clients import run_client
from tests.protocols.test_a2a import put_together
from tests.tokens import Issuer

BINDINGS = ("JSONRPC", "HTTP+JSON")
SLOW = "/echo think=0 tools=0 delayMs=20 tokens=30\nword"


def request(text: str, **more: str) -> SendMessageRequest:
    given = {"message_id": str(uuid.uuid4())} | more
    return SendMessageRequest(message=Message(role=Role.ROLE_USER, parts=[Part(text=text)], **given))


async def last(events: AsyncIterator[StreamResponse]) -> Task:
    return put_together([event async for event in events])


def text_of(task: Task) -> str:
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


@pytest.mark.parametrize("binding", BINDINGS)
async def test_python_client_does_every_operation(
    address: str, headers: dict[str, str], binding: str
) -> None:
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:

        async def connect(streaming: bool, agent: str) -> Client:
            config = ClientConfig(
                streaming=streaming, httpx_client=http, supported_protocol_bindings=[binding]
            )
            return await create_client(f"{address}/a2a/{agent}", config)

        client = await connect(True, "echo")
        streamed = await last(client.send_message(request("one two")))
        assert (text_of(streamed), streamed.status.state) == ("one two", TaskState.TASK_STATE_COMPLETED)
        got = await client.get_task(GetTaskRequest(id=streamed.id))
        assert text_of(got) == "one two"
        listed = await client.list_tasks(ListTasksRequest(context_id=got.context_id))
        assert [one.id for one in listed.tasks] == [got.id]

        begun = await anext(aiter(client.send_message(request(SLOW))))
        resumed = await last(client.subscribe(SubscribeToTaskRequest(id=begun.task.id)))
        assert text_of(resumed) == "word " * 30

        asking = await connect(False, "conformance")
        asked = request("ask", message_id=f"tck-input-required-{uuid.uuid4()}")
        waiting = await last(asking.send_message(asked))
        assert waiting.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        canceled = await asking.cancel_task(CancelTaskRequest(id=waiting.id))
        assert canceled.status.state == TaskState.TASK_STATE_CANCELED
        with pytest.raises(TaskNotFoundError):
            await client.get_task(GetTaskRequest(id="run_unknown"))


@pytest.mark.parametrize("binding", BINDINGS)
async def test_javascript_client_does_every_operation(
    address: str, issuer: Issuer, organization: str, binding: str
) -> None:
    seen = await run_client("a2a.mjs", address, issuer.token(organization), binding)
    assert seen == {
        "sent": "one two",
        "got": "one two",
        "listed": [True],
        "streamed": {"first": "task", "last": "statusUpdate", "text": "three four"},
        "resumed": {"first": "task", "last": "statusUpdate", "text": "word " * 30},
        "asked": TaskState.TASK_STATE_INPUT_REQUIRED,
        "canceled": TaskState.TASK_STATE_CANCELED,
        "unknown": True,
    }


async def test_reference_reads_a_task_as_it_stands(
    address: str, issuer: Issuer, organization: str, headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as http:
        asked = message("ask", messageId=f"tck-input-required-{uuid.uuid4()}")
        task = (await http.post("/a2a/conformance/message:send", json=asked)).json()["task"]
        await http.post("/a2a/conformance/message:send", json=message("blue", taskId=task["id"]))
        bad = (await http.post("/a2a/echo/message:send", json=message("/echo failAfter=1\nx y"))).json()[
            "task"
        ]
    token = issuer.token(organization)
    seen = await run_client("a2a_reference.mjs", address, token, task["id"])
    assert seen["view"] == "TASK_STATE_SUBMITTED"
    assert seen["states"] == ["working", "input-required", "working", "completed"]
    assert (seen["chunks"], seen["final"]) == ("Hello from TCK", "Hello from TCK")
    assert "What is the input?" in seen["said"]
    failed = await run_client("a2a_reference.mjs", address, token, bad["id"])
    assert failed["states"] == ["working", "failed"]
