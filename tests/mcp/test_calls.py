"""Calls of agents and other tools: results, progress, resumption, repetition, cancellation."""

import httpx
import pytest

from millrace.services.runs.platform import Platform
from tests.mcp.talk import begin, call, frames, hire, request, result_of, resume, rpc, run_ids, stream
from tests.tokens import ROLES, Issuer


def test_agents_and_other_tools_are_listed_with_their_schemas(
    client: httpx.Client, platform: Platform, organization: str
) -> None:
    schema = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    hire(platform, organization, id="a.b:c~d", description="Adds.", responseSchema=schema)
    tools = {one["name"]: one for one in rpc(client, begin(client), "tools/list")["result"]["tools"]}
    assert {"ask_demo", "ask_echo", "process", "metrics", "answer_approval"} <= tools.keys()
    assert tools["ask_a.db.cc.td"]["outputSchema"] == schema
    assert tools["ask_a.db.cc.td"]["description"] == "Adds."
    assert tools["ask_echo"]["inputSchema"]["required"] == ["message"]


def test_list_goes_on_page_by_page(client: httpx.Client, platform: Platform, organization: str) -> None:
    for number in range(53):
        hire(platform, organization, id=f"a{number:02}")
    session, names, cursor = begin(client), [], None
    while True:
        page = rpc(client, session, "tools/list", {"cursor": cursor} if cursor else {})["result"]
        names += [one["name"] for one in page["tools"]]
        cursor = page.get("nextCursor")
        if not cursor:
            break
    assert len(names) == len(set(names))
    assert {f"ask_a{number:02}" for number in range(53)} <= set(names)


def test_call_streams_progress_and_ends_with_the_answer(client: httpx.Client) -> None:
    found = stream(client, begin(client), call("ask_echo", 7, "t", message="one two"))
    result = result_of(found)
    assert found[0].data is None
    assert found[0].id
    assert found[-1].data["id"] == 7
    assert result["content"] == [{"type": "text", "text": "one two"}]
    assert result["structuredContent"]["answer"] == "one two"
    progress = [one.data["params"] for one in found[1:-1]]
    assert {one["progressToken"] for one in progress} == {"t"}
    numbers = [one["progress"] for one in progress]
    assert numbers == sorted(set(numbers))
    assert "one" in "".join(one["message"] for one in progress)


def test_conversation_goes_on(client: httpx.Client) -> None:
    session = begin(client)
    first = result_of(stream(client, session, call("ask_echo", message="one")))["structuredContent"]
    again = call("ask_echo", 2, message="two", conversationId=first["conversationId"])
    second = result_of(stream(client, session, again))["structuredContent"]
    assert second["conversationId"] == first["conversationId"]
    assert second["runId"] != first["runId"]


def test_call_cut_at_every_event_is_resumed_elsewhere_and_runs_once(
    client: httpx.Client, elsewhere: str, platform: Platform, organization: str
) -> None:
    session = begin(client)
    whole = stream(client, session, call("ask_echo", 1, 5, message="one two three"))
    with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
        for at, seen in enumerate(whole):
            rest = resume(other, session, seen.id)
            assert [*whole[: at + 1], *rest] == whole
    assert len(run_ids(platform, organization)) == 1


def test_call_begun_in_one_process_is_finished_from_another(
    client: httpx.Client, elsewhere: str, platform: Platform, organization: str
) -> None:
    session = begin(client)
    message = call("ask_echo", "x", "t", message="/echo delayMs=40\none two three four five six seven")
    with client.stream("POST", "/mcp", json=message, headers=session) as response:
        first = next(frames(response))
    with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
        rest = resume(other, session, first.id)
    assert result_of(rest)["structuredContent"]["answer"] == "one two three four five six seven"
    assert rest[-1].data["id"] == "x"
    assert len(run_ids(platform, organization)) == 1


def test_request_sent_again_is_not_run_again(
    client: httpx.Client, elsewhere: str, platform: Platform, organization: str
) -> None:
    session = begin(client)
    message = call("ask_echo", message="once")
    first = result_of(stream(client, session, message))
    with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
        assert result_of(stream(other, session, message)) == first
    assert len(run_ids(platform, organization)) == 1
    result_of(stream(client, begin(client), message))
    assert len(run_ids(platform, organization)) == 2


