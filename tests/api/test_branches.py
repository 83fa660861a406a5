"""Editing, regenerating and selecting branches over HTTP."""

from typing import Any

import httpx
import pytest

from millrace.domain.ids import new_id
from tests.api.talk import STREAM, error_of, say, saying
from tests.sse import read_events
from tests.tokens import Issuer

MESSAGES = "/api/conversations/c1/messages"
REGENERATE = "/api/conversations/c1/regenerate"
BRANCH = "/api/conversations/c1/branch"


def history(chat: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    """The messages of texts, read two at a time."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = chat.get(MESSAGES, params={"limit": 2} | params | cursor).json()
        found += page["items"]
        if not page["nextCursor"]:
            return [one for one in found if any(text_in(one)) or params.get("detail")]
        cursor = {"cursor": page["nextCursor"]}


def text_in(message: dict[str, Any]) -> list[str]:
    return [block["text"] for block in message["content"] if "text" in block]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return ["".join(text_in(one)) for one in messages]


def test_edited_question_replaces_what_followed_and_keeps_it(chat: httpx.Client) -> None:
    for text in ("one", "two", "three"):
        say(chat, text)
    old = history(chat)
    say(chat, "zwei", parentId=old[2]["parentId"])
    new = history(chat)
    assert texts(new) == ["one", "one", "zwei", "zwei"]
    assert new[2]["parentId"] == old[1]["id"]
    assert new[2]["siblings"] == [old[2]["id"], new[2]["id"]]
    assert texts(history(chat, branch=old[2]["id"])) == texts(old)
    say(chat, "uno", parentId=None)
    assert texts(history(chat)) == ["uno", "uno"]


def test_another_answer_is_streamed_and_kept_beside_the_first(chat: httpx.Client) -> None:
    say(chat, "one")
    say(chat, "two")
    old = history(chat)
    with chat.stream("POST", REGENERATE, json={"messageId": old[1]["id"]}, headers=STREAM) as response:
        events = list(read_events(response.iter_lines()))
    assert [events[0].data["type"], events[-1].data["type"]] == ["start", "done"]
    new = history(chat)
    assert texts(new) == ["one", "one"]
    assert new[1]["id"] == events[-1].data["messageId"]
    whole = chat.post(REGENERATE)
    assert whole.json()["content"] == "one"
    assert len(history(chat, detail="answer")[1]["siblings"]) == 3


def test_same_key_asks_again_only_once(chat: httpx.Client) -> None:
    say(chat, "one")
    runs = [chat.post(REGENERATE, headers={"idempotency-key": "again"}).headers["x-run-id"] for _ in range(2)]
    assert runs[0] == runs[1]
    reused = {"messageId": history(chat)[0]["id"]}
    found = chat.post(REGENERATE, json=reused, headers={"idempotency-key": "again"})
    assert error_of(found) == (422, "idempotency_key_reused")


def test_chosen_branch_is_the_one_that_messages_go_on(chat: httpx.Client) -> None:
    say(chat, "one")
    say(chat, "two")
    old = history(chat)
    say(chat, "zwei", parentId=old[1]["id"])
    chosen = chat.put(BRANCH, json={"messageId": old[2]["id"]})
    assert (chosen.status_code, chosen.json()) == (200, {"messageId": old[3]["id"]})
    say(chat, "three")
    assert texts(history(chat)) == ["one", "one", "two", "two", "three", "three"]


@pytest.mark.parametrize("detail", ["answer", "steps", "full"])
def test_alternatives_are_told_at_every_detail(chat: httpx.Client, detail: str) -> None:
    """The first message of an answer may be a call, which is hidden."""
    say(chat, "one")
    chat.post(REGENERATE)
    new = history(chat, detail=detail)
    alternatives = [one for one in new if "siblings" in one]
    assert [one["role"] for one in alternatives] == ["assistant"]
    assert alternatives[0]["siblings"][-1] == history(chat, detail="full")[1]["id"]


def test_places_that_are_none_are_refused(chat: httpx.Client) -> None:
    say(chat, "one")
    call = history(chat, detail="full")[1]["id"]
    for parent, expected in (("msg_1", (404, "message_not_found")), (call, (422, "invalid_parent"))):
        found = chat.post(MESSAGES, json={"content": "hi", "parentId": parent})
        assert error_of(found) == expected
    assert error_of(chat.post(REGENERATE, json={"messageId": "msg_1"})) == (404, "message_not_found")
    assert error_of(chat.put(BRANCH, json={"messageId": "msg_1"})) == (404, "message_not_found")
    assert error_of(chat.get(MESSAGES, params={"branch": "msg_1"})) == (404, "message_not_found")
    unknown = chat.post("/api/conversations/c2/regenerate", json={"agentId": "echo"})
    assert error_of(unknown) == (404, "conversation_not_found")
    chat.post("/api/conversations", json={"id": "c2", "agentId": "echo"}).raise_for_status()
    empty = chat.post("/api/conversations/c2/regenerate")
    assert error_of(empty) == (409, "nothing_to_regenerate")
    assert len(history(chat)) == 2


def test_place_that_is_none_stops_no_answer(chat: httpx.Client) -> None:
    with saying(chat, "/echo hang=1\none") as events:
        next(events)
        wrong = {"content": "hi", "parentId": "msg_1", "ifBusy": "interrupt"}
        assert error_of(chat.post(MESSAGES, json=wrong)) == (404, "message_not_found")
        live = {"content": "hi", "parentId": None, "ifBusy": "inject"}
        assert error_of(chat.post(MESSAGES, json=live)) == (422, "not_for_live_messages")
        assert error_of(chat.post(REGENERATE)) == (409, "run_active")
        assert error_of(chat.put(BRANCH, json={"messageId": "msg_1"})) == (409, "run_active")
        chat.post("/api/conversations/c1/stop").raise_for_status()
        assert list(events)[-1].data["finishReason"] == "stopped"


def test_branches_of_others_are_not_there(chat: httpx.Client, issuer: Issuer, organization: str) -> None:
    say(chat, "one")
    message = {"messageId": history(chat)[0]["id"]}
    for headers in (issuer.headers(new_id("org")), issuer.user(organization, "stranger", "customer")):
        for method, path, agent in (("POST", REGENERATE, {"agentId": "echo"}), ("PUT", BRANCH, {})):
            found = chat.request(method, path, json=message | agent, headers=headers)
            assert error_of(found) == (404, "conversation_not_found")
