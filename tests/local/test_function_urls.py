"""Function URLs of the running stack, as a client sees them."""

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import psutil
import pytest

from tests.effort import effort, soak
from tests.stack import RunningStack

STREAMS = effort(10, 30)
MB = 1024 * 1024


@pytest.fixture
def client(small_stack: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=small_stack.url, timeout=30) as client:
        yield client


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe: the function waits at it for the test."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def logged(client: httpx.Client, text: str, request_id: str = "") -> list[dict[str, str]]:
    """The lines of the log with this text (of that request). What a process has written arrives on its own
    way, perhaps after the answer: waits for it, half a minute at most."""
    pause = threading.Event()
    for _ in range(300):
        lines = [json.loads(line) for line in client.get("/_local/logs").text.splitlines()]
        found = [line for line in lines if text in line["text"] and request_id in line["request_id"]]
        if found:
            return found
        pause.wait(0.1)
    raise AssertionError(f"{text!r} is not logged: {lines}")


class Steps:
    """Makes the function send, one line at a time."""

    def __init__(self, pipe: Path) -> None:
        self._pipe: IO[str] = pipe.open("w")

    def send(self, word: str) -> None:
        self._pipe.write(word + "\n")
        self._pipe.flush()

    def end(self) -> None:
        self._pipe.close()


def test_each_chunk_reaches_the_client_before_the_function_makes_the_next(
    client: httpx.Client, pipe: Path
) -> None:
    with client.stream("GET", "/patient/steps", params={"pipe": str(pipe)}) as response:
        chunks = response.iter_text()
        assert next(chunks).strip().isdigit()
        steps = Steps(pipe)
        for word in ("one", "two", "three"):
            steps.send(word)
            assert next(chunks) == f"{word}\n"
        steps.end()
        assert list(chunks) == []


async def _send_and_collect(steps: Steps, chunks: AsyncIterator[str], name: str) -> str:
    for number in range(20):
        steps.send(f"{name}-{number}")
    steps.end()
    return "".join([chunk async for chunk in chunks])


@soak
async def test_streams_at_once_are_whole_in_order_and_each_in_its_own_process(
    small_stack: RunningStack, tmp_path: Path
) -> None:
    pipes = [tmp_path / f"pipe{number}" for number in range(STREAMS)]
    for path in pipes:
        os.mkfifo(path)
    limits = httpx.Limits(max_connections=STREAMS)
    async with httpx.AsyncClient(base_url=small_stack.url, timeout=60, limits=limits) as client:
        lease = [client.stream("GET", "/patient/steps", params={"pipe": str(path)}) for path in pipes]
        responses = await asyncio.gather(*(one.__aenter__() for one in lease))
        bodies = [response.aiter_text() for response in responses]
        pids = await asyncio.gather(*(anext(body) for body in bodies))
        steps = [await asyncio.to_thread(Steps, path) for path in pipes]
        texts = await asyncio.gather(
            *(
                _send_and_collect(one, body, str(n))
                for n, (one, body) in enumerate(zip(steps, bodies, strict=True))
            )
        )
        await asyncio.gather(*(one.__aexit__(None, None, None) for one in lease))
    assert len(set(pids)) == STREAMS
    for number, text in enumerate(texts):
        assert text.split() == [f"{number}-{step}" for step in range(20)]


def test_free_environment_is_used_again(client: httpx.Client) -> None:
    """The client may have its answer a moment before the process is ready for the next request."""
    pids = [client.get("/streamed/told").json()["pid"] for _ in range(10)]
    assert len(set(pids)) < len(pids)


