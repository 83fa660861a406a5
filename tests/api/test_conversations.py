"""Conversations: create, list in pages, read, delete."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of, say, saying

PATH = "/api/conversations"


def test_conversation_is_made_read_and_listed(chat: httpx.Client) -> None:
    given = {"agentId": "demo", "title": "Plans", "metadata": {"ticket": 7}}
    made = chat.post(PATH, json=given)
    assert made.status_code == 201
    body = made.json()
    assert made.headers["location"] == f"{PATH}/{body['id']}"
    assert chat.get(f"{PATH}/{body['id']}").json() == body
    assert chat.get(PATH).json() == {"items": [body], "nextCursor": None}
    assert body["metadata"] == {"ticket": 7}
    assert body["activeRunId"] is None


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"agentId": "nobody"}, 404, "agent_not_found"),
        ({"agentId": "echo", "id": "a#b"}, 422, "invalid_id"),
        ({"agentId": "echo", "metadata": {"x": "y" * 20_000}}, 422, "invalid_request"),
    ],
)
def test_wrong_conversation_is_refused(
    chat: httpx.Client, given: dict[str, object], status: int, code: str
) -> None:
    assert error_of(chat.post(PATH, json=given)) == (status, code)
    assert chat.get(PATH).json()["items"] == []


def test_id_can_be_taken_once(chat: httpx.Client) -> None:
    assert chat.post(PATH, json={"agentId": "echo", "id": "mine"}).status_code == 201
    assert error_of(chat.post(PATH, json={"agentId": "echo", "id": "mine"})) == (409, "conversation_exists")


def test_pages_cover_every_conversation_once_latest_first(chat: httpx.Client) -> None:
    made = [chat.post(PATH, json={"agentId": "echo"}).json()["id"] for _ in range(7)]
    found, cursor = [], ""
    while True:
        page = chat.get(PATH, params={"limit": 3, "cursor": cursor}).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["nextCursor"]
        if not cursor:
            break
    assert sorted(found) == sorted(made)
    assert len(found) == len(made)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=%20", "cursor=W10", "cursor=é"])
def test_wrong_page_is_refused(chat: httpx.Client, query: str) -> None:
    assert chat.get(f"{PATH}?{query}").status_code == 422


def test_messages_come_in_pages_oldest_first(chat: httpx.Client) -> None:
    for text in ("one", "two", "three"):
        say(chat, f"/echo tools=0\n{text}")
    found, cursor = [], ""
    while True:
        page = chat.get(f"{PATH}/c1/messages", params={"limit": 4, "cursor": cursor}).json()
        found += page["items"]
        cursor = page["nextCursor"]
        if not cursor:
            break
    assert [m["content"][0]["text"] for m in found if m["role"] == "assistant"] == ["one", "two", "three"]


def test_message_titles_a_new_conversation_and_the_agent_is_remembered(chat: httpx.Client) -> None:
    say(chat, "\n  What a day \nit was")
    assert chat.get(f"{PATH}/c1").json()["title"] == "What a day"
    again = chat.post(f"{PATH}/c1/messages", json={"content": "/echo tools=0\nno agent named"})
    assert again.json()["content"] == "no agent named"


def test_active_run_is_shown_while_it_runs(chat: httpx.Client) -> None:
    with saying(chat, "/echo toolMs=60000\nslow") as events:
        run_id = next(events).data["runId"]
        assert chat.get(f"{PATH}/c1").json()["activeRunId"] == run_id
        chat.post(f"{PATH}/c1/stop")
        list(events)
    assert chat.get(f"{PATH}/c1").json()["activeRunId"] is None


def test_deleted_conversation_is_gone_and_its_run_ends(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=0 tokens=5000 delayMs=20\nword") as events:
        next(events)
        assert chat.delete(f"{PATH}/c1").status_code == 204
        assert list(events)[-1].data["type"] in ("done", "error")
    assert chat.get(f"{PATH}/c1").status_code == 404
    assert chat.delete(f"{PATH}/c1").status_code == 404
    assert chat.get(PATH).json()["items"] == []
    assert say(chat, "/echo tools=0\nafresh")[-1].data["type"] == "done"
    assert len(chat.get(f"{PATH}/c1/messages").json()["items"]) == 2


def test_first_message_keeps_a_title_that_was_given(chat: httpx.Client) -> None:
    chat.post(PATH, json={"agentId": "echo", "id": "c1", "title": "Plans"})
    say(chat, "What a day")
    assert chat.get(f"{PATH}/c1").json()["title"] == "Plans"


def test_thread_leaves_title_and_active_run_of_its_conversation(chat: httpx.Client) -> None:
    with saying(chat, "/echo toolMs=20000\nslow") as events:
        run_id = next(events).data["runId"]
        say(chat, "in the thread", threadId="t1")
        conversation = chat.get(f"{PATH}/c1").json()
        assert (conversation["title"], conversation["activeRunId"]) == ("/echo toolMs=20000", run_id)
        chat.post(f"{PATH}/c1/stop")
        list(events)
    assert chat.get(f"{PATH}/c1").json()["activeRunId"] is None


def test_conversation_that_is_not_listed_is_in_no_list(chat: httpx.Client) -> None:
    for number in range(5):
        made = {"id": f"trial-{number}", "agentId": "echo", "listed": False, "title": "A trial"}
        assert chat.post(PATH, json=made).json()["listed"] is False
    chat.post(PATH, json={"id": "c1", "agentId": "echo", "title": "A trial"}).raise_for_status()
    for number in range(5):
        say(chat, "/echo tools=0\nhello", f"trial-{number}")
    for query in ({}, {"q": "trial"}, {"limit": "2"}):
        found = chat.get(PATH, params=query).json()
        items = found["items"]
        while found["nextCursor"]:
            found = chat.get(PATH, params=query | {"cursor": found["nextCursor"]}).json()
            items += found["items"]
        assert [one["id"] for one in items] == ["c1"]
    trial = chat.get(f"{PATH}/trial-0").json()
    assert (trial["title"], trial["listed"]) == ("A trial", False)
    chat.delete(f"{PATH}/trial-0", params={"restorable": "true"}).raise_for_status()
    assert chat.post(f"{PATH}/trial-0/restore").json() == trial


def test_conversation_is_renamed_and_keeps_its_place(chat: httpx.Client) -> None:
    for id in ("c1", "c2"):
        chat.post("/api/conversations", json={"id": id, "agentId": "echo"}).raise_for_status()
    before = [one["id"] for one in chat.get("/api/conversations").json()["items"]]
    renamed = chat.patch("/api/conversations/c1", json={"title": "  Taxes  ", "metadata": {"a": 1}})
    assert renamed.status_code == 200
    assert chat.get("/api/conversations/c1").json() == renamed.json()
    assert (renamed.json()["title"], renamed.json()["metadata"]) == ("Taxes", {"a": 1})
    assert chat.patch("/api/conversations/c1", json={}).json() == renamed.json()
    assert [one["id"] for one in chat.get("/api/conversations").json()["items"]] == before
    say(chat, "What is due?", "c1")
    assert chat.get("/api/conversations/c1").json()["title"] == "Taxes"


@pytest.mark.parametrize("change", [{"title": ""}, {"title": " "}, {"title": "x" * 201}, {"name": "x"}])
def test_wrong_name_is_refused(chat: httpx.Client, change: dict[str, Any]) -> None:
    chat.post("/api/conversations", json={"id": "c1", "agentId": "echo"}).raise_for_status()
    assert chat.patch("/api/conversations/c1", json=change).status_code == 422
    assert error_of(chat.patch("/api/conversations/c2", json={"title": "x"}))[0] == 404


def test_conversations_are_found_by_the_words_of_their_titles(chat: httpx.Client) -> None:
    for number in range(12):
        title = f"Straße {number}" if number % 3 else f"Taxes of {number}"
        chat.post("/api/conversations", json={"agentId": "echo", "title": title}).raise_for_status()
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"q": "of TAXES", "limit": "2", "cursor": cursor}
        page = chat.get("/api/conversations", params=params).json()
        assert len(page["items"]) <= 2
        found += [one["title"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert found == ["Taxes of 9", "Taxes of 6", "Taxes of 3", "Taxes of 0"]
    assert len(chat.get("/api/conversations", params={"q": "strasse"}).json()["items"]) == 8
    assert error_of(chat.get("/api/conversations", params={"q": "x" * 201})) == (422, "invalid_query")