def test_id_that_is_used_for_another_call_is_refused(client: httpx.Client) -> None:
    session = begin(client)
    stream(client, session, call("ask_echo", message="one"))
    error = client.post("/mcp", json=call("ask_echo", message="two"), headers=session).json()["error"]
    assert error["data"]["code"] == "idempotency_key_reused"


def test_cancelled_call_stops_its_run(
    client: httpx.Client, elsewhere: str, platform: Platform, organization: str
) -> None:
    session = begin(client)
    message = call("ask_echo", 9, message="/echo hang=1\nnever")
    with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
        with client.stream("POST", "/mcp", json=message, headers=session) as response:
            events = frames(response)
            next(events)
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
            assert other.post("/mcp", json=cancel, headers=session).status_code == 202
            *_, last = events
    assert "result" in last.data


def test_task_is_answered_at_once_and_finished_elsewhere(client: httpx.Client, elsewhere: str) -> None:
    session = begin(client)
    message = call("ask_echo", message="/echo delayMs=30\none two three")
    message["params"]["task"] = {"ttl": 60000}
    with client.stream("POST", "/mcp", json=message, headers=session) as response:
        task = next(frames(response)).data["result"]["task"]
        assert task["status"] == "working"
        with httpx.Client(base_url=elsewhere, headers=client.headers, timeout=30) as other:
            wanted = request("tasks/result", {"taskId": task["taskId"]}, 2)
            result = result_of(stream(other, session, wanted))
            assert result["structuredContent"]["answer"] == "one two three"
            assert result["_meta"]["io.modelcontextprotocol/related-task"] == {"taskId": task["taskId"]}
            found = rpc(other, session, "tasks/get", {"taskId": task["taskId"]})["result"]
    assert found["status"] == "completed"


def test_call_as_a_task_is_answered_once(client: httpx.Client) -> None:
    session = begin(client)
    message = call("ask_echo", 7, message="one two three")
    message["params"]["task"] = {}
    found = stream(client, session, message)
    answers = [one for one in found if one.data and one.data.get("id") == 7]
    assert [one.data["result"].keys() for one in answers] == [{"task"}]
    assert resume(client, session, answers[0].id) == []


def test_cancelled_task_stops_its_run(client: httpx.Client) -> None:
    session = begin(client)
    message = call("ask_echo", message="/echo hang=1\nnever")
    message["params"]["task"] = {}
    with client.stream("POST", "/mcp", json=message, headers=session) as response:
        task = next(frames(response)).data["result"]["task"]
        found = rpc(client, session, "tasks/cancel", {"taskId": task["taskId"]})["result"]
    assert found["status"] == "cancelled"


def test_failed_run_is_an_error_of_the_tool(client: httpx.Client) -> None:
    result = result_of(stream(client, begin(client), call("ask_echo", message="/echo failAfter=1\none two")))
    assert result["isError"] is True
    assert "echo_failed" in result["content"][0]["text"]


@pytest.mark.parametrize("user", ["bob", "other"])
def test_run_of_somebody_else_is_not_found(
    client: httpx.Client, issuer: Issuer, organization: str, user: str
) -> None:
    session = begin(client)
    found = stream(client, session, call("ask_echo", message="secret"))
    run_id = result_of(found)["structuredContent"]["runId"]
    at = organization if user == "bob" else f"{organization}x"
    foreign = issuer.user(at, user, "customer") | session
    assert client.get("/mcp", headers=foreign | {"last-event-id": found[0].id}).status_code == 404
    asked = rpc(client, foreign, "tasks/get", {"taskId": run_id})
    assert asked["error"]["data"]["code"] == "run_not_found"


def test_scope_that_is_missing_is_named(client: httpx.Client, issuer: Issuer, organization: str) -> None:
    headers = issuer.user(organization, "ann", "customer") | begin(client)
    names = [one["name"] for one in rpc(client, headers, "tools/list")["result"]["tools"]]
    assert "ask_echo" in names
    assert "process" not in names
    response = client.post("/mcp", json=call("metrics", pipelineId="p"), headers=headers)
    assert response.status_code == 403
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="pipelines:read"' in challenge


