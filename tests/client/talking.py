"""A run to listen to, and both clients behind one interface, so that the same tests apply to both."""

import asyncio
from contextlib import closing
from typing import Any, Protocol

from millrace.client import AsyncClient, Client, Policy, RunState
from tests.client.faulty import RUN, FaultyServer

USAGE = {"input": 3, "output": 4, "total": 7}
EVENTS: list[dict[str, Any]] = [
    {"type": "start", "runId": RUN, "conversationId": "c", "messageId": "msg_1", "agentId": "demo"},
    {"type": "status", "message": "Thinking"},
    {"type": "thinking", "text": "A sum."},
    {"type": "token", "token": "Let me "},
    {"type": "token", "token": "see: ✓"},
    {"type": "tool_call", "id": "t", "name": "calculator", "arguments": {}},
    {
        "type": "tool_result",
        "id": "t",
        "name": "calculator",
        "ok": True,
        "summary": "42",
        "bytes": 2,
        "durationMs": 3,
    },
    {"type": "token", "token": "4"},
    {"type": "rewind", "after": f"{RUN}.7"},
    {"type": "token", "token": "It is 42."},
    {
        "type": "done",
        "messageId": "msg_1",
        "usage": USAGE,
        "cost": None,
        "finishReason": "stop",
        "durationMs": 20,
    },
]
QUICK = Policy(first_wait=0.001, longest_wait=0.002, silence=0.2, opening=5.0)
"""No wait between attempts, and a connection that is silent for a fifth of a second is dead."""


def final_state() -> dict[str, Any]:
    """The state to which all of the events lead."""
    state = RunState()
    for number, event in enumerate(EVENTS, 1):
        state.apply(event, f"{RUN}.{number}")
    return state.to_wire()


class Listen(Protocol):
    """Send a message, and listen to the end, or until so many events have come: the final state."""

    def __call__(
        self, server: FaultyServer, *, token: Any = "token", policy: Policy = QUICK, most: int | None = None
    ) -> RunState: ...


def listen_blocking(
    server: FaultyServer, *, token: Any = "token", policy: Policy = QUICK, most: int | None = None
) -> RunState:
    with (
        closing(Client(server.url, token, policy=policy)) as client,
        client.conversations.send_message_stream("c", "What is 6 * 7?", agent_id="demo") as stream,
    ):
        for number, _ in enumerate(stream, 1):
            if number == most:
                break
        return stream.state


def listen_awaited(
    server: FaultyServer, *, token: Any = "token", policy: Policy = QUICK, most: int | None = None
) -> RunState:
    async def listen() -> RunState:
        async with (
            AsyncClient(server.url, token, policy=policy) as client,
            client.conversations.send_message_stream("c", "What is 6 * 7?", agent_id="demo") as stream,
        ):
            number = 0
            async for _ in stream:
                number += 1
                if number == most:
                    break
            return stream.state

    return asyncio.run(listen())
