"""Limits of requests, active runs and stored resources, over HTTP."""

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.api.conversation_app import create_app as conversation_app
from millrace.api.management_app import create_app as management_app
from millrace.services.runs.platform import Platform
from millrace.stores import limits
from tests.api.talk import error_of, say, saying
from tests.serving import served
from tests.tokens import Issuer

HANGING = "/echo tools=0 think=0 hang=1\nword"
AGENT = {"name": "Helper", "instructions": "Help."}


@pytest.fixture
def remembering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that learn of the limits with each message, and those that know them."""
    monkeypatch.setattr(limits, "CACHE_SECONDS", request.param)


learning_or_not = pytest.mark.parametrize("remembering", [0.0, 5.0], indirect=True)


def limit(management: httpx.Client, level: str, **given: int | None) -> None:
    assert management.patch("/api/limits", json={level: given}).status_code == 200


def post(chat: httpx.Client, conversation: str, **more: Any) -> httpx.Response:
    body = {"agentId": "echo", "content": "/echo tools=0 think=0\nhello"} | more
    return chat.post(f"/api/conversations/{conversation}/messages", json=body)


def check_refused(response: httpx.Response, level: str, name: str, most: int, used: int) -> None:
    assert error_of(response) == (429, "limit_reached"), response.text
    error = response.json()["error"]
    assert (error["level"], error["limit"], error["limitValue"], error["used"]) == (level, name, most, used)
    assert int(response.headers["retry-after"]) > 0


@learning_or_not
@pytest.mark.parametrize("level", ["organization", "user", "agent"])
def test_request_beyond_those_of_a_minute_is_refused_and_nothing_stored(
    chat: httpx.Client, management: httpx.Client, level: str, remembering: None
) -> None:
    limit(management, level, requestsPerMinute=2)
    assert [post(chat, f"c{number}").status_code for number in range(2)] == [200, 200]
    check_refused(post(chat, "c3"), level, "requestsPerMinute", 2, 2)
    assert chat.get("/api/conversations/c3").status_code == 404


def test_other_user_has_requests_of_the_own(
    chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    limit(management, "user", requestsPerMinute=1)
    assert [post(chat, f"c{number}").status_code for number in range(2)] == [200, 429]
    chat.headers.update(issuer.user(organization, "someone", "customer"))
    assert post(chat, "c9").status_code == 200


@learning_or_not
@pytest.mark.parametrize("level", ["organization", "user", "agent"])
def test_run_is_refused_while_as_many_are_under_way_as_may_be(
    chat: httpx.Client, management: httpx.Client, level: str, remembering: None
) -> None:
    limit(management, level, concurrentRuns=1)
    with saying(chat, HANGING) as events:
        assert next(events).data["type"] == "start"
        check_refused(post(chat, "c2"), level, "concurrentRuns", 1, 1)
        shown = {row["level"]: row for row in usage(management)["items"]}
        assert shown[level]["runs"] == 1
        assert error_of(post(chat, "c1")) == (409, "run_active")
        assert post(chat, "c1", ifBusy="interrupt").status_code == 200
    assert post(chat, "c2").status_code == 200


def usage(management: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = management.get("/api/usage", params={"agentId": "echo"}).json()
    return found


def test_repeat_of_an_accepted_message_is_answered_at_the_limit(
    chat: httpx.Client, management: httpx.Client
) -> None:
    limit(management, "user", requestsPerMinute=1)
    key = {"idempotency-key": "k1"}
    body = {"agentId": "echo", "content": "/echo tools=0 think=0\nhello"}
    first = chat.post("/api/conversations/c1/messages", json=body, headers=key)
    again = chat.post("/api/conversations/c1/messages", json=body, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["runId"] == again.json()["runId"]


@pytest.mark.parametrize("level", ["organization", "user"])
def test_conversation_beyond_the_limit_is_refused_until_one_is_deleted(
    chat: httpx.Client, management: httpx.Client, level: str
) -> None:
    say(chat, "hello", conversation="c1")  # from before there was a limit
    limit(management, level, conversations=2)
    assert post(chat, "c2").status_code == 200
    check_refused(post(chat, "c3"), level, "conversations", 2, 2)
    created = chat.post("/api/conversations", json={"id": "c3", "agentId": "echo"})
    check_refused(created, level, "conversations", 2, 2)
    assert post(chat, "c1").status_code == 200
    assert chat.delete("/api/conversations/c1").status_code == 204
    assert chat.post("/api/conversations", json={"id": "c3", "agentId": "echo"}).status_code == 201
    assert error_of(post(chat, "c4")) == (429, "limit_reached")


@learning_or_not
def test_conversations_at_once_do_not_pass_the_limit(
    chat: httpx.Client, management: httpx.Client, remembering: None
) -> None:
    limit(management, "user", conversations=3)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: post(chat, f"c{n}").status_code, range(8)))
    assert sorted(made) == [200] * 3 + [429] * 5
    assert len(chat.get("/api/conversations").json()["items"]) == 3


def test_limit_that_was_lifted_and_set_again_counts_what_there_is(
    chat: httpx.Client, management: httpx.Client
) -> None:
    limit(management, "user", conversations=1)
    assert post(chat, "c1").status_code == 200
    limit(management, "user", conversations=None)
    assert post(chat, "c2").status_code == 200
    limit(management, "user", conversations=2)
    check_refused(post(chat, "c3"), "user", "conversations", 2, 2)


def test_agent_beyond_the_limit_is_refused_until_one_is_deleted(management: httpx.Client) -> None:
    limit(management, "organization", agents=2)

    def create(number: int) -> httpx.Response:
        return management.post("/api/agents", json=AGENT | {"id": f"a{number}"})

    with ThreadPoolExecutor(5) as pool:
        made = list(pool.map(create, range(5)))
    assert sorted(one.status_code for one in made) == [201, 201, 429, 429, 429]
    refused = next(one for one in made if one.status_code == 429)
    check_refused(refused, "organization", "agents", 2, 2)
    check_refused(management.put("/api/agents/new", json=AGENT), "organization", "agents", 2, 2)
    mine = next(one.json()["id"] for one in made if one.status_code == 201)
    assert management.put(f"/api/agents/{mine}", json=AGENT).status_code == 200
    assert management.delete(f"/api/agents/{mine}").status_code == 204
    assert create(7).status_code == 201


def test_file_beyond_the_storage_is_refused(chat: httpx.Client, management: httpx.Client) -> None:
    limit(management, "organization", storageBytes=1000)
    body = {"name": "a.txt", "mediaType": "text/plain", "size": 700}
    assert chat.post("/api/files", json=body).status_code == 201
    check_refused(chat.post("/api/files", json=body), "organization", "storageBytes", 1000, 700)
    data = base64.b64encode(b"x" * 400).decode()
    content = [{"type": "file", "data": data, "mediaType": "text/plain", "name": "b.txt"}]
    check_refused(post(chat, "c1", content=content), "organization", "storageBytes", 1000, 700)


def test_file_beyond_a_users_storage_is_refused_and_others_have_theirs(
    chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str, platform: Platform
) -> None:
    body = {"name": "a.txt", "mediaType": "text/plain", "size": 100}
    first = chat.post("/api/files", json=body).json()["fileId"]
    # As a release left it that did not count users' files.
    asyncio.run(platform.stores.files.forget_user(organization, "user-1"))
    limit(management, "user", storageBytes=500)

    def upload(number: int) -> httpx.Response:
        return chat.post("/api/files", json=body)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(upload, range(8)))
    assert sorted(one.status_code for one in made) == [201] * 4 + [429] * 4
    refused = next(one for one in made if one.status_code == 429)
    check_refused(refused, "user", "storageBytes", 500, 500)
    other = issuer.user(organization, "other", "customer")
    assert chat.post("/api/files", json=body, headers=other).status_code == 201
    assert chat.delete(f"/api/files/{first}").status_code == 204
    assert upload(0).status_code == 201
    check_refused(upload(0), "user", "storageBytes", 500, 500)


@pytest.fixture
def deployed(platform: Platform, issuer: Issuer, organization: str) -> Iterator[list[httpx.Client]]:
    """Both apps of a deployment that gives every organization limits."""
    given = "user.requestsPerMinute=1 organization.agents=1"
    settings = replace(platform.settings, default_limits=given)
    own = Platform.make(settings)
    with served(conversation_app(settings, own)) as chat, served(management_app(settings, own)) as management:
        headers = issuer.headers(organization)
        with httpx.Client(base_url=chat, headers=headers, timeout=30) as first:
            with httpx.Client(base_url=management, headers=headers, timeout=30) as second:
                yield [first, second]


def test_defaults_hold_where_an_organization_sets_nothing(deployed: list[httpx.Client]) -> None:
    chat, management = deployed
    shown = management.get("/api/limits").json()
    assert (shown["user"]["requestsPerMinute"], shown["organization"]["agents"]) == (1, 1)
    assert [post(chat, f"c{number}").status_code for number in range(2)] == [200, 429]
    limit(management, "user", requestsPerMinute=2)
    assert management.get("/api/limits").json()["organization"]["agents"] == 1
    limit(management, "user", requestsPerMinute=None)
    assert management.get("/api/limits").json()["user"]["requestsPerMinute"] == 1
