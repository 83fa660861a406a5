"""The audit log of MCP: every change has an entry with its method."""

import httpx

from millrace.api.mcp_tools import FixedTools
from millrace.services.pipelines.context import PipelineContext
from millrace.services.runs.platform import Platform
from tests.audit_log import acts
from tests.mcp.talk import begin, call, frames, hire, request, result_of, rpc, stream

UNAUDITED = {"process": "data, which is counted in the pipeline's metrics"}
ASKS = [{"name": "echo_tool", "policy": "ask"}]


def test_every_tool_that_changes_something_is_audited(platform: Platform) -> None:
    context = PipelineContext.connect(platform.settings, platform.stores.aws)
    tools = FixedTools(platform, context).all()
    assert {tool.name for tool in tools if not (tool.reads or tool.audited)} == set(UNAUDITED)
    assert not [tool.name for tool in tools if tool.reads and tool.audited]


def test_answer_by_a_tool_has_an_entry_and_a_call_of_an_agent_has_none(
    client: httpx.Client, platform: Platform, organization: str
) -> None:
    hire(platform, organization, tools=ASKS)
    session = begin(client)
    waiting = result_of(stream(client, session, call("ask_clerk", message="hi")))
    assert acts(platform, organization) == []
    run_id = waiting["_meta"]["runId"]
    ids = {"runId": run_id, "callId": waiting["content"][0]["text"].rpartition("callId ")[2]}
    given = {"name": "answer_approval", "arguments": ids | {"decision": "approve", "content": "a secret"}}
    for wanted in (given, given | {"arguments": {**ids, "runId": "run_unknown", "decision": "approve"}}):
        rpc(client, session, "tools/call", wanted)
    found = acts(platform, organization)
    action = "POST /mcp tools/call answer_approval"
    assert [(name, target["runId"]) for name, target, _ in found] == [
        (action, run_id),
        (action, "run_unknown"),
    ]
    assert found[1][2] == 404
    assert "a secret" not in str(found)


def test_answer_of_a_session_has_an_entry(
    client: httpx.Client, platform: Platform, organization: str
) -> None:
    hire(platform, organization, tools=ASKS)
    session = begin(client, elicitation={})
    with client.stream("POST", "/mcp", json=call("ask_clerk", message="hi"), headers=session) as response:
        for frame in frames(response):
            if frame.data and frame.data.get("method") == "elicitation/create":
                answer = {"jsonrpc": "2.0", "id": frame.data["id"], "result": {"action": "decline"}}
                assert client.post("/mcp", json=answer, headers=session).status_code == 202
    [(action, target, status)] = acts(platform, organization)
    assert (action, status) == ("POST /mcp answer", 200)
    assert set(target) == {"runId", "callId"}


def test_stopped_runs_have_acts(client: httpx.Client, platform: Platform, organization: str) -> None:
    session = begin(client)
    runs = []
    for number, how in enumerate(("stop_run", "tasks/cancel", "notifications/cancelled"), 20):
        message = call("ask_echo", number, message="/echo hang=1\nnever")
        message["params"]["task"] = {}
        with client.stream("POST", "/mcp", json=message, headers=session) as response:
            run_id = next(frames(response)).data["result"]["task"]["taskId"]
            if how == "stop_run":
                rpc(client, session, "tools/call", {"name": how, "arguments": {"runId": run_id}})
            elif how == "tasks/cancel":
                client.post("/mcp", json=request(how, {"taskId": run_id}, 2), headers=session)
            else:
                cancel = {"jsonrpc": "2.0", "method": how, "params": {"requestId": number}}
                assert client.post("/mcp", json=cancel, headers=session).status_code == 202
            runs.append(run_id)
    assert acts(platform, organization) == [
        ("POST /mcp tools/call stop_run", {"runId": runs[0]}, 200),
        ("POST /mcp tasks/cancel", {"runId": runs[1]}, 200),
        ("POST /mcp notifications/cancelled", {"runId": runs[2]}, 200),
    ]
