"""Runs that wait for people: approvals, questions, and the effects of their answers."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from millrace.domain.access import Principal
from millrace.domain.approvals import GivenAnswer
from millrace.errors import Conflict, Forbidden, InvalidRequest, NotFound
from millrace.services.runs.answers import answer_call
from millrace.services.runs.follow import follow
from millrace.services.runs.launch import launch
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, StartedRun
from millrace.services.runs.send import send
from millrace.services.runs.sharing import share, unshare
from millrace.services.runs.stop import stop_run
from millrace.services.runs.sweep_waiting import sweep_waiting
from millrace.services.runs.waiting_calls import list_waiting
from millrace.services.speech.runs import sentences_of_run
from millrace.stores.bus import BusEvent
from tests.services.asking import (
    AGENT,
    ASKING,
    Clock,
    Queue,
    Till,
    ask,
    boss,
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
from tests.services.scripted import Talk, says, text_of

__all__ = ["clock", "queue", "talk", "till"]

DAY_MS = 24 * 3_600_000


def script(talk: Talk, *turns: Any) -> None:
    talk.models.turns = list(turns)


async def test_call_waits_and_is_run_once_it_is_approved(talk: Talk, till: Till, queue: Queue) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [*says("I ask."), refund], says("Done."))
    await hire(talk, ASKING)
    seen = await ask(talk)
    assert types(seen)[-2:] == ["approval_requested", "waiting"]
    requested, waiting = seen[-2:]
    assert (requested["callId"], requested["name"]) == (refund.id, "refund")
    assert requested["arguments"] == {"order": "7", "amount": 80}
    assert waiting["calls"] == [{"callId": refund.id, "kind": "approval", "name": "refund"}]
    assert waiting["expiresAt"] == requested["expiresAt"]
    run = await run_of(talk)
    assert run.state == "waiting"
    assert till.paid == []
    assert queue.sent == []
    answered = await give(talk, refund.id, "approve")
    assert queue.sent == [(run.id, "answered")]
    assert answered.answer is not None
    assert (answered.answer.decision, answered.answer.by) == ("approve", "boss")
    seen = await go_on(talk)
    assert "approval_answered" in types(seen)
    assert types(seen)[-1] == "done"
    assert till.paid == [("7", 80)]
    assert await tool_results(talk) == ["paid 80 for 7"]
    assert text_of((await talk.messages())[-1]) == "Done."
    assert (await run_of(talk)).state == "completed"


async def test_speech_of_an_answer_that_waits_says_all_that_is_there_and_why_it_ends(talk: Talk) -> None:
    script(talk, [*says("I ask first. ", "Please wait"), call("refund", order="7", amount=80)])
    await hire(talk, ASKING)
    await ask(talk)
    heard: list[str] = []

    async def listen() -> None:
        async for sentence in await sentences_of_run(talk.stores, await run_of(talk), None):
            heard.append(sentence)

    with pytest.raises(Conflict) as error:
        await listen()
    assert error.value.code == "run_waiting"
    assert " ".join(heard).split() == ["I", "ask", "first.", "Please", "wait"]


async def test_rejected_call_is_never_run(talk: Talk, till: Till) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund], says("I will not."))
    await hire(talk, ASKING)
    await ask(talk)
    await give(talk, refund.id, "reject", reason="Too much.")
    await go_on(talk)
    assert till.paid == []
    assert await tool_results(talk) == ["refund was rejected and not run. Reason: Too much."]


@pytest.mark.parametrize(
    "user",
    [Principal("", "user"), Principal("", "clerk", frozenset({"chat", "observe", "conversations:manage"}))],
)
async def test_caller_who_is_no_approver_changes_nothing(talk: Talk, user: Principal) -> None:
    """Not even the run's own user, nor who manages conversations."""
    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, ASKING)
    await ask(talk)
    caller = replace(user, organization=talk.slot.organization)
    before = await waiting_calls(talk)
    for decision in ("approve", "reject"):
        with pytest.raises(Forbidden) as error:
            await give(talk, refund.id, decision, caller)
        assert error.value.details["approvers"] == {"scope": "refunds:approve"}
    assert await waiting_calls(talk) == before
    assert await go_on(talk, "lost") == []


async def test_call_of_another_organization_is_not_found(talk: Talk) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, ASKING)
    await ask(talk)
    stranger = replace(boss(talk), organization=f"{talk.slot.organization}x")
    with pytest.raises(NotFound):
        await give(talk, refund.id, "approve", stranger)


