"""Calls that wait for a person: asked through the client, or answered with a tool."""

from typing import Any

import httpx
import pytest

from millrace.services.runs.platform import Platform
from tests.mcp.talk import BOTH, begin, call, frames, hire, request, result_of, resume, rpc, stream

ASKS = [{"name": "echo_tool", "policy": "ask"}]
MODERN = "2026-07-28"


def modern(message: dict[str, Any], **capabilities: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A request of a client without a session, and its headers."""
    prefix = "io.modelcontextprotocol"
    message["params"].setdefault("_meta", {}).update(
        {f"{prefix}/protocolVersion": MODERN, f"{prefix}/clientCapabilities": capabilities}
    )
    headers = {"mcp-protocol-version": MODERN, "mcp-method": message["method"]}
    if "name" in message["params"]:
        headers["mcp-name"] = message["params"]["name"]
    return message, BOTH | headers


def post(client: httpx.Client, message: dict[str, Any], **capabilities: Any) -> dict[str, Any]:
    """The result of a request of a client without a session."""
    body, headers = modern(message, **capabilities)
    return result_of(stream(client, headers, body))


@pytest.mark.parametrize(("action", "ran"), [("accept", True), ("decline", False), ("cancel", False)])
def test_user_of_a_session_is_asked_and_answers_elsewhere(
    client: httpx.Client, elsewhere: str, platform: Platform, organization: str, action: str, ran: bool
) -> None:
    hire(platform, organization, tools=ASKS)
    session = begin(client, elicitation={})
    with client.stream("POST", "/mcp", json=call("ask_clerk", 4, message="hi"), headers=session) as response:
        events = frames(response)
        question = next(one for one in events if one.data and one.data.get("method") == "elicitation/create")
        assert "echo_tool" in question.data["params"]["message"]
        answer = {"jsonrpc": "2.0", "id": question.data["id"], "result": {"action": action}}
        with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
            assert other.post("/mcp", json=answer, headers=session).status_code == 202
        rest = list(events) or resume(client, session, question.id)
    assert result_of(rest)["structuredContent"]["answer"] == "hi"
    assert rest[-1].data["id"] == 4
    run_id = result_of(rest)["structuredContent"]["runId"]
    assert decision(client, session, run_id, question.data["id"]) == ("approve" if ran else "reject")


def decision(client: httpx.Client, session: dict[str, str], run_id: str, question: str) -> str:
    """The decision about a question: the same one again is accepted, another is not."""
    given = {"runId": run_id, "callId": question.split(":", 2)[2], "decision": "approve"}
    result = rpc(client, session, "tools/call", {"name": "answer_approval", "arguments": given})["result"]
    return "reject" if result["isError"] else "approve"


def test_user_of_somebody_else_cannot_answer(
    client: httpx.Client, platform: Platform, issuer: Any, organization: str
) -> None:
    hire(platform, organization, tools=ASKS)
    session = begin(client)
    waiting = result_of(stream(client, session, call("ask_clerk", message="hi")))
    run_id = waiting["_meta"]["runId"]
    listed = rpc(client, session, "tools/call", {"name": "list_approvals"})["result"]["structuredContent"]
    call_id = listed["approvals"][0]["callId"]
    answer = {"jsonrpc": "2.0", "id": f"ask:{run_id}:{call_id}", "result": {"action": "accept"}}
    bob = issuer.user(organization, "bob", "member") | session
    assert client.post("/mcp", json=answer, headers=bob).status_code == 403
    foreign = issuer.user(f"{organization}x", "eve", "admin") | session
    assert (
        client.post("/mcp", json=answer, headers=foreign).json()["error"]["data"]["code"] == "run_not_found"
    )
    listed = rpc(client, session, "tools/call", {"name": "list_approvals"})["result"]["structuredContent"]
    assert [one["callId"] for one in listed["approvals"]] == [call_id]


def test_client_that_cannot_ask_is_told_what_waits_and_answers_by_a_tool(
    client: httpx.Client, elsewhere: str, platform: Platform, organization: str
) -> None:
    hire(platform, organization, tools=ASKS)
    session = begin(client)
    waiting = stream(client, session, call("ask_clerk", message="hi"))
    text = result_of(waiting)["content"][0]["text"]
    run_id = result_of(waiting)["_meta"]["runId"]
    assert run_id in text
    call_id = text.rpartition("callId ")[2]
    given = {"runId": run_id, "callId": call_id, "decision": "approve"}
    with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
        answered = rpc(other, session, "tools/call", {"name": "answer_approval", "arguments": given})[
            "result"
        ]
        assert answered["structuredContent"]["state"] == "answered"
        rest = resume(other, session, waiting[-1].id)
        assert result_of(rest)["structuredContent"]["answer"] == "hi"
        again = stream(other, session, call("ask_clerk", message="hi"))
        task = stream(other, session, request("tasks/result", {"taskId": run_id}, 5))
    assert [one.data["result"] for one in (again[-1], task[-1])] == [result_of(rest)] * 2
    answers = [one for one in again + task if one.data and "result" in one.data]
    assert len(answers) == 2


@pytest.mark.parametrize("action", ["accept", "decline"])
def test_user_is_asked_without_a_session(
    client: httpx.Client, elsewhere: str, platform: Platform, organization: str, action: str
) -> None:
    hire(platform, organization, tools=ASKS)
    first = post(client, call("ask_clerk", message="hi"), elicitation={})
    assert first["resultType"] == "input_required"
    again = call("ask_clerk", 2, message="hi")
    again["params"] |= {
        "requestState": first["requestState"],
        "inputResponses": {key: {"action": action} for key in first["inputRequests"]},
    }
    with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
        result = post(other, again, elicitation={})
        assert post(other, again, elicitation={}) == result  # it may have been cut
    assert result["structuredContent"]["answer"] == "hi"


def test_state_of_another_tool_or_user_is_refused(
    client: httpx.Client, platform: Platform, issuer: Any, organization: str
) -> None:
    hire(platform, organization, tools=ASKS)
    state = post(client, call("ask_clerk", message="hi"), elicitation={})["requestState"]
    again = call("ask_echo", 2, message="hi")
    again["params"]["requestState"] = state
    body, headers = modern(again)
    assert client.post("/mcp", json=body, headers=headers).json()["error"]["code"] == -32602
    mine = call("ask_clerk", 2, message="hi")
    mine["params"]["requestState"] = state
    body, headers = modern(mine)
    headers |= issuer.user(organization, "bob", "customer")
    found = client.post("/mcp", json=body, headers=headers).json()["error"]
    assert found["data"]["code"] == "run_not_found"


def test_key_of_a_client_without_a_session_begins_one_run(client: httpx.Client, elsewhere: str) -> None:
    message = call("ask_echo", message="once")
    message["params"]["_meta"] = {"idempotencyKey": "k1"}
    first = post(client, message)
    with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
        assert post(other, message | {"id": 2}) == first


def test_waiting_task_asks_for_input(client: httpx.Client, platform: Platform, organization: str) -> None:
    hire(platform, organization, tools=ASKS)
    session = begin(client)
    message = call("ask_clerk", message="hi")
    message["params"]["task"] = {}
    task = stream(client, session, message)[0].data["result"]["task"]
    found = rpc(client, session, "tasks/get", {"taskId": task["taskId"]})["result"]
    assert found["status"] == "input_required"
