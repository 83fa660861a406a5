"""Agents that work for others or in flow steps, and ask people: the whole run waits."""

import asyncio
from typing import Any

import pytest

from millrace.agent.model import ToolCall
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.approvals import WaitingCall
from millrace.domain.projection import settled
from millrace.domain.runs import LEASE_MS
from millrace.errors import Conflict
from millrace.services.runs.stop import stop_run
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of
from tests.services.asking import (
    AGENT,
    ASKING,
    Clock,
    Queue,
    Till,
    ask,
    call,
    clock,
    give,
    go_on,
    hire,
    queue,
    run_of,
    talk,
    till,
    tool_results,
    types,
    waiting_calls,
)
from tests.services.mortal import Killed, Mortal
from tests.services.scripted import Talk, says, text_of

__all__ = ["clock", "queue", "talk", "till"]


async def hire_another(talk: Talk, id: str, *tools: Any, **settings: Any) -> None:
    made = Agent.model_validate({"id": id, "name": id.title(), "model": "echo:", "tools": tools} | settings)
    await talk.stores.agents.create(talk.slot.organization, made)


def refund(order: str = "7") -> ToolCall:
    return call("refund", order=order, amount=80)


async def test_approval_of_a_sub_agent_makes_the_run_wait_and_it_goes_on_inside(
    talk: Talk, till: Till, queue: Queue
) -> None:
    asked, wanted = call("ask_payer", task="Pay 80."), refund()
    talk.models.turns = [[asked], [*says("I ask."), wanted], says("Paid."), says("All done.")]
    await hire_another(talk, "payer", ASKING)
    await hire(talk, "agent:payer")
    seen = await ask(talk)
    assert types(seen)[-2:] == ["approval_requested", "waiting"]
    assert (seen[-2]["callId"], seen[-2]["parent"], seen[-2]["agentId"]) == (wanted.id, asked.id, "payer")
    assert (await run_of(talk)).state == "waiting"
    [waiting] = await waiting_calls(talk)
    assert [one["agentName"] for one in waiting.path] == ["Clerk", "Payer"]
    assert till.paid == []
    await give(talk, wanted.id, "approve")
    assert [reason for _, reason in queue.sent] == ["answered"]
    seen = await go_on(talk)
    assert types(seen)[-1] == "done"
    assert till.paid == [("7", 80)]
    assert await tool_results(talk) == ["Paid."]
    assert len(talk.models.requests) == 4  # no turn was asked for twice
    history = await talk.messages()
    assert text_of(history[-1]) == "All done."
    steps = [step["type"] for one in history for step in one.steps]
    assert steps.count("approval_requested") == steps.count("approval_answered") == 1
    assert steps.count("tool_result") == 2


async def test_rejected_call_of_a_sub_agent_is_never_run_and_the_sub_agent_is_told(
    talk: Talk, till: Till
) -> None:
    wanted = refund()
    talk.models.turns = [[call("ask_payer", task="Pay.")], [wanted], says("I may not."), says("Sorry.")]
    await hire_another(talk, "payer", ASKING)
    await hire(talk, "agent:payer")
    await ask(talk)
    await give(talk, wanted.id, "reject", reason="Too much.")
    await go_on(talk)
    assert till.paid == []
    read = talk.models.requests[2].messages[-1]["content"][0]["toolResult"]["content"][0]["text"]
    assert read == "refund was rejected and not run. Reason: Too much."
    assert await tool_results(talk) == ["I may not."]


async def test_question_two_levels_down_waits_for_the_user(talk: Talk) -> None:
    question = call("ask_user", question="Which order?")
    talk.models.turns = [
        [call("ask_payer", task="Pay.")],
        [call("ask_finder", task="Find it.")],
        [question],
        says("It is 7."),
        says("Paid for 7."),
        says("Done."),
    ]
    await hire_another(talk, "finder", "ask_user")
    await hire_another(talk, "payer", "agent:finder")
    await hire(talk, "agent:payer")
    await ask(talk)
    [waiting] = await waiting_calls(talk)
    assert [one["agentId"] for one in waiting.path] == [AGENT, "payer", "finder"]
    owner = Principal(talk.slot.organization, "user", frozenset({"chat"}))
    await give(talk, question.id, "answer", owner, content="7")
    seen = await go_on(talk)
    assert types(seen)[-1] == "done"
    assert await tool_results(talk) == ["Paid for 7."]


async def test_call_is_answered_while_another_sub_agent_is_still_at_work(
    talk: Talk, till: Till, queue: Queue
) -> None:
    """The run goes on at once when its process has nothing else to do."""
    wanted = refund()
    answers: list[WaitingCall] = []

    async def answer() -> None:
        answers.append(await give(talk, wanted.id, "approve"))

    talk.models.turns = [
        [call("ask_payer", task="Pay."), call("ask_writer", task="Write.")],
        [wanted],
        [answer, *says("Written.")],
        says("Paid."),
        says("Both."),
    ]
    await hire_another(talk, "payer", ASKING)
    await hire_another(talk, "writer")
    await hire(talk, "agent:payer", "agent:writer")
    # Both models are asked side by side; the writer speaks only once the call waits.
    await _until_asked(talk, wanted)
    seen = await ask(talk)
    assert types(seen)[-1] == "waiting"
    assert answers[0].answer is not None
    assert [reason for _, reason in queue.sent] == ["answered", "answered"]
    assert till.paid == []
    await go_on(talk)
    assert till.paid == [("7", 80)]
    assert sorted(await tool_results(talk)) == ["Paid.", "Written."]


