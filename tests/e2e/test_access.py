"""Access: every operation of the API, without a token and with another organization's ids.

The operations come from the OpenAPI document, so one that is added is tested here without a word.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.talk import error_of, say
from tests.stack import RunningStack

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
OPERATIONS = [
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if operation["security"]
]
"""Those that are not declared public."""
OWNED = [(method, path) for method, path in OPERATIONS if "{" in path and "{template_id}" not in path]
"""Those about a thing of somebody's; templates are everybody's."""


def named(operation: tuple[str, str]) -> str:
    return " ".join(operation)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_operation_without_a_token_does_nothing(stack: RunningStack, operation: tuple[str, str]) -> None:
    method, path = operation
    answer = httpx.request(method, stack.url + path, json=None if method == "GET" else {})
    assert answer.status_code == 401
    assert error_of(answer)[1] in ("token_missing", "ticket_invalid")


@pytest.fixture
def other(stack: RunningStack, organization: str) -> Iterator[httpx.Client]:
    """A user of another organization."""
    headers = stack.headers(f"{organization}-other")
    with httpx.Client(base_url=stack.url, headers=headers, timeout=30) as client:
        yield client


def test_another_organizations_ids_lead_nowhere(
    chat: httpx.Client, other: httpx.Client, organization: str
) -> None:
    """Each answers that it is not there, or that the body is wrong before it looks; and changes nothing. A
    subscription waits, as for any conversation that is not there yet."""
    ids = things_of(chat, organization)
    before = seen(chat, ids)
    found = {}
    for method, path in OWNED:
        body: dict[str, Any] | None = None if method == "GET" else {}
        with other.stream(method, path.format(**ids), json=body) as answer:
            found[method, path] = answer.status_code
            if (method, path) in WAITS:
                first = next(answer.iter_text())
                assert not [one for one in ids.values() if len(one) > 1 and one in first]
    assert {operation for operation, status in found.items() if status == 200} == WAITS
    assert {operation for operation, status in found.items() if status == 401} == ONLY_BY_TICKET
    assert {operation for operation, status in found.items() if status == 422} <= NEED_A_BODY
    assert {operation for operation, status in found.items() if status == 202} == OWN_WISHES
    assert set(found.values()) == {200, 202, 401, 404, 422}, found
    assert seen(chat, ids) == before
    assert len(before) > 10


WAITS = {("GET", "/api/conversations/{conversation_id}/stream")}
ONLY_BY_TICKET = {("GET", "/api/voice/conversations/{run_id}/stream")}
OWN_WISHES = {("POST", "/api/voice/streams/{stream_id}/stop")}
"""A wish is stored under its caller, and reaches no speech of another."""
NEED_A_BODY = {
    ("POST", "/api/conversations/{conversation_id}/messages"),
    ("POST", "/api/conversations/{conversation_id}/inject"),
    ("POST", "/api/conversations/{conversation_id}/shares"),
    ("DELETE", "/api/conversations/{conversation_id}/shares"),
    ("PUT", "/api/conversations/{conversation_id}/branch"),
    ("POST", "/api/runs/{run_id}/answers"),
    ("POST", "/api/streaming/pipelines/{pipeline_id}/replay"),
    ("PATCH", "/api/agents/{agent_id}"),
    ("PATCH", "/api/command-center/alerts/{rule_id}"),
    ("PUT", "/api/agents/{agent_id}"),
    ("PUT", "/api/command-center/alerts/{rule_id}"),
    ("PUT", "/api/flows/{name}"),
    ("PUT", "/api/streaming/pipelines/{pipeline_id}"),
    ("PUT", "/api/streaming/secrets/{name}"),
    ("GET", "/agui/{agent_id}"),  # a query that names the run
    ("POST", "/agui/{agent_id}"),
}
"""Operations that read their body first, or make something new under a name of the caller's own."""


def test_lists_show_nothing_of_another_organization(
    chat: httpx.Client, other: httpx.Client, organization: str
) -> None:
    ids = set(things_of(chat, organization).values()) - {"0", "1"}
    for method, path in OPERATIONS:
        if method == "GET" and "{" not in path and not path.endswith("/stream"):
            text = other.get(path).text
            assert not [id for id in ids if id in text], path


def seen(chat: httpx.Client, ids: dict[str, str]) -> dict[str, Any]:
    """All that can be read of one's own things and does not change by itself."""
    # Links are signed anew, and the calls of models are recorded a moment after they were made.
    moving = ("/stream", "/health", "/metrics", "/series", "/{file_id}", "/parts", "/model-calls")
    paths = [path.format(**ids) for method, path in OWNED if method == "GET" and not path.endswith(moving)]
    found = {path: chat.get(path) for path in [*paths, "/api/streaming/secrets"]}
    shown = {path: answer.json() for path, answer in found.items() if answer.status_code == 200}
    export = f"/api/exports/{ids['export_id']}"
    shown[export] = found[export].is_success  # it goes on by itself until everything is exported
    return shown


def things_of(chat: httpx.Client, unique: str) -> dict[str, str]:
    """One of everything that has an id, by the name of its path parameter."""
    (start, *_) = say(chat, "hello", conversation=f"c-{unique}")

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = chat.post(path, json=body)
        assert answer.status_code < 300, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    agent = made("/api/agents", {"id": f"a-{unique}", "name": "Mine", "model": "echo:"})
    hook = {"type": "webhook", "config": {"url": "https://api.example.com/"}}
    source = {"type": "agent_execution"}
    pipeline = made(
        "/api/streaming/pipelines", {"name": unique, "source": source, "destination": hook, "transforms": []}
    )
    checkpoint = made(f"/api/streaming/pipelines/{pipeline['id']}/checkpoints", {})
    rule = made("/api/command-center/alerts", {"name": "Mine", "metric": "cost", "threshold": 1})
    steps = [{"name": "ask", "type": "wait_for_input"}]
    made("/api/flows", {"name": f"f-{unique}", "steps": steps})
    waiting = made(f"/api/flows/f-{unique}/events", {})
    kept = chat.put(
        f"/api/streaming/secrets/f-{unique}", json={"value": "a long secret", "hosts": ["api.example.com"]}
    )
    assert kept.status_code == 200, kept.text
    key = made("/api/keys", {"name": "Mine", "scopes": ["chat"]})
    file = made("/api/files", {"name": "a.txt", "mediaType": "text/plain", "size": 5})
    return {
        "agent_id": agent["id"],
        "conversation_id": f"c-{unique}",
        "run_id": start.data["runId"],
        "message_id": start.data["messageId"],
        "pipeline_id": pipeline["id"],
        "checkpoint_id": checkpoint["id"],
        "rule_id": rule["id"],
        "name": f"f-{unique}",
        "execution_id": waiting["executionId"],
        "version": "1",
        "dead_letter_id": "letter_1",
        "redrive_id": "redrive_1",
        "memory_id": "memory_1",
        "file_id": file["fileId"],
        "key_id": key["id"],
        "export_id": made("/api/exports", {"userId": f"u-{unique}"})["id"],
        "model": f"agent:a-{unique}",
        "response_id": start.data["runId"],
        "chat_id": f"c-{unique}",
        "task_id": start.data["runId"],
        "stream_id": "spk_1",
        "number": "0",
    }