async def test_run_user_approves_where_nobody_else_is_named(talk: Talk, till: Till) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, {"name": "refund", "policy": "ask"})
    await ask(talk)
    with pytest.raises(Forbidden):
        await give(talk, refund.id, "approve")
    await give(talk, refund.id, "approve", Principal(talk.slot.organization, "user"))
    await go_on(talk)
    assert till.paid == [("7", 80)]


async def test_user_whose_share_was_taken_away_neither_sees_nor_answers(talk: Talk, till: Till) -> None:
    """Also where the run works for this user."""
    guest = Principal(talk.slot.organization, "guest", frozenset({"chat"}))
    owner = Principal(talk.slot.organization, "user")
    refund = call("refund", order="7", amount=80)
    script(talk, says("Hello."), [refund], says("Done."))
    await hire(talk, {"name": "refund", "policy": "ask"})
    await ask(talk, "Hello")
    await share(talk.stores, owner, talk.slot, "guest", "write")
    started = await send(talk.stores, talk.models, guest, "c1", NewMessage("Refund 7.", AGENT))
    assert isinstance(started, StartedRun)
    await launch(talk.platform, started, None).over()
    seen, _ = await list_waiting(talk.stores, guest, 10, None)
    assert [one.call_id for one in seen] == [refund.id]
    await unshare(talk.stores, owner, talk.slot, "guest")
    assert await list_waiting(talk.stores, guest, 10, None) == ([], None)
    with pytest.raises(NotFound):
        await give(talk, refund.id, "approve", guest)
    await share(talk.stores, owner, talk.slot, "guest", "read")
    await give(talk, refund.id, "approve", guest)
    await go_on(talk)
    assert till.paid == [("7", 80)]


async def test_viewer_who_comes_between_the_answer_and_what_follows_stays(talk: Talk, till: Till) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund], says("Done."))
    await hire(talk, ASKING)
    await ask(talk)
    seen: list[str] = []
    announced = asyncio.Event()

    async def view() -> None:
        async for batch in follow(talk.stores, await run_of(talk), 0):
            seen.extend(one.type for one in batch)
            announced.set()

    await view()
    assert seen[-1] == "waiting"
    await give(talk, refund.id, "approve")
    announced.clear()
    viewing = asyncio.create_task(view())
    await announced.wait()
    await go_on(talk)
    await viewing
    assert seen[-1] == "done"


async def test_edited_arguments_are_run_and_told_to_the_model(talk: Talk, till: Till) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, ASKING)
    await ask(talk)
    for wrong in ({"order": "7", "amount": "much"}, {"order": "7"}, {"order": "7", "amount": 1, "to": "me"}):
        with pytest.raises(InvalidRequest) as error:
            await give(talk, refund.id, "approve", arguments=wrong)
        assert error.value.code == "invalid_arguments"
    await give(talk, refund.id, "approve", arguments={"order": "7", "amount": 60})
    await go_on(talk)
    assert till.paid == [("7", 60)]
    [result] = await tool_results(talk)
    assert result.endswith("paid 60 for 7")
    assert '"amount":60' in result.splitlines()[0]


async def test_same_answer_again_gets_the_first_and_another_one_a_conflict(talk: Talk, till: Till) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, ASKING)
    await ask(talk)
    first = await give(talk, refund.id, "approve")
    assert (await give(talk, refund.id, "approve")).answer == first.answer
    with pytest.raises(Conflict) as error:
        await give(talk, refund.id, "reject")
    assert error.value.code == "already_answered"
    assert error.value.details["answer"]["decision"] == "approve"
    await go_on(talk)
    assert (await give(talk, refund.id, "approve")).answer == first.answer
    assert await go_on(talk) == []
    print("RESULTS", await tool_results(talk), await run_of(talk))
    assert till.paid == [("7", 80)]


async def test_simultaneous_answers_count_once(talk: Talk, till: Till) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, ASKING)
    await ask(talk)
    decisions = ["approve", "reject"] * 3
    answers = [give(talk, refund.id, decision) for decision in decisions]
    found = await asyncio.gather(*answers, return_exceptions=True)
    [stored] = await talk.stores.approvals.of_slot(talk.slot)
    assert stored.answer is not None
    for decision, outcome in zip(decisions, found, strict=True):
        if decision == stored.answer.decision:
            assert not isinstance(outcome, BaseException)
        else:
            assert isinstance(outcome, Conflict)
    await asyncio.gather(go_on(talk), go_on(talk))
    assert till.paid == ([("7", 80)] if stored.answer.decision == "approve" else [])


