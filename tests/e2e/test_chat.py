"""The product on the local stack: real function processes behind one address, as `make run` starts them."""

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.talk import STREAM, attach, error_of, say, saying
from tests.effort import effort, soak
from tests.sse import Sent, answer, read_events
from tests.stack import RunningStack

MESSAGES = "/api/conversations/c1/messages"
LIVE_MESSAGES = effort(60, 1_500)
STREAMS = effort(10, 30)


def test_curl_shows_events_as_they_are_made(stack: RunningStack, organization: str) -> None:
    """The README's command. While curl shows the first event the run goes on: it ends when it is told to."""
    token = stack.token(organization)
    command = [
        "curl", "-sN", "-H", f"Authorization: Bearer {token}", "-H", "Accept: text/event-stream",
        "-H", "Content-Type: application/json",
        "-d", '{"agentId":"echo","content":"/echo toolMs=60000\\nhello"}', stack.url + MESSAGES,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        events = read_events(line.rstrip("\n") for line in curl.stdout)
        assert next(events).data["type"] == "start"
        stop = httpx.post(
            f"{stack.url}/api/conversations/c1/stop", headers={"authorization": f"Bearer {token}"}
        )
        assert stop.status_code == 202
        assert list(events)[-1].data["finishReason"] == "stopped"


def test_same_without_accept_is_one_json_answer(chat: httpx.Client) -> None:
    body = chat.post(MESSAGES, json={"agentId": "echo", "content": "hello"}).json()
    assert body["content"] == "hello"


def test_each_refusal_says_what_to_do(chat: httpx.Client) -> None:
    sent = {"agentId": "echo", "content": "hello"}
    without = httpx.post(str(chat.base_url) + MESSAGES, json=sent)
    assert error_of(without) == (401, "token_missing")
    forged = httpx.post(str(chat.base_url) + MESSAGES, json=sent, headers={"authorization": "Bearer a.b.c"})
    assert error_of(forged) == (401, "token_invalid")
    broken = chat.post(MESSAGES, content=b'{"content": ', headers={"content-type": "application/json"})
    assert error_of(broken) == (422, "invalid_json")
    unknown = chat.post(MESSAGES, json=sent | {"agentId": "nobody"})
    assert error_of(unknown) == (404, "agent_not_found")
    assert error_of(chat.get("/api/conversations/c1")) == (404, "conversation_not_found")


def test_health_and_only_health_needs_no_token(stack: RunningStack) -> None:
    assert httpx.get(f"{stack.url}/api/health").json()["status"] == "ok"
    assert error_of(httpx.get(f"{stack.url}/api/agents")) == (401, "token_missing")
    assert error_of(httpx.get(f"{stack.url}/api/openapi.json")) == (401, "token_missing")


def test_events_come_one_by_one_while_the_run_goes_on(chat: httpx.Client) -> None:
    """Each token is seen while the run still has most of its tokens to make. After the stop tokens that were
    on their way may still come; what they find says nothing."""
    with saying(chat, "/echo tools=0 tokens=2000 delayMs=300\nword") as events:
        run_id = next(events).data["runId"]
        tokens = (event for event in events if event.data["type"] == "token")
        for _ in range(3):
            next(tokens)
            assert chat.get(f"/api/runs/{run_id}").json()["state"] == "running"
        chat.post("/api/conversations/c1/stop")
        assert list(events)[-1].data["finishReason"] == "stopped"


@soak
def test_streams_at_once_are_complete_and_in_order(chat: httpx.Client) -> None:
    text = " ".join(f"word{n}" for n in range(40))

    def one(number: int) -> list[Sent]:
        return say(chat, f"/echo toolMs=300 delayMs=5\n{text} {number}", conversation=f"many-{number}")

    with ThreadPoolExecutor(STREAMS) as pool:
        streams = list(pool.map(one, range(STREAMS)))
    for number, events in enumerate(streams):
        assert answer(events) == f"{text} {number}"
        numbered = [event.seq for event in events if event.id is not None]
        assert numbered == list(range(1, len(numbered) + 1))


@soak
@pytest.mark.timeout(180)
def test_live_messages_of_eight_senders_all_reach_the_agents_of_a_running_stack(chat: httpx.Client) -> None:
    """8 injectors against running agents until enough is accepted: accepted = taken, none twice, in order."""
    accepted: list[str] = []
    injected: list[dict[str, str]] = []
    over = threading.Event()

    def send(sender: int) -> None:
        number = 0
        while not over.wait(0.05):
            number += 1
            body = {"content": f"{sender}-{number}"}
            response = chat.post("/api/conversations/c1/inject", json=body)
            if response.status_code == 202:
                accepted.append(response.json()["messageId"])
            if len(accepted) >= LIVE_MESSAGES:
                over.set()

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
    for sender in senders:
        sender.start()
    try:
        while not over.is_set():
            events = say(chat, "/echo tools=3 toolMs=100 delayMs=2\nword")
            injected += [event.data for event in events if event.data["type"] == "injected"]
    finally:
        over.set()
        for sender in senders:
            sender.join(60)
    last = say(chat, "/echo tools=0\nlast")
    injected += [event.data for event in last if event.data["type"] == "injected"]
    ids = [one["messageId"] for one in injected]
    assert len(ids) == len(set(ids))
    assert sorted(ids) == sorted(accepted)
    for number in range(8):
        own = [
            int(one["content"].split("-")[1]) for one in injected if one["content"].startswith(f"{number}-")
        ]
        assert own == sorted(own)


def test_viewer_attaches_from_another_environment(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=2 toolMs=300 tokens=10 delayMs=50\nword") as events:
        first = next(events)
        seen = attach(chat, f"/api/runs/{first.data['runId']}/stream", **STREAM)
        own = [first, *events]
    assert [event for event in seen if event.id] == [event for event in own if event.id]