def test_run_is_neither_read_answered_nor_stopped_without_the_scope(
    client: httpx.Client, platform: Platform, issuer: Issuer, organization: str
) -> None:
    hire(platform, organization, tools=[{"name": "echo_tool", "policy": "ask"}])
    session = begin(client)
    waiting = stream(client, session, call("ask_clerk", 5, message="hi"))
    run_id = result_of(waiting)["_meta"]["runId"]
    asked = rpc(client, session, "tools/call", {"name": "list_approvals"})["result"]["structuredContent"]
    question = f"ask:{run_id}:{asked['approvals'][0]['callId']}"
    reader = issuer.headers(organization, **{ROLES: None, "scope": "pipelines:read"}) | session
    for message in (
        {"jsonrpc": "2.0", "id": question, "result": {"action": "accept"}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}},
    ):
        response = client.post("/mcp", json=message, headers=reader)
        assert response.status_code == 403
        assert 'scope="chat"' in response.headers["www-authenticate"]
    response = client.get("/mcp", headers=reader | {"last-event-id": waiting[0].id})
    assert response.status_code == 403
    found = rpc(client, session, "tasks/get", {"taskId": run_id})["result"]
    assert found["status"] == "input_required"


def test_request_without_a_token_is_told_where_to_get_one(address: str) -> None:
    response = httpx.post(f"{address}/mcp", json=request("tools/list"))
    assert response.status_code == 401
    where = f"{address}/.well-known/oauth-protected-resource/mcp"
    assert response.headers["www-authenticate"] == f'Bearer resource_metadata="{where}"'
    metadata = httpx.get(where).json()
    assert metadata["resource"] == f"{address}/mcp"
    assert metadata["authorization_servers"] == ["https://issuer.test"]


def test_pipeline_that_is_not_there_is_an_error_of_the_tool(client: httpx.Client) -> None:
    result = rpc(client, begin(client), "tools/call", {"name": "metrics", "arguments": {"pipelineId": "no"}})
    assert result["result"]["isError"] is True


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 400, -32600),
        (b'"text"', 400, -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":"%b","method":"ping"}' % (b"x" * 129), 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"nope"}', 200, -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}', 200, -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nope"}}', 200, -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask_nope"}}', 200, -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask_echo"}}', 200, -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"?"}}', 200, -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":[]}}', 200, -32602),
        (b'{"jsonrpc":"2.0","id":"ask:run_1:call_1","result":{"action":"accept"}}', 200, -32602),
        (b'{"jsonrpc":"2.0","id":"other","result":{}}', 400, -32600),
        (b"[" * 100_000, 400, -32700),
    ],
)
def test_message_that_is_wrong_is_refused(
    client: httpx.Client, platform: Platform, organization: str, body: bytes, status: int, code: int
) -> None:
    response = client.post("/mcp", content=body, headers=begin(client))
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["error"]["message"]
    assert run_ids(platform, organization) == []


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"mcp-session-id": "made-up"}, 404),
        ({"mcp-protocol-version": "1999-01-01"}, 400),
        ({"accept": "application/json"}, 406),
    ],
)
def test_request_with_wrong_headers_is_refused(
    client: httpx.Client, wrong: dict[str, str], status: int
) -> None:
    response = client.post("/mcp", json=request("tools/list"), headers=begin(client) | wrong)
    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_message_that_is_too_large_is_refused(client: httpx.Client) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"%b"}' % (b"x" * 4_300_000)
    response = client.post("/mcp", content=body, headers=begin(client))
    assert response.status_code == 413
    assert response.json()["error"]["data"]["limit"] == 4 * 1024 * 1024


@pytest.mark.parametrize("last", ["x", "1.2.3", "e30.run_1.1", "W10.run_1.1", "." * 2000])
def test_event_id_that_is_not_ours_is_refused(client: httpx.Client, last: str) -> None:
    assert client.get("/mcp", headers=begin(client) | {"last-event-id": last}).status_code == 422


def test_stream_without_a_call_is_not_offered(client: httpx.Client) -> None:
    assert client.get("/mcp", headers=begin(client)).status_code == 405