def test_process_that_dies_in_mid_stream_cuts_its_own_client_only(
    client: httpx.Client, pipe: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    os.mkfifo(other)
    with client.stream("GET", "/patient/steps", params={"pipe": str(other)}) as bystander:
        chunks = bystander.iter_text()
        next(chunks)
        with client.stream("GET", "/patient/die", params={"pipe": str(pipe)}) as dying:
            received = dying.iter_text()
            assert next(received) == "last words"
            pipe.write_text("die")
            with pytest.raises(httpx.RemoteProtocolError):
                next(received)
        steps = Steps(other)
        steps.send("alive")
        assert next(chunks) == "alive\n"
        steps.end()
    assert client.get("/patient/count", params={"to": "3"}).text == "0\n1\n2\n"


def test_error_in_mid_stream_cuts_the_stream_and_is_logged(
    client: httpx.Client, small_stack: RunningStack
) -> None:
    with client.stream("GET", "/streamed/raise") as response, pytest.raises(httpx.RemoteProtocolError):
        response.read()
    assert client.get("/streamed/count", params={"to": "1"}).text == "0\n"
    assert logged(client, "broken in mid-stream")


def test_idle_process_that_is_killed_is_replaced_without_an_error(client: httpx.Client) -> None:
    pid = client.get("/streamed/told").json()["pid"]
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs(_processes(pid), timeout=10)
    assert client.get("/streamed/told").json()["pid"] != pid


def _processes(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return []


def test_stream_is_cut_at_the_timeout_and_the_next_request_works(client: httpx.Client) -> None:
    with (
        client.stream("GET", "/streamed/hang", params={"begin": "1"}) as response,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        response.read()
    assert client.get("/streamed/count", params={"to": "1"}).text == "0\n"


def test_timeout_before_the_first_byte_is_an_error_of_the_gateway(client: httpx.Client) -> None:
    assert client.get("/buffered/sleeps").status_code == 504
    assert client.get("/buffered/text").text == "just text"
    assert logged(client, "Task timed out after 3.00 seconds")


def test_function_that_does_not_load_says_why_in_the_log(client: httpx.Client) -> None:
    response = client.get("/buffered/broken")
    assert response.status_code == 502
    assert response.json() == {"Message": "Internal Server Error"}
    assert logged(client, "a_module_that_nobody_has")


def test_function_does_not_notice_that_its_client_has_left(
    client: httpx.Client, pipe: Path, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    os.mkfifo(done)
    with client.stream("GET", "/patient/steps", params={"pipe": str(pipe), "done": str(done)}) as response:
        next(response.iter_text())
    steps = Steps(pipe)
    for number in range(50):
        steps.send(str(number) * 1000)
    steps.end()
    assert done.read_text() == "done"


def test_slow_client_slows_the_function_down(small_stack: RunningStack, tmp_path: Path) -> None:
    """Far less than all leaves the function while the client reads nothing; all arrives once it reads."""
    note, total = tmp_path / "note", max(64 * MB, 4 * _most_on_the_way())
    address = httpx.URL(small_stack.url)
    with socket.create_connection(("127.0.0.1", address.port or 80)) as slow:
        target = f"/patient/much?bytes={total}&note={note}"
        slow.sendall(f"GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        slow.recv(1000)
        assert _settled(note) < total / 2
        received = 0
        while piece := slow.recv(1024 * 1024):
            received += len(piece)
    assert received > total


def _most_on_the_way() -> int:
    """The bytes that the kernel may keep of one connection, at both of its ends. There are two: from the
    function to the stack, and from there to the client."""
    limits = [Path(f"/proc/sys/net/ipv4/tcp_{name}").read_text().split()[-1] for name in ("rmem", "wmem")]
    return sum(map(int, limits))


def _settled(note: Path) -> int:
    """The number in the file once it no longer changes (bounded by the tries)."""
    before, same = -1, 0
    for _ in range(100_000):
        now = int(note.read_text() or 0) if note.exists() else 0
        same = same + 1 if now == before and now else 0
        before = now
        if same > 20_000:
            break
    return before


def test_variables_are_those_of_lambda(client: httpx.Client, small_stack: RunningStack) -> None:
    environ: dict[str, str] = client.get("/streamed/told").json()["environ"]
    deployed = small_stack.deployment
    assert environ["AWS_LAMBDA_FUNCTION_NAME"] == deployed["functions"]["StreamedFunction"]["name"]
    assert environ["ITEMS_TABLE"] == deployed["tables"]["ItemsTable"]
    assert environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environ["_HANDLER"] == "app.app"
    assert environ["AWS_REGION"] == "us-east-1"
    assert environ["TZ"] == ":UTC"
    assert environ["AWS_ENDPOINT_URL"] == deployed["arguments"]["endpoint_url"]
    assert environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert "HOME" not in environ
    assert "PYTEST_CURRENT_TEST" not in environ


def test_log_line_carries_its_function_and_request(client: httpx.Client) -> None:
    request_id = client.get("/streamed/told").headers["x-amzn-requestid"]
    reported = logged(client, "told what it sees", request_id)
    assert {line["function"] for line in reported} == {"StreamedFunction"}


def test_event_has_the_shape_of_payload_format_two(client: httpx.Client) -> None:
    response = client.post(
        "/buffered/event?a=1&a=2&b=%20x",
        content='{"text": "ä"}',
        headers={"content-type": "application/json", "cookie": "one=1; two=2", "x-forwarded-for": "6.6.6.6"},
    )
    event: dict[str, Any] = response.json()
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/buffered/event"
    assert event["rawQueryString"] == "a=1&a=2&b=%20x"
    assert event["queryStringParameters"] == {"a": "1,2", "b": " x"}
    assert event["cookies"] == ["one=1", "two=2"]
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert "cookie" not in event["headers"]
    assert event["body"] == '{"text": "ä"}'
    assert event["isBase64Encoded"] is False
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def test_binary_bodies_go_both_ways(client: httpx.Client) -> None:
    body = bytes(range(256))
    headers = {"content-type": "application/octet-stream"}
    assert client.post("/buffered/binary", content=body, headers=headers).content == body[::-1]
    reported = client.post("/streamed/told", content=body, headers=headers).json()
    assert bytes.fromhex(reported["body"]) == body


def test_text_that_is_not_text_is_sent_as_binary(client: httpx.Client) -> None:
    body = b"\xff\xfe not utf-8"
    headers = {"content-type": "text/plain"}
    assert client.post("/buffered/binary", content=body, headers=headers).content == body[::-1]


@pytest.mark.parametrize("path", ["/buffered/cookies", "/streamed/cookies"])
def test_cookies_stay_apart(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 201
    names = [cookie.partition("=")[0] for cookie in response.headers.get_list("set-cookie")]
    assert names == ["a", "b"]


@pytest.mark.parametrize("path", ["/buffered/fails", "/buffered/malformed", "/buffered/large"])
def test_response_that_lambda_refuses_is_a_bad_gateway(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 502
    assert client.get("/buffered/text").status_code == 200


def test_plain_value_is_the_body_of_a_200(client: httpx.Client) -> None:
    response = client.get("/buffered/text")
    assert (response.status_code, response.text) == (200, "just text")
    assert response.headers["content-type"] == "application/json"


def test_request_above_six_megabytes_is_refused(client: httpx.Client) -> None:
    assert client.post("/buffered/event", content=b"x" * (6 * 1024 * 1024 + 1)).status_code == 413
    assert client.post("/buffered/event", content=b"x" * (6 * 1024 * 1024 - 100)).status_code == 413


def test_mangum_runs_under_the_runtime_interface_client(client: httpx.Client) -> None:
    assert client.post("/asgi/add", json=[1, 2, 3]).json() == {"sum": 6}
    assert client.get("/.well-known/asgi.json").json() == {"name": "card"}


FRIEND = {"origin": "https://friend.example"}
STRANGER = {"origin": "https://stranger.example"}


def test_preflight_is_answered_without_the_function(client: httpx.Client) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    response = client.options("/streamed/hang", headers=FRIEND | asked)
    assert response.headers["access-control-allow-origin"] == "https://friend.example"
    assert response.headers["access-control-allow-methods"] == "GET,POST"
    assert "authorization" in response.headers["access-control-allow-headers"]
    assert response.headers["access-control-max-age"] == "60"


def test_stranger_gets_no_cors_headers(client: httpx.Client) -> None:
    asked = {"access-control-request-method": "POST"}
    for response in (
        client.options("/streamed/hang", headers=STRANGER | asked),
        client.get("/streamed/cookies", headers=STRANGER),
        client.options("/streamed/hang", headers=FRIEND | {"access-control-request-method": "DELETE"}),
    ):
        assert "access-control-allow-methods" not in response.headers
        assert response.headers.get("access-control-allow-origin") in (None, "https://friend.example")
    assert "access-control-allow-origin" not in client.get("/streamed/cookies", headers=STRANGER).headers


def test_urls_cors_headers_replace_the_functions_own(client: httpx.Client) -> None:
    response = client.get("/streamed/cookies", headers=FRIEND)
    assert response.headers.get_list("access-control-allow-origin") == ["https://friend.example"]
    assert response.headers["access-control-expose-headers"] == "x-run-id"


def test_each_request_has_an_id_of_its_own(client: httpx.Client) -> None:
    ids = {client.get("/buffered/text").headers["x-amzn-requestid"] for _ in range(3)}
    assert len(ids) == 3


def test_path_reaches_the_function_as_it_was_sent(client: httpx.Client) -> None:
    event = client.get("/buffered/a%20b%2Fc/event").json()
    assert event["rawPath"] == "/buffered/a%20b%2Fc/event"
