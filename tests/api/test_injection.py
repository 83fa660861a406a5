"""Live messages: accepted ones reach the agent once, or expire."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from millrace.api.conversation_app import create_app
from millrace.domain.clock import now_ms
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.api.talk import STREAM, error_of, say, saying
from tests.aws import Aws
from tests.serving import served
from tests.sse import answer
from tests.tokens import Issuer

INJECT = "/api/conversations/c1/inject"
MESSAGES = "/api/conversations/c1/messages"


def inject(chat: httpx.Client, content: str, **query: str) -> httpx.Response:
    return chat.post(INJECT, json={"content": content}, params=query)


def test_message_during_a_tool_is_injected_before_the_next_model_call(chat: httpx.Client) -> None:
    kinds: list[str] = []
    with saying(chat, "/echo tools=3 toolMs=1500\nhello") as events:
        seen = []
        calls = 0
        for event in events:
            seen.append(event)
            kinds.append(event.data["type"])
            calls += event.data["type"] == "tool_call"
            if event.data["type"] == "tool_call" and calls == 2:
                accepted = inject(chat, "make it blue")
                assert accepted.status_code == 202
                assert set(accepted.json()) == {"messageId", "content", "createdAt", "createdBy", "expiresAt"}
    injected = next(event.data for event in seen if event.data["type"] == "injected")
    assert injected["messageId"] == accepted.json()["messageId"]
    assert injected["content"] == "make it blue"
    assert injected["iteration"] == 3
    second_result = [n for n, kind in enumerate(kinds) if kind == "tool_result"][1]
    third_call = [n for n, kind in enumerate(kinds) if kind == "tool_call"][2]
    assert second_result < kinds.index("injected") < third_call
    assert "make it blue" in answer(seen)
    stored = chat.get(MESSAGES).json()["items"]
    assert [m["content"] for m in stored if m.get("injected")] == [[{"text": "make it blue"}]]


def test_message_during_the_final_answer_leads_to_one_more_iteration(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=0 tokens=30 delayMs=100\nword") as events:
        seen = list(itertools.takewhile(lambda event: event.data["type"] != "token", events))
        assert inject(chat, "one more thing").status_code == 202
        seen += events
    kinds = [event.data["type"] for event in seen]
    assert kinds.count("done") == 1
    assert kinds[: kinds.index("injected")].count("token") == 29  # all but the one that was waited for
    assert "one more thing" in answer(seen)
    answers = [m for m in chat.get(MESSAGES).json()["items"] if m["role"] == "assistant"]
    assert len(answers) == 2  # the first answer stays
    assert len({m["id"] for m in answers}) == 2


def test_live_message_is_refused_after_the_end_and_elsewhere(chat: httpx.Client, issuer: Issuer) -> None:
    say(chat, "hello")
    assert error_of(inject(chat, "too late")) == (409, "not_streaming")
    unknown = chat.post("/api/conversations/nowhere/inject", json={"content": "hi"})
    assert error_of(unknown) == (404, "conversation_not_found")
    with saying(chat, "/echo toolMs=60000\nword") as events:
        next(events)
        other = chat.post(INJECT, json={"content": "hi"}, headers=issuer.headers("other"))
        assert error_of(other) == (404, "conversation_not_found")
        chat.post("/api/conversations/c1/stop")
        list(events)


def test_conversation_without_a_run_refuses_and_is_not_unknown(chat: httpx.Client) -> None:
    chat.post("/api/conversations", json={"id": "c1", "agentId": "echo"})
    assert error_of(inject(chat, "hi")) == (409, "not_streaming")
    assert chat.get(INJECT).json() == {"items": [], "nextCursor": None}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [("", 422, "empty_message"), (" \n", 422, "empty_message"), ("ü" * 16_385, 413, "message_too_large")],
)
def test_empty_and_large_messages_are_refused(
    chat: httpx.Client, content: str, status: int, code: str
) -> None:
    with saying(chat, "/echo toolMs=60000\nword") as events:
        next(events)
        assert error_of(inject(chat, content)) == (status, code)
        chat.post("/api/conversations/c1/stop")
        list(events)


def test_hundred_and_first_waiting_message_is_refused(chat: httpx.Client) -> None:
    with saying(chat, "/echo toolMs=60000\nword") as events:
        next(events)
        statuses = [inject(chat, f"number {n}").status_code for n in range(100)]
        assert statuses == [202] * 100
        refused = inject(chat, "one too many")
        assert error_of(refused) == (429, "too_many_waiting")
        assert int(refused.headers["retry-after"]) > 0
        waiting = chat.get(INJECT).json()["items"]
        assert [one["content"] for one in waiting] == [f"number {n}" for n in range(100)]
        assert chat.delete(f"{INJECT}/{waiting[0]['messageId']}").status_code == 204
        assert inject(chat, "there is room again").status_code == 202
        chat.post("/api/conversations/c1/stop")
        list(events)
    # What was accepted and not taken reaches the agent with the next run, within its ten minutes.
    after = say(chat, "/echo tools=0\nnext")
    injected = [event.data["content"] for event in after if event.data["type"] == "injected"]
    assert injected == [f"number {n}" for n in range(1, 100)] + ["there is room again"]


def test_withdrawn_message_never_reaches_the_agent(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=1 toolMs=2500\nword") as events:
        seen = [next(events), next(events)]
        kept = inject(chat, "kept").json()["messageId"]
        disconnected = inject(chat, "withdrawn").json()["messageId"]
        assert chat.delete(f"{INJECT}/{disconnected}").status_code == 204
        assert error_of(chat.delete(f"{INJECT}/{disconnected}")) == (404, "live_message_not_found")
        seen += events
    assert [e.data["messageId"] for e in seen if e.data["type"] == "injected"] == [kept]
    assert "withdrawn" not in answer(seen)
    assert error_of(chat.delete(f"{INJECT}/{kept}")) == (409, "already_seen")


def test_withdrawing_the_last_waiting_message_lets_the_run_end(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=0 tokens=20 delayMs=150\nword") as events:
        seen = [next(events), next(events), next(events)]
        disconnected = inject(chat, "never mind").json()["messageId"]
        assert chat.delete(f"{INJECT}/{disconnected}").status_code == 204
        seen += events
    assert [e.data["type"] for e in seen].count("injected") == 0
    assert seen[-1].data["type"] == "done"


def test_idempotency_key_injects_once(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=1 toolMs=2500\nword") as events:
        seen = [next(events)]
        body = {"content": "only once", "idempotencyKey": "k"}
        first, second = chat.post(INJECT, json=body), chat.post(INJECT, json=body)
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json() == second.json()
        other = chat.post(INJECT, json={"content": "else", "idempotencyKey": "k"})
        assert error_of(other) == (422, "idempotency_key_reused")
        seen += events
    assert [e.data["content"] for e in seen if e.data["type"] == "injected"] == ["only once"]
    assert chat.post(INJECT, json=body).json() == first.json()  # also after the run has ended


def test_inject_sends_a_live_message_or_begins_a_run(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=1 toolMs=2500\nword") as events:
        run_id = next(events).data["runId"]
        body = {"agentId": "echo", "content": "by the way", "ifBusy": "inject"}
        accepted = chat.post(MESSAGES, json=body, headers=STREAM)
        assert accepted.status_code == 202
        assert accepted.json()["runId"] == run_id
        assert "by the way" in answer(events)
    assert answer(say(chat, "/echo tools=0\nfree", ifBusy="inject")) == "free"


def test_idempotency_key_names_the_live_message_even_after_the_run(
    chat: httpx.Client,
) -> None:
    body = {"agentId": "echo", "content": "by the way", "ifBusy": "inject", "idempotencyKey": "k"}
    with saying(chat, "/echo tools=1 toolMs=2500\nword") as events:
        next(events)
        first, during = chat.post(MESSAGES, json=body), chat.post(MESSAGES, json=body, headers=STREAM)
        seen = list(events)
    assert first.status_code == 202
    assert [event.data["content"] for event in seen if event.data["type"] == "injected"] == ["by the way"]
    after = chat.post(MESSAGES, json=body)
    assert (after.status_code, after.json()) == (202, first.json())
    assert during.json() == first.json()
    other = chat.post(MESSAGES, json=body | {"content": "something else"})
    assert error_of(other) == (422, "idempotency_key_reused")
    stored = [message["content"] for message in chat.get(MESSAGES).json()["items"]]
    assert stored.count([{"text": "by the way"}]) == 1


def test_inject_waits_for_a_stopping_run_and_begins_its_own(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=0 hang=1\nword") as events:
        next(events)
        assert chat.post("/api/conversations/c1/stop").status_code == 202
        body = {"agentId": "echo", "content": "/echo tools=0\nafter", "ifBusy": "inject"}
        assert chat.post(MESSAGES, json=body).json()["content"] == "after"
        assert list(events)[-1].data["finishReason"] == "stopped"


def test_repeats_of_one_key_while_a_run_ends_are_one_message(chat: httpx.Client) -> None:
    """The first request decides between a live message and a new run, for all of them."""
    body = {"content": "/echo tools=0\nonce", "agentId": "echo", "ifBusy": "inject", "idempotencyKey": "k"}

    def repeat(_: int) -> dict[str, str]:
        answer: dict[str, str] = chat.post(MESSAGES, json=body).json()
        return answer

    with saying(chat, "/echo tools=0 tokens=20 delayMs=5\nword") as events:
        next(events)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(repeat, range(24)))
        list(events)
    assert len({(answer["runId"], answer["messageId"]) for answer in answers}) == 1
    stored = [message["content"] for message in chat.get(MESSAGES).json()["items"]]
    assert stored.count([{"text": "/echo tools=0\nonce"}]) == 1


def test_thread_has_its_own_live_messages(chat: httpx.Client) -> None:
    with saying(chat, "/echo tools=1 toolMs=2500\nword", threadId="t1") as events:
        next(events)
        assert error_of(inject(chat, "to the conversation")) == (409, "not_streaming")
        assert inject(chat, "to the thread", threadId="t1").status_code == 202
        assert len(chat.get(INJECT, params={"threadId": "t1"}).json()["items"]) == 1
        assert "to the thread" in answer(events)


def test_expired_message_is_never_taken_though_the_table_still_has_it(
    settings: Settings, chat: httpx.Client, aws: Aws
) -> None:
    """Accepted by a process whose clock is eleven minutes behind: expired for everybody else."""
    earlier = Stores.connect(settings, clock=lambda: now_ms() - 660_000)
    with served(create_app(settings, Platform.make(settings, earlier))) as url:
        with httpx.Client(base_url=url, headers=chat.headers, timeout=30) as past:
            with saying(chat, "/echo tools=1 toolMs=2500\nword") as events:
                seen = [next(events)]
                assert past.post(INJECT, json={"content": "from the past"}).status_code == 202
                assert chat.get(INJECT).json()["items"] == []
                lease = aws.client("dynamodb").scan(TableName=aws.tables["InjectionsTable"])["Items"]
                ours = [item for item in lease if item.get("content") == {"S": "from the past"}]
                assert len(ours) == 1
                assert int(ours[0]["expiresAt"]["N"]) < now_ms() / 1000
                seen += events
    assert "injected" not in [event.data["type"] for event in seen]
    assert seen[-1].data["type"] == "done"


def test_eight_injectors_against_running_agents_lose_nothing(chat: httpx.Client) -> None:
    """Accepted = taken, in order per sender, none twice, over several runs of one conversation."""
    accepted: list[str] = []
    over = threading.Event()

    def send(sender: int) -> None:
        for number in range(30):
            response = inject(chat, f"{sender}-{number}")
            if response.status_code == 202:
                accepted.append(response.json()["messageId"])
            if over.wait(0.01):
                return

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
    injected: list[str] = []
    contents: list[str] = []
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        events = say(chat, "/echo tools=2 toolMs=30\nword")
        injected += [event.data["messageId"] for event in events if event.data["type"] == "injected"]
        contents += [event.data["content"] for event in events if event.data["type"] == "injected"]
    for sender in senders:
        sender.join(30)
    final = say(chat, "/echo tools=0\nlast")
    injected += [event.data["messageId"] for event in final if event.data["type"] == "injected"]
    contents += [event.data["content"] for event in final if event.data["type"] == "injected"]
    assert len(injected) == len(set(injected))
    assert sorted(injected) == sorted(accepted)
    for number in range(8):
        own = [int(text.split("-")[1]) for text in contents if text.startswith(f"{number}-")]
        assert own == sorted(own)