async def test_run_goes_on_when_all_its_calls_are_answered(talk: Talk, till: Till) -> None:
    one, two, free = (call("refund", order=str(n), amount=n) for n in (70, 80, 5))
    script(talk, [one, free, two], says("Done."))
    await hire(talk, ASKING | {"policy": {"ask": "amount > 50"}})
    await ask(talk)
    assert till.paid == [("5", 5)]
    assert [each.call_id for each in await waiting_calls(talk)] == [one.id, two.id]
    await give(talk, two.id, "reject")
    assert await go_on(talk, "lost") == []
    await give(talk, one.id, "approve")
    await go_on(talk)
    assert till.paid == [("5", 5), ("70", 70)]
    request = talk.models.requests[-1].messages[-1]["content"]
    assert [block["toolResult"]["toolUseId"] for block in request] == [one.id, free.id, two.id]


@pytest.mark.parametrize(
    "arguments", [{"order": "7"}, {"order": "7", "amount": "80"}, {"order": 7, "amount": 80}]
)
async def test_call_that_could_not_run_asks_nobody_and_is_not_run(
    talk: Talk, till: Till, arguments: dict[str, Any]
) -> None:
    """A text that a tool reads as a number would pass a rule that compares numbers."""
    script(talk, [call("refund", **arguments)])
    await hire(talk, ASKING | {"policy": {"ask": "amount > 50"}})
    await ask(talk)
    assert (await waiting_calls(talk), till.paid) == ([], [])
    [result] = await tool_results(talk)
    assert result.startswith("refund failed: arguments")


# --- questions -----------------------------------------------------------------------------------------


async def test_question_waits_for_the_user_and_its_answer_is_the_result(talk: Talk) -> None:
    question = call("ask_user", question="Which color?", options=["red", "blue"])
    script(talk, [question], says("Blue it is."))
    await hire(talk, "ask_user")
    seen = await ask(talk)
    assert seen[-2]["prompt"] == "Which color?"
    assert seen[-2]["options"] == ["red", "blue"]
    user = Principal(talk.slot.organization, "user")
    for wrong in ({"content": "green"}, {}, {"content": "red", "arguments": {}}):
        with pytest.raises(InvalidRequest):
            await give(talk, question.id, "answer", user, **wrong)
    with pytest.raises(InvalidRequest):
        await give(talk, question.id, "approve", user)
    await give(talk, question.id, "answer", user, content="blue")
    await go_on(talk)
    assert await tool_results(talk) == ["blue"]


async def test_answer_must_fit_the_schema_of_its_question(talk: Talk) -> None:
    schema = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
    question = call("ask_user", question="Which size?", schema=schema)
    script(talk, [question])
    await hire(talk, "ask_user")
    await ask(talk)
    user = Principal(talk.slot.organization, "user")
    with pytest.raises(InvalidRequest):
        await give(talk, question.id, "answer", user, content={"size": "large"})
    await give(talk, question.id, "answer", user, content={"size": 42})
    await go_on(talk)
    assert await tool_results(talk) == ['{"size":42}']


async def test_question_with_a_schema_that_cannot_be_used_is_told_to_the_model(talk: Talk) -> None:
    script(talk, [call("ask_user", question="?", schema={"type": "thing"})])
    await hire(talk, "ask_user")
    await ask(talk)
    [result] = await tool_results(talk)
    assert "schema" in result
    assert await waiting_calls(talk) == []


# --- time ----------------------------------------------------------------------------------------------


async def test_answer_comes_29_days_later(talk: Talk, till: Till, clock: Clock) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund], says("Done."))
    await hire(talk, ASKING, limits={"maxSeconds": 60})
    await ask(talk)
    clock.ahead = 29 * DAY_MS
    await give(talk, refund.id, "approve")
    seen = await go_on(talk)
    assert till.paid == [("7", 80)]
    assert seen[-1]["finishReason"] == "stop"  # the time in which people think is not the agent's
    assert seen[-1]["durationMs"] < 60_000