async def _until_asked(talk: Talk, wanted: ToolCall) -> None:
    """Have the model that would answer wait until the call is stored."""
    answer, *rest = talk.models.turns[2]

    async def patient() -> None:
        async with asyncio.timeout(10):
            while wanted.id not in {one.call_id for one in await waiting_calls(talk)}:
                pass
        assert callable(answer)
        await answer()

    talk.models.turns[2] = [patient, *rest]


async def test_calls_of_two_sub_agents_wait_side_by_side_and_each_keeps_its_answer(
    talk: Talk, till: Till
) -> None:
    first, second = refund("1"), refund("2")
    talk.models.turns = [
        [call("ask_payer", task="1"), call("ask_payer", task="2")],
        [first],
        [second],
        says("one"),
        says("two"),
        says("Done."),
    ]
    await hire_another(talk, "payer", ASKING)
    await hire(talk, "agent:payer")
    seen = await ask(talk)
    assert len(seen[-1]["calls"]) == 2
    await give(talk, first.id, "approve")
    assert await go_on(talk) == []
    await give(talk, second.id, "reject")
    await go_on(talk)
    assert till.paid == [("1", 80)]
    assert sorted(await tool_results(talk)) == ["one", "two"]


async def test_run_that_is_stopped_while_a_sub_agent_waits_takes_no_answer(talk: Talk, till: Till) -> None:
    wanted = refund()
    talk.models.turns = [[call("ask_payer", task="Pay.")], [wanted]]
    await hire_another(talk, "payer", ASKING)
    await hire(talk, "agent:payer")
    await ask(talk)
    await stop_run(talk.stores, talk.slot, "stopped")
    with pytest.raises(Conflict):
        await give(talk, wanted.id, "approve")
    assert await waiting_calls(talk) == []
    assert till.paid == []


async def test_agents_that_are_asked_stay_as_they_were_when_the_run_began(
    settings: Settings, talk: Talk, till: Till
) -> None:
    """Edited and deleted while the run waits."""
    wanted = refund()
    talk.models.turns = [
        [call("ask_payer", task="Pay.")],
        [wanted],
        [call("ask_checker", task="Check.")],
        says("Checked."),
        says("Paid."),
        says("Done."),
    ]
    await hire_another(talk, "checker", instructions="Check twice.")
    await hire_another(talk, "payer", ASKING, "agent:checker", instructions="As it was.")
    await hire(talk, "agent:payer")
    await ask(talk)
    elsewhere = Stores.connect(settings).agents
    stored = await elsewhere.get(talk.slot.organization, "payer")
    changed = stored.model_copy(update={"instructions": "Pay everybody.", "updated_at": "later"})
    await elsewhere.replace(talk.slot.organization, changed, stored.updated_at)
    await elsewhere.delete(talk.slot.organization, "checker")
    talk.stores.agents._cache.clear()
    await give(talk, wanted.id, "approve")
    await go_on(talk)
    assert [request.system for request in talk.models.requests[2:5]] == [
        "As it was.",
        "Check twice.",
        "As it was.",
    ]
    assert await tool_results(talk) == ["Paid."]


async def test_limits_of_a_sub_agent_count_over_all_processes(talk: Talk) -> None:
    wanted = refund()
    talk.models.turns = [[call("ask_payer", task="Pay.")], [wanted], [refund("8")], says("No more.")]
    await hire_another(talk, "payer", ASKING, limits={"maxIterations": 2})
    await hire(talk, "agent:payer")
    await ask(talk)
    await give(talk, wanted.id, "approve")
    await go_on(talk)
    [second] = await waiting_calls(talk)
    await give(talk, second.call_id, "reject")
    await go_on(talk)
    # After two turns the sub-agent is at its limit; the third one that is asked for is its caller's.
    assert len(talk.models.requests) == 4
    assert (await run_of(talk)).state == "completed"


async def test_nested_answers_are_deleted_when_the_run_ends(talk: Talk) -> None:
    talk.models.turns = [[call("ask_payer", task="Pay.")], says("Paid."), says("Done.")]
    await hire_another(talk, "payer")
    await hire(talk, "agent:payer")
    await ask(talk)
    left = await talk.stores.nested_work.of_run(talk.slot, (await run_of(talk)).id)
    assert (left.messages, left.agents) == ({}, {})


async def test_call_that_waits_is_told_again_after_a_crash_beside_it(settings: Settings) -> None:
    """A client that resumes must see what it can answer."""
    clock, aws = Clock(), Mortal(settings.region, [])
    talk = Talk(settings, Stores.connect(settings, aws, clock=clock))
    Queue(talk)
    wanted = refund()

    async def die() -> None:
        aws.dead = True
        raise Killed

    talk.models.turns = [
        [call("ask_payer", task="Pay."), call("ask_writer", task="Write.")],
        [wanted],
        [die],
        says("Written."),
    ]
    await _until_asked(talk, wanted)
    await hire_another(talk, "payer", ASKING)
    await hire_another(talk, "writer")
    await hire(talk, "agent:payer", "agent:writer")
    session = await talk.start("Pay.", agent_id=AGENT)
    assert session.task is not None
    await asyncio.wait({session.task})
    died = session.task.exception()
    # A task that renews the lease may die in the same moment: then both are told.
    assert isinstance(died, Killed) or (isinstance(died, BaseExceptionGroup) and not died.split(Killed)[1])
    clock.ahead = LEASE_MS + 1000
    aws.next_process()
    seen = await go_on(talk, "lost")
    assert types(seen)[-1] == "waiting"
    run = await run_of(talk)
    log = await talk.stores.log.read(stream_of(talk.slot.organization, run.id))
    view = [one.event for one in settled(log)]
    assert [one["callId"] for one in view if one["type"] == "approval_requested"] == [wanted.id]
    assert await tool_results(talk) == ["Written."]
    await talk.platform.close()
