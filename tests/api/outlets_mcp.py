"""Everything that MCP tells of a run: the answers of each method that reads or streams one. Its lists of
tools name the agents themselves, as `GET /api/agents` does."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from tests.mcp.talk import BOTH, begin, call, request

Json = dict[str, Any]
MODERN = "2026-07-28"
PREFIX = "io.modelcontextprotocol"


def mcp_answers(
    api: httpx.Client, play: Callable[[], None], play_question: Callable[[], None]
) -> Iterator[tuple[str, str]]:
    """Collect the answers; `play` has the model tell its story, `play_question` ask its user meanwhile."""
    session = begin(api)
    for kind in (_plain, _as_a_task, _without_a_session):
        play()
        yield from kind(api, session)
    play_question()
    yield from _asked_in_the_stream(api)
    play_question()
    yield from _asked_by_a_tool(api, session)
    yield "DELETE /mcp", api.delete("/mcp", headers=session).text


def _plain(api: httpx.Client, session: Json) -> Iterator[tuple[str, str]]:
    sent = call("ask_quiet", "plain", "token", message="How are you?")
    named, text = _post(api, session, sent)
    yield named, text
    yield _post(api, session, sent)  # repeated
    first = _ids(text)[0]
    for _ in range(2):
        rest = api.get("/mcp", headers=session | {"last-event-id": first})
        assert "well" in rest.text, rest.text
        yield "GET /mcp", rest.text
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "plain"}}
    yield _post(api, session, cancel, over=True)


def _as_a_task(api: httpx.Client, session: Json) -> Iterator[tuple[str, str]]:
    sent = call("ask_quiet", "task", "token", message="How are you?")
    sent["params"]["task"] = {}
    named, text = _post(api, session, sent, over=True)
    yield named, text
    task = {"taskId": text.partition('"taskId":"')[2].partition('"')[0]}
    yield _post(api, session, request("tasks/result", task, 2))
    for method in ("tasks/get", "tasks/cancel"):
        yield _post(api, session, request(method, task), over=True)


def _without_a_session(api: httpx.Client, _: Json) -> Iterator[tuple[str, str]]:
    sent = call("ask_quiet", "modern", "token", message="How are you?")
    yield _post(api, *_modern(sent))


def _asked_in_the_stream(api: httpx.Client) -> Iterator[tuple[str, str]]:
    """The stream of a client that can ask its user, before and after the answer."""
    session = begin(api, elicitation={})
    sent = call("ask_asker", "asked", "token", message="Do it.")
    lines: list[str] = []
    with api.stream("POST", "/mcp", json=sent, headers=session) as response:
        for line in response.iter_lines():
            lines.append(line)
            if '"elicitation/create"' in line:
                id = line.rpartition('"id":"')[2].partition('"')[0]
                result = {"action": "accept", "content": {"answer": "Yes."}}
                answer = {"jsonrpc": "2.0", "id": id, "result": result}
                assert api.post("/mcp", json=answer, headers=session).status_code == 202
    text = "\n".join(lines)
    assert "elicitation/create" in text
    assert "well" in text
    yield "POST /mcp elicitation", text


def _asked_by_a_tool(api: httpx.Client, session: Json) -> Iterator[tuple[str, str]]:
    """Ask as a client that cannot ask its user: it is told by the call, and by tools that read and answer."""
    sent = call("ask_asker", "told", "token", message="Do it.")
    named, text = _post(api, session, sent, over=True)
    assert "answer_approval" in text
    yield named, text
    found = re.search(r"runId (\w+), callId ([\w-]+)", text)
    assert found
    run_id, call_id = found.groups()
    yield _post(api, session, call("list_approvals"), over=True)
    given = {"runId": run_id, "callId": call_id, "decision": "answer", "content": "Yes."}
    yield _post(api, session, call("answer_approval", **given), over=True)
    yield _post(api, session, sent)
    yield _post(api, session, call("stop_run", runId=run_id), over=True)
    yield _post(api, session, call("metrics", pipelineId="none"), over=True)


def _modern(message: Json) -> tuple[Json, Json]:
    message["params"].setdefault("_meta", {}).update(
        {f"{PREFIX}/protocolVersion": MODERN, f"{PREFIX}/clientCapabilities": {}}
    )
    headers = {
        "mcp-protocol-version": MODERN,
        "mcp-method": message["method"],
        "mcp-name": message["params"]["name"],
    }
    return BOTH | headers, message


def _post(api: httpx.Client, headers: Json, message: Json, *, over: bool = False) -> tuple[str, str]:
    """The answer to a message, which has the agent's text unless it is `over` for it."""
    found = api.post("/mcp", json=message, headers=headers)
    assert found.status_code < 300, found.text
    assert over or "well" in found.text, (message, found.text)
    return f"POST /mcp {message['method']}", found.text


def _ids(text: str) -> list[str]:
    return [line[4:] for line in text.splitlines() if line.startswith("id: ")]
