"""Requests with a single response: which are retried, and how errors and responses are parsed."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from millrace.client import (
    APIError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConflictError,
    ConnectionLostError,
    InvalidRequestError,
    NotFoundError,
    NotStreamingError,
    PermissionDeniedError,
    Policy,
    ProtocolError,
    RateLimitError,
    RunActiveError,
    RunWaitingError,
    ServerError,
)
from millrace.client.errors import error_of
from tests.client.faulty import Cut, FaultyServer, Refuse, serving
from tests.client.talking import QUICK

ANSWER: dict[str, Any] = {
    "runId": "run_1",
    "conversationId": "c",
    "messageId": "m",
    "role": "assistant",
    "content": "Hi.",
    "toolCalls": [],
    "usage": None,
    "cost": None,
    "finishReason": "stop",
    "durationMs": None,
}
HEALTH: dict[str, Any] = {
    "pipelineId": "p",
    "status": "healthy",
    "state": "running",
    "reasons": [],
    "since": "",
    "checkedAt": "",
}
Do = Callable[[Any], Any]


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as server:
        server.answer = ANSWER
        yield server


def blocking(server: FaultyServer, do: Do) -> Any:
    with Client(server.url, "token", policy=QUICK) as client:
        return do(client)


def awaited(server: FaultyServer, do: Do) -> Any:
    async def call() -> Any:
        async with AsyncClient(server.url, "token", policy=QUICK) as client:
            return await do(client)

    return asyncio.run(call())


BOTH = pytest.mark.parametrize("by", [blocking, awaited])


def send(client: Any) -> Any:
    return client.conversations.send_message("c", "Hello", agent_id="demo")


@BOTH
@pytest.mark.parametrize(
    "fault",
    [Cut(before_headers=True), Refuse(429, "rate_limited"), Refuse(503), Refuse(504, "run_continues")],
)
def test_message_is_sent_again_under_the_same_key(server: FaultyServer, by: Any, fault: Any) -> None:
    server.faults += [fault, fault]
    answer = by(server, send)
    assert (answer.content, answer.run_id, answer.tool_calls) == ("Hi.", "run_1", [])
    assert len({one.headers["idempotency-key"] for one in server.asked}) == 1
    assert len(server.asked) == 3


@BOTH
def test_run_that_goes_on_is_waited_for_however_often_it_takes(server: FaultyServer, by: Any) -> None:
    server.faults += [Refuse(504, "run_continues", details={"runId": "run_1"})] * 12
    assert by(server, send).content == "Hi."


@BOTH
def test_error_that_ended_the_run_is_not_asked_for_again(server: FaultyServer, by: Any) -> None:
    server.faults += [Refuse(503, "provider_unavailable", details={"runId": "run_1"})]
    with pytest.raises(ServerError) as caught:
        by(server, send)
    assert (caught.value.run_id, len(server.asked)) == ("run_1", 1)


@BOTH
def test_creation_is_not_repeated_when_nobody_knows_its_outcome(server: FaultyServer, by: Any) -> None:
    server.faults += [Cut(before_headers=True)]
    with pytest.raises(ConnectionLostError):
        by(server, lambda client: client.agents.create(id="a", name="A", model="echo:"))
    assert len(server.asked) == 1


@BOTH
def test_creation_that_was_refused_for_now_is_repeated(server: FaultyServer, by: Any) -> None:
    server.faults += [Refuse(503), Refuse(429, "rate_limited")]
    server.answer = {"id": "p", "state": "created", "warnings": []}
    assert by(server, lambda client: client.streaming.create_pipeline(name="P")).id == "p"
    assert [json.loads(one.body) for one in server.asked] == [{"name": "P"}] * 3


@BOTH
def test_five_attempts_are_all(server: FaultyServer, by: Any) -> None:
    server.faults += [Refuse(503)] * 9
    with pytest.raises(ServerError):
        by(server, send)
    assert len(server.asked) == 5


@BOTH
def test_limit_that_no_waiting_lifts_is_raised_at_once(server: FaultyServer, by: Any) -> None:
    server.faults += [Refuse(429, "too_many_waiting")]
    with pytest.raises(RateLimitError):
        by(server, lambda client: client.conversations.inject("c", "hi"))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "token_invalid", AuthenticationError),
        (403, "missing_scope", PermissionDeniedError),
        (404, "run_not_found", NotFoundError),
        (409, "agent_exists", ConflictError),
        (409, "run_active", RunActiveError),
        (409, "run_waiting", RunWaitingError),
        (409, "not_streaming", NotStreamingError),
        (410, "deleted", NotFoundError),
        (422, "invalid_request", InvalidRequestError),
        (500, "internal", ServerError),
        (418, "of_a_later_release", InvalidRequestError),
    ],
)
def test_error_has_a_class_by_its_code(
    server: FaultyServer, status: int, code: str, kind: type[APIError]
) -> None:
    server.faults += [Refuse(status, code, details={"scope": "chat"})]
    with pytest.raises(APIError) as caught:
        blocking(server, lambda client: client.request("POST", "/api/x"))
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.message, error.request_id) == (status, code, "No.", "req-1")
    assert error.details["scope"] == "chat"
    assert str(error) == f"{status} {code}: No. (request req-1)"


@pytest.mark.parametrize(
    "body", [b"<html>Bad gateway</html>", b"", b"[]", b'{"message": "x"}', b'{"error": "x"}']
)
def test_error_of_a_proxy_is_one_as_well(body: bytes) -> None:
    response = httpx.Response(502, content=body, request=httpx.Request("GET", "http://here/x?ticket=secret"))
    error = error_of(response)
    assert (type(error), error.code, error.request_id) == (ServerError, "http_502", None)
    assert "secret" not in error.url + str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("", None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("-1", None)],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    request = httpx.Request("GET", "http://here/")
    response = httpx.Response(503, headers={"retry-after": header}, request=request)
    assert error_of(response).retry_after == seconds


def test_wait_grows_is_jittered_and_respects_the_server() -> None:
    policy = Policy()
    waits = [[policy.wait(n) for _ in range(200)] for n in range(8)]
    for n, found in enumerate(waits):
        most = min(2.0**n, 30.0)
        assert most / 2 <= min(found) <= max(found) <= most
        assert len(set(found)) > 100
    response = httpx.Response(
        503, headers={"retry-after": "20"}, request=httpx.Request("GET", "http://here/")
    )
    assert policy.wait(0, error_of(response)) == 20.0


def test_answer_of_a_later_release_is_read_as_far_as_it_goes(server: FaultyServer) -> None:
    server.answer = {**HEALTH, "status": "convalescent"}
    found = blocking(server, lambda client: client.streaming.get_pipeline_health("p"))
    assert (found.status, found.pipeline_id, found.reasons) == ("convalescent", "p", [])


def test_field_of_a_later_release_is_there_under_its_own_name(server: FaultyServer) -> None:
    server.answer = {**HEALTH, "checkedBy": "sweep"}
    assert blocking(server, lambda client: client.streaming.get_pipeline_health("p")).checkedBy == "sweep"


def test_page_with_one_item_of_a_later_release_keeps_the_others(server: FaultyServer) -> None:
    call = {"callId": "k", "kind": "telepathy", "approvers": {"owner": True}}
    server.answer = {"items": [call], "nextCursor": None}
    [found] = blocking(server, lambda client: list(client.approvals.list()))
    assert (found.call_id, found.kind) == ("k", "telepathy")


def test_answer_that_is_no_json_names_the_address(server: FaultyServer) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="<html>"))
    with (
        Client("http://here", transport=transport) as client,
        pytest.raises(ProtocolError, match="http://here"),
    ):
        client.request("GET", "/api/agents")


@BOTH
def test_list_is_read_page_by_page(by: Any) -> None:
    pages = {
        None: {"items": [{"userId": "a", "access": "read"}], "nextCursor": "2"},
        "2": {"items": [{"userId": "b", "access": "read"}], "nextCursor": None},
    }
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("cursor"))
        return httpx.Response(200, json=pages[asked[-1]])

    if by is blocking:
        with Client("http://here", transport=httpx.MockTransport(answer)) as client:
            assert len(list(client.memories.list(limit=1))) == 2
    else:

        async def read() -> None:
            async with AsyncClient("http://here", transport=httpx.MockTransport(answer)) as client:
                assert len([one async for one in client.memories.list(limit=1)]) == 2

        asyncio.run(read())
    assert asked == [None, "2"]


def test_each_function_may_have_an_address_of_its_own() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, json={})

    functions = {
        "/api/voice": "https://voice/",
        "/api/stream-tickets": "https://voice/",
        "/api": "https://all",
    }
    functions |= {"/api/runs": "https://talk"}
    with Client("https://rest", functions=functions, transport=httpx.MockTransport(answer)) as client:
        for path in ("/api/voice/voices", "/api/runs/r", "/api/stream-tickets", "/api/runsheets", "/apis"):
            client.request("GET", path)
    assert asked == ["voice", "talk", "voice", "all", "rest"]


def test_ids_are_quoted_and_never_empty() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(204)

    with Client("http://here", transport=httpx.MockTransport(answer)) as client:
        client.conversations.delete("a/../b?c")
        with pytest.raises(ValueError, match="empty"):
            client.conversations.delete("")
    assert asked == [b"/api/conversations/a%2F..%2Fb%3Fc"]


def test_import_is_light() -> None:
    """The client brings httpx, and with its first use the models; nothing of the server."""
    heavy = ("boto3", "botocore", "fastapi", "starlette", "mcp", "re2", "aws_lambda_powertools", "jsonschema")
    script = f"""
import sys
import millrace.client
assert "pydantic" not in sys.modules
client = millrace.client.Client("http://here")
for name in {[*"conversations runs approvals agents memories streaming command_center".split()]!r}:
    getattr(client, name)
client.alerts, client.flows, client.tasks, client.voice, client.files, client.tickets
print(*[name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