@pytest.mark.parametrize("way", ["sweep", "answer", "queue"])
async def test_call_counts_as_rejected_when_its_time_is_over(
    talk: Talk, till: Till, clock: Clock, way: str
) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund], says("Never mind."))
    await hire(talk, ASKING | {"expires": 3600})
    await ask(talk)
    clock.ahead = 3_601_000
    if way == "sweep":
        await sweep_all(talk)
    elif way == "answer":
        with pytest.raises(Conflict) as error:
            await give(talk, refund.id, "approve")
        assert error.value.details["answer"] | {"answeredAt": ""} == {
            "decision": "reject",
            "arguments": None,
            "content": None,
            "reason": "expired",
            "answeredBy": None,
            "answeredAt": "",
        }
    seen = await go_on(talk, "lost" if way == "queue" else "answered")
    assert till.paid == []
    answered = next(event for event in seen if event["type"] == "approval_answered")
    assert (answered["decision"], answered["reason"], answered["answeredBy"]) == ("reject", "expired", None)
    assert await tool_results(talk) == ["refund was not run: nobody approved it in time."]


async def test_run_fails_at_expiry_where_the_agent_says_so(talk: Talk, till: Till, clock: Clock) -> None:
    script(talk, [call("refund", order="7", amount=80)])
    await hire(talk, ASKING | {"expires": 60}, onExpired="fail")
    await ask(talk)
    clock.ahead = 61_000
    seen = await go_on(talk, "lost")
    assert (seen[-1]["type"], seen[-1]["code"]) == ("error", "approval_expired")
    assert (await run_of(talk)).state == "failed"
    assert till.paid == []


async def sweep_all(talk: Talk) -> None:
    """Sweeps until nothing of this conversation is due: other tests' calls are due as well."""
    for _ in range(50):
        due = await talk.stores.approvals.due(talk.stores.clock(), 100)
        if not any(one.slot == talk.slot for one in due):
            return
        await sweep_waiting(talk.stores)
    raise AssertionError("the sweep does not come to an end")


async def test_sweep_has_a_run_go_on_whose_answer_was_left(
    talk: Talk, till: Till, clock: Clock, queue: Queue
) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, ASKING)
    await ask(talk)
    [waiting] = await waiting_calls(talk)
    from millrace.domain.approvals import Answer
    from millrace.domain.clock import iso

    now = talk.stores.clock()
    await talk.stores.approvals.answer(waiting, Answer("approve", "boss", iso(now)), now)  # and it dies
    clock.ahead = 20_000
    await sweep_all(talk)
    assert (waiting.run_id, "answered") in queue.sent
    await go_on(talk)
    assert till.paid == [("7", 80)]
    clock.ahead = 200_000
    await sweep_all(talk)
    due = await talk.stores.approvals.due(talk.stores.clock() + 100 * DAY_MS, 1000)
    assert not any(one.slot == talk.slot for one in due)


# --- beside it -----------------------------------------------------------------------------------------


async def test_message_to_a_waiting_conversation_names_the_calls(talk: Talk) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, ASKING)
    await ask(talk)
    with pytest.raises(Conflict) as error:
        await ask(talk, "And?")
    assert error.value.code == "run_waiting"
    assert error.value.details["calls"] == [{"callId": refund.id, "kind": "approval", "name": "refund"}]


async def test_message_that_is_injected_rejects_what_waits_and_the_run_goes_on_with_it(
    talk: Talk, till: Till
) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund], says("Then not."))
    await hire(talk, ASKING)
    await ask(talk)
    message = NewMessage("No, keep it.", "clerk", if_busy="inject", idempotency_key="k")
    caller = Principal(talk.slot.organization, "user")
    accepted = await send(talk.stores, talk.models, caller, "c1", message)
    assert isinstance(accepted, AcceptedMessage)
    again = await send(talk.stores, talk.models, caller, "c1", message)
    assert isinstance(again, AcceptedMessage)
    assert again.injection.id == accepted.injection.id
    await go_on(talk)
    assert till.paid == []
    assert await tool_results(talk) == ["refund was rejected and not run. Reason: No, keep it."]
    last = talk.models.requests[-1].messages[-1]["content"]
    assert "No, keep it." in last[-1]["text"]


async def test_live_message_waits_with_the_run_for_ten_minutes(talk: Talk, clock: Clock) -> None:
    from tests.services.live import inject

    for minutes, heard in ((9, True), (11, False)):
        clock.ahead = 0
        refund = call("refund", order="7", amount=80)
        script(talk, [refund], says("Done."))
        if heard:
            await hire(talk, ASKING)
        await ask(talk)
        await inject(talk.stores, talk.slot, "By the way.")
        assert await waiting_calls(talk)
        clock.ahead = minutes * 60_000
        await give(talk, refund.id, "approve")
        await go_on(talk)
        last = str(talk.models.requests[-1].messages[-1])
        assert ("By the way." in last) == heard


