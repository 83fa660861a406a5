"""Both clients against the running stack, beyond the examples in the documentation."""

import asyncio

import httpx
import pytest

from millrace.client import AsyncClient, Client, RunState
from tests.stack import RunningStack

ORGANIZATION = "sdk-stack"


@pytest.fixture
def client(stack: RunningStack) -> Client:
    return Client(stack.url, stack.token(ORGANIZATION))


def test_task_of_another_agent_is_streamed_to_its_end(stack: RunningStack, client: Client) -> None:
    with client:
        client.agents.put("worker", {"name": "Worker", "model": "echo:", "exposeA2A": True})
        message = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hello there"}]}
        sent = httpx.post(
            f"{stack.url}/a2a/worker/message:send",
            json={"message": message, "configuration": {"returnImmediately": True}},
            headers={**stack.headers(ORGANIZATION), "a2a-version": "1.0"},
            timeout=60,
        ).json()
        for _ in range(2):  # while it works, and after its end
            events = list(client.tasks.stream(sent["task"]["id"]))
            assert (events[0]["type"], events[-1]["status"]) == ("task", "completed")
            assert "".join(event.get("chunk") or "" for event in events) == "hello there"


def test_flow_waits_is_answered_and_is_read(client: Client) -> None:
    wait = {"name": "ok", "type": "wait_for_input", "prompt": "Pay?", "choices": ["yes", "no"]}
    steps = [
        {"name": "sum", "type": "tool", "tool": "calculator", "arguments": {"expression": "input.sum"}},
        wait,
    ]
    with client:
        client.flows.put("report", steps=steps)
        stream = client.flows.run_stream("report", {"sum": "6*7"})
        assert [event["type"] for event in stream][-1] == "waiting"
        assert [part.prompt for part in stream.state.waiting] == ["Pay?"]
        [execution] = list(client.flows.executions("report"))
        answered = client.flows.answer("report", execution.execution_id, "yes")
        assert (answered.state, answered.result) == ("completed", "yes")
        assert client.flows.execution("report", execution.execution_id).state == "completed"


def test_question_is_answered_once_more_in_a_branch(client: Client) -> None:
    with client:
        first = client.conversations.send_message("branches", "hello", agent_id="echo")
        question = next(one for one in client.conversations.messages("branches") if one.role == "user")
        again = client.conversations.regenerate_stream("branches", question.id).result()
        assert (again.text, again.run_id != first.run_id) == ("hello", True)
        client.conversations.select("branches", first.message_id)
        client.conversations.change("branches", title="Both")
        assert [one.title for one in client.conversations.list(query="Both")] == ["Both"]


def test_same_key_gives_the_same_run(client: Client) -> None:
    with client:
        streams = [
            client.conversations.send_message_stream("keys", "hello", agent_id="echo", idempotency_key="k")
            for _ in range(2)
        ]
        first, second = (stream.result() for stream in streams)
        whole = client.conversations.send_message("keys", "hello", agent_id="echo", idempotency_key="k")
    assert first.run_id == second.run_id == whole.run_id
    assert first.to_wire() == second.to_wire()


def test_message_to_a_busy_agent_joins_its_run(client: Client) -> None:
    with client:
        long = "/echo delayMs=10 tokens=100"
        with client.conversations.send_message_stream("busy", long, agent_id="echo") as first:
            next(first)
            joined = client.conversations.send_message_stream("busy", "and more", if_busy="inject")
            assert joined.accepted is not None
            assert (joined.run_id, joined.accepted["content"]) == (first.run_id, "and more")
            assert joined.result().to_wire() == first.result().to_wire()


def test_speech_has_the_times_of_its_words(client: Client) -> None:
    with client:
        kinds = [event["type"] for event in client.voice.speak_timed("Good morning.", format="wav")]
        assert {"audio", "words"} <= set(kinds)
        assert kinds[-1] == "done"


def test_conversation_is_watched_over_its_runs(stack: RunningStack) -> None:
    """A subscription, by tasks side by side."""

    async def watch() -> list[str]:
        async with AsyncClient(stack.url, stack.token(ORGANIZATION)) as client:
            texts: list[str] = []
            async with client.conversations.stream("watched") as stream:
                sending = asyncio.create_task(_send_two(client))
                async for event in stream:
                    if event["type"] == "done":
                        texts.append(stream.state.text)
                    if len(texts) == 2:
                        break
                await sending
            return texts

    assert asyncio.run(watch()) == ["one", "two"]


async def _send_two(client: AsyncClient) -> list[RunState]:
    return [
        await (await client.conversations.send_message_stream("watched", text, agent_id="echo")).result()
        for text in ("one", "two")
    ]
