"""The emitter: any code under a run may emit, and without a run it does nothing."""

import asyncio
from typing import Any

from millrace.agent.emitter import Emitter, current_emitter, emit, emitting
from millrace.agent.tools.workers import in_thread
from millrace.domain.events import status


def test_emitting_outside_a_run_does_nothing() -> None:
    emit(status("nobody listens"))
    assert current_emitter() is None


async def test_child_tasks_and_threads_inherit_the_emitter() -> None:
    seen: list[dict[str, Any]] = []

    async def child() -> None:
        emit(status("from a task"))

    with emitting(Emitter(seen.append)):
        await asyncio.create_task(child())
        await in_thread(emit, status("from a thread"))
    emit(status("too late"))
    assert [event["message"] for event in seen] == ["from a task", "from a thread"]


def test_tags_are_added_and_nest() -> None:
    seen: list[dict[str, Any]] = []
    inner = Emitter(seen.append).tagged(parent="call-1").tagged(agentId="sub")
    with emitting(inner):
        emit(status("hello"))
    assert seen == [{"type": "status", "message": "hello", "parent": "call-1", "agentId": "sub"}]


async def test_runs_side_by_side_do_not_mix() -> None:
    seen: dict[str, list[str]] = {"a": [], "b": []}

    async def run(name: str) -> None:
        with emitting(Emitter(lambda event: seen[name].append(event["message"]))):
            for _ in range(5):
                emit(status(name))
                await asyncio.sleep(0)

    await asyncio.gather(run("a"), run("b"))
    assert seen == {"a": ["a"] * 5, "b": ["b"] * 5}