async def test_stopped_run_waits_for_nobody(talk: Talk, till: Till) -> None:
    refund = call("refund", order="7", amount=80)
    script(talk, [refund], says("Hello."))
    await hire(talk, ASKING)
    await ask(talk)
    run = await run_of(talk)
    assert await stop_run(talk.stores, talk.slot, "stopped") == run.id
    assert await waiting_calls(talk) == []
    page, _ = await talk.stores.approvals.page(talk.slot.organization, 10)
    assert page == []
    with pytest.raises(Conflict) as error:
        await give(talk, refund.id, "approve")
    assert error.value.code == "not_waiting"
    assert await go_on(talk) == []
    assert (await run_of(talk)).state == "stopped"
    assert till.paid == []
    assert (await ask(talk, "Hello"))[-1]["type"] == "done"


async def test_deleted_conversation_waits_for_nobody(talk: Talk, till: Till) -> None:
    from millrace.services.runs.delete import delete_conversation

    refund = call("refund", order="7", amount=80)
    script(talk, [refund])
    await hire(talk, ASKING)
    await ask(talk)
    run = await run_of(talk)
    await delete_conversation(talk.stores, talk.slot)
    with pytest.raises(NotFound):
        await answer_call(talk.stores, boss(talk), run.id, GivenAnswer(refund.id, "approve"))
    assert await talk.stores.approvals.of_slot(talk.slot) == []
    page, _ = await talk.stores.approvals.page(talk.slot.organization, 10)
    assert page == []


async def test_bus_is_told_of_requests_and_answers_each_with_an_id_of_its_own(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process counted from one again: what it announced had been seen before."""
    sent: list[BusEvent] = []

    async def put(events: list[BusEvent]) -> None:
        sent.extend(events)

    monkeypatch.setattr(talk.stores.bus, "put", put)
    refund = call("refund", order="7", amount=80)
    script(talk, [refund], says("Done."))
    await hire(talk, ASKING, visibility="steps")
    await ask(talk)
    await give(talk, refund.id, "approve", reason="Fine.")
    await go_on(talk)
    details = [orjson.loads(one.detail) for one in sent]
    assert len({one["id"] for one in details}) == len(details)
    asked = {one["type"]: one for one in details if one["type"].startswith("approval:")}
    assert (asked["approval:requested"]["name"], asked["approval:requested"]["arguments"]) == ("refund", {})
    answered = asked["approval:answered"]
    assert (answered["decision"], answered["answeredBy"], answered["reason"]) == ("approve", "boss", "Fine.")
    assert {one.source for one in sent if one.kind.startswith("approval:")} == {"millrace.approval"}
    changes = [(one["from"], one["to"]) for one in details if one["type"] == "run:status_changed"]
    assert changes == [("running", "waiting"), ("waiting", "running"), ("running", "completed")]


# --- messages of the queue that come late, and sweeps ----------------------------------------------------


async def test_late_message_of_the_queue_does_not_wake_a_run_that_waits_again(talk: Talk, till: Till) -> None:
    """While it was awake, the answer that it waited for was refused."""
    first, second = (call("refund", order=order, amount=80) for order in "12")
    script(talk, [first], [second], says("Done."))
    await hire(talk, ASKING)
    await ask(talk)
    await give(talk, first.id, "approve")
    await go_on(talk)
    before = await talk.stores.leases.peek(talk.slot)
    assert await go_on(talk) == []  # SQS delivers the first answer's message again
    assert await talk.stores.leases.peek(talk.slot) == before
    await give(talk, second.id, "approve")
    await go_on(talk)
    assert till.paid == [("1", 80), ("2", 80)]


async def test_sweep_looks_after_an_answer_no_more_while_another_call_waits(talk: Talk, clock: Clock) -> None:
    """It looked every minute, for as long as the other call waited: those of many runs kept it from calls
    whose time was over."""
    calls = [call("refund", order=order, amount=80) for order in "12"]
    script(talk, calls)
    await hire(talk, ASKING)
    await ask(talk)
    await give(talk, calls[0].id, "approve")
    clock.ahead = 20_000
    await sweep_all(talk)
    assert [one.call_id for one in await waiting_calls(talk)] == [calls[1].id]
    due = await talk.stores.approvals.due(talk.stores.clock() + DAY_MS, 1000)
    assert not any(one.slot == talk.slot for one in due)
