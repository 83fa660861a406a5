"""Limits are in stored bytes: anything within them works, anything beyond is refused before it takes
effect."""

import json

import httpx

from millrace.domain.agents import AGENT_BYTES
from millrace.domain.conversations import MESSAGE_BYTES
from tests.api.talk import error_of, say
from tests.sse import answer

CJK = "中" * 140_000


def test_message_of_140_000_cjk_characters_is_answered_and_read_back(chat: httpx.Client) -> None:
    events = say(chat, f"/echo tools=1\n{CJK}")
    assert events[-1].data["type"] == "done"
    assert answer(events) == CJK
    history = chat.get("/api/conversations/c1/messages").json()["items"]
    assert history[0]["content"][0]["text"] == f"/echo tools=1\n{CJK}"
    assert history[-1]["content"][-1]["text"] == CJK
    assert say(chat, "and now?")[-1].data["type"] == "done"


def test_message_up_to_the_limit_is_taken_with_every_character_escaped(chat: httpx.Client) -> None:
    """As Python's own `json.dumps` writes it: six bytes for each of these."""
    content = "中" * (MESSAGE_BYTES // 3)
    body = json.dumps({"agentId": "echo", "content": content}).encode()
    sent = chat.post(
        "/api/conversations/c1/messages", content=body, headers={"content-type": "application/json"}
    )
    assert sent.status_code == 200
    history = chat.get("/api/conversations/c1/messages").json()["items"]
    assert history[0]["content"][0]["text"] == content


def test_history_of_large_messages_comes_in_pages_of_4_mb(chat: httpx.Client) -> None:
    for _ in range(6):
        say(chat, f"/echo tools=0 think=0\n{CJK}")
    found: list[object] = []
    sizes: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        response = chat.get("/api/conversations/c1/messages", params={"cursor": cursor})
        sizes.append(len(response.content))
        found += response.json()["items"]
        cursor = response.json()["nextCursor"]
    assert len(found) == 12
    assert len(sizes) > 1
    assert max(sizes) < 5_000_000


def test_message_beyond_the_limit_is_refused_before_anything_is_stored(chat: httpx.Client) -> None:
    body = {"agentId": "echo", "content": "é" * (MESSAGE_BYTES // 2 + 1)}
    response = chat.post("/api/conversations/c1/messages", json=body)
    assert error_of(response) == (413, "message_too_large")
    assert response.json()["error"]["limit"] == MESSAGE_BYTES
    assert chat.get("/api/conversations/c1").status_code == 404


def test_agent_beyond_the_limit_is_refused(management: httpx.Client) -> None:
    body = {"id": "a1", "name": "A", "instructions": "中" * 99_999}
    response = management.post("/api/agents", json=body)
    assert error_of(response) == (413, "agent_too_large")
    assert response.json()["error"]["limit"] == AGENT_BYTES
    assert management.get("/api/agents/a1").status_code == 404


def test_header_of_an_mcp_server_is_bounded(management: httpx.Client) -> None:
    server = {"name": "s", "url": "https://mcp.example.com", "headers": {"x-key": "k" * 8_001}}
    response = management.post("/api/agents", json={"name": "A", "mcpServers": [server]})
    assert error_of(response) == (422, "invalid_request")
