"""Agents: create, list, read, change, delete; built-in ones cannot be changed."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of, say
from tests.tokens import Issuer

PATH = "/api/agents"
HELPER = {
    "id": "helper",
    "name": "Helper",
    "model": "echo:",
    "instructions": "Be kind.",
    "tools": ["echo_tool", "calculator"],
    "limits": {"maxIterations": 5},
}


def test_parts_of_agents_are_listed(management: httpx.Client) -> None:
    parts = management.get("/api/agent-parts").json()
    tools = {one["name"]: one for one in parts["tools"]}
    assert {"ask_user", "calculator", "remember"} <= tools.keys()
    assert tools["calculator"]["parameters"]["type"] == "object"
    assert {"bedrock", "anthropic", "openai", "demo"} <= set(parts["providers"])


def test_agents_are_found_by_name_and_id(management: httpx.Client) -> None:
    for id, name in (("helper", "Helper"), ("writer", "A writer of helpful letters")):
        assert management.post(PATH, json={"id": id, "name": name, "model": "echo:"}).status_code == 201

    def found(query: str) -> list[str]:
        return [agent["id"] for agent in management.get(PATH, params={"q": query}).json()["items"]]

    assert found("help") == ["helper", "writer"]
    assert found("LETTERS help") == ["writer"]
    assert found("ech") == ["echo"]
    assert found("nobody") == []


def test_two_built_in_agents_are_there_from_the_start(management: httpx.Client) -> None:
    items = management.get(PATH).json()["items"]
    assert [(agent["id"], agent["builtin"]) for agent in items] == [("demo", True), ("echo", True)]


def test_agent_is_made_changed_and_deleted(management: httpx.Client) -> None:
    made = management.post(PATH, json=HELPER)
    assert made.status_code == 201
    assert made.headers["location"] == f"{PATH}/helper"
    body = made.json()
    assert body["limits"]["maxIterations"] == 5
    assert body["limits"]["maxSeconds"] == 600
    assert management.get(f"{PATH}/helper").json() == body
    changed = management.patch(f"{PATH}/helper", json={"limits": {"maxTokens": 99}, "name": "New"}).json()
    assert changed["limits"] == body["limits"] | {"maxTokens": 99}
    assert changed["name"] == "New"
    assert changed["instructions"] == "Be kind."
    assert changed["updatedAt"] != body["updatedAt"]
    assert management.delete(f"{PATH}/helper").status_code == 204
    assert error_of(management.get(f"{PATH}/helper")) == (404, "agent_not_found")
    assert error_of(management.delete(f"{PATH}/helper")) == (404, "agent_not_found")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "name"),
        ({"model": "gpt-5"}, "model"),
        ({"limits": {"maxIterations": 0}}, "limits.maxIterations"),
        ({"limits": {"maxSeconds": 100_000}}, "limits.maxSeconds"),
        ({"visibility": "everything"}, "visibility"),
        ({"mcpServers": [{"name": "a b", "url": "https://x.test"}]}, "mcpServers.0.name"),
        ({"thinkingTokens": 1023}, "thinkingTokens"),
        ({"contextTokens": 999}, "contextTokens"),
        ({"compactionModel": "cheap"}, "compactionModel"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_wrong_field_is_named(management: httpx.Client, change: dict[str, Any], path: str) -> None:
    made = management.post(PATH, json=HELPER | change)
    assert error_of(made) == (422, "invalid_request")
    assert path in [field["path"] for field in made.json()["error"]["fields"]]
    assert management.post(PATH, json=HELPER).status_code == 201
    changed = management.patch(f"{PATH}/helper", json=change)
    assert error_of(changed) == (422, "invalid_request")
    assert path in [field["path"] for field in changed.json()["error"]["fields"]]
    assert management.get(f"{PATH}/helper").json()["name"] == "Helper"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"tools": ["rocket"]}, 422, "unknown_tool"),
        ({"tools": ["agent:"]}, 422, "unknown_tool"),
        ({"tools": ["agent:a b"]}, 422, "unknown_tool"),
        ({"model": "openai:"}, 422, "invalid_request"),
        ({"thinkingTokens": 2048}, 422, "cannot_think"),
        ({"model": "", "thinkingTokens": 2048}, 422, "cannot_think"),
        ({"model": "anthropic:claude-sonnet-4-5", "thinkingTokens": 8192}, 422, "thinking_too_long"),
        ({"id": "a b"}, 422, "invalid_id"),
        ({"id": "echo"}, 409, "agent_exists"),
    ],
)
def test_impossible_values_are_refused(
    management: httpx.Client, change: dict[str, Any], status: int, code: str
) -> None:
    assert error_of(management.post(PATH, json=HELPER | change)) == (status, code)


def test_id_can_be_taken_once_in_an_organization(management: httpx.Client, issuer: Issuer) -> None:
    assert management.post(PATH, json=HELPER).status_code == 201
    assert error_of(management.post(PATH, json=HELPER)) == (409, "agent_exists")
    other = issuer.headers(f"other-{management.headers['authorization'][-8:]}")
    assert error_of(management.get(f"{PATH}/helper", headers=other)) == (404, "agent_not_found")
    assert management.post(PATH, json=HELPER, headers=other).status_code == 201


def test_built_in_agents_can_be_neither_changed_nor_deleted(management: httpx.Client) -> None:
    assert error_of(management.patch(f"{PATH}/echo", json={"name": "x"})) == (409, "agent_builtin")
    assert error_of(management.delete(f"{PATH}/demo")) == (409, "agent_builtin")


def test_pages_cover_every_agent_once(management: httpx.Client) -> None:
    for number in range(5):
        management.post(PATH, json=HELPER | {"id": f"a{number}"})
    found, cursor = [], ""
    while True:
        page = management.get(PATH, params={"limit": 2, "cursor": cursor}).json()
        found += [agent["id"] for agent in page["items"]]
        cursor = page["nextCursor"]
        if not cursor:
            break
    assert found == ["demo", "echo", "a0", "a1", "a2", "a3", "a4"]


def test_headers_of_mcp_servers_are_written_and_never_read(management: httpx.Client) -> None:
    server = {"name": "docs", "url": "https://mcp.example.com", "headers": {"Authorization": "Bearer s3cret"}}
    made = management.post(PATH, json=HELPER | {"mcpServers": [server]})
    assert made.status_code == 201
    for text in (made.text, management.get(f"{PATH}/helper").text, management.get(PATH).text):
        assert "s3cret" not in text
        assert "Authorization" in text
    shown = made.json()["mcpServers"]
    kept = management.patch(f"{PATH}/helper", json={"mcpServers": shown, "name": "New"})
    assert kept.status_code == 200
    assert "s3cret" not in kept.text


def test_deleted_agents_conversation_says_what_to_do(chat: httpx.Client, management: httpx.Client) -> None:
    assert management.post(PATH, json=HELPER).status_code == 201
    assert say(chat, "/echo tools=0\nhi", agentId="helper")[-1].data["type"] == "done"
    assert management.delete(f"{PATH}/helper").status_code == 204
    refused = chat.post("/api/conversations/c1/messages", json={"content": "again"})
    assert error_of(refused) == (404, "agent_not_found")
    assert say(chat, "/echo tools=0\nhi", agentId="echo")[-1].data["type"] == "done"


def test_customer_sees_that_an_agent_is_there_but_not_what_it_is_made_of(
    management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    given = {"id": "a", "name": "A", "model": "echo:", "instructions": "Be secret.", "tools": ["calculator"]}
    assert management.post(PATH, json=given).status_code == 201
    ann = issuer.user(organization, "ann", "customer")
    listed = {one["id"]: one for one in management.get(PATH, headers=ann).json()["items"]}
    assert listed["a"] == management.get(f"{PATH}/a", headers=ann).json()
    assert set(listed["a"]) == {"id", "name", "description", "model", "visibility", "starters", "builtin"}
    member = issuer.user(organization, "ann", "member")
    assert management.get(f"{PATH}/a", headers=member).json()["instructions"] == "Be secret."


@pytest.mark.parametrize("scope", ["two words", "-x", "x" * 101])
def test_server_with_an_impossible_scope_is_refused(management: httpx.Client, scope: str) -> None:
    server = {"name": "shop", "url": "https://mcp.example.com/", "scope": scope}
    answer = management.post(PATH, json={"name": "A", "mcpServers": [server]})
    assert error_of(answer) == (422, "invalid_request")
