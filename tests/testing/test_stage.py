"""`millrace.testing`: the features that tests of projects use."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from millrace.agent.tools.builtin import OWN_TOOLS
from millrace.agent.tools.current_time import current_time
from millrace.app import AgentContext, ToolContext, ToolError, agent, status, tool
from millrace.domain.access import Principal
from millrace.testing import FrozenClock, ProcessLost, Stage, calls, fails, says, thinks


@tool(name="stage_look", repeat="safe")
async def find(order: str, context: ToolContext) -> str:
    """Look an order up."""
    if order == "0":
        raise ToolError("There is no order 0.")
    assert context.secrets is not None
    return f"{order} of {context.user.id}, {await context.secrets.read('shop')}"


@tool(name="stage_pay", policy={"ask": "amount > 50"})
def pay(amount: float) -> str:
    """Pay."""
    return f"paid {amount:g}"


@agent("stage_helper", tools=[find, pay])
async def helper(ctx: AgentContext) -> AsyncIterator[Any]:
    """Helps."""
    yield status("Looking ...")
    found = await ctx.call_tool(find, order=await ctx.step("number", lambda: "7"))
    for live in await ctx.live_messages():
        yield f"[{live}] "
    answer = await ctx.model.ask(f"Say it nicely: {found}")
    yield answer


@pytest.fixture(autouse=True)
def no_tools_left() -> Iterator[None]:
    before = dict(OWN_TOOLS)
    yield
    OWN_TOOLS.clear()
    OWN_TOOLS.update(before)


def stage_of(agent: Any, **more: Any) -> Stage:
    return Stage(agent, tools=[find, pay], user="ann", secrets={"shop": "s3"}, **more)


def test_scripted_model_calls_real_tools() -> None:
    stage = stage_of({"name": "A"})
    stage.model(thinks("hm") + calls("stage_look", order="7"), says("Here it is."))
    assert stage.ask("Where is 7?") == "Here it is."
    stage.assert_events("thinking:hm", "tool_call:stage_look", "tool_result", "token:Here it is.")
    assert "7 of ann, s3" in str(stage.script.requests[1].messages)
    assert stage.finish_reason == "stop"


def test_conversation_goes_on_with_its_history() -> None:
    stage = stage_of({"name": "A"})
    stage.model(says("Hi."), says("Bye."))
    stage.ask("one")
    assert stage.ask("two") == "Bye."
    assert len(stage.script.requests[1].messages) == 3
    stage.assert_events("token:Bye.")


def test_agent_in_code_is_played_with_steps_model_and_live_messages() -> None:
    stage = stage_of(helper)
    stage.model(says("Nice."))
    stage.send_live("hurry")
    assert stage.ask("?") == "[hurry] Nice."
    stage.assert_events("injected", "status:Looking", "tool_call:step__number", ..., "token:Nice.")


def test_call_that_asks_waits_and_its_answer_goes_on() -> None:
    stage = stage_of({"name": "A"})
    stage.model(calls("stage_pay", amount=60), says("Done."))
    stage.ask("pay")
    assert (stage.finish_reason, [one.name for one in stage.waiting]) == ("waiting", ["stage_pay"])
    assert stage.answer("stage_pay", arguments={"amount": 55}) == "Done."
    stage.assert_events(..., "approval_requested", "approval_answered", "tool_result", "token")
    assert "paid 55" in str(stage.history)


def test_rejected_call_is_not_run() -> None:
    stage = stage_of({"name": "A"})
    stage.model(calls("stage_pay", amount=60), says("Sorry."))
    stage.ask("pay")
    stage.answer(decision="reject", reason="too much")
    assert "rejected and not run. Reason: too much" in str(stage.history)


def test_call_expires_by_the_clock() -> None:
    clock = FrozenClock()
    stage = stage_of({"name": "A"}, clock=clock)
    stage.model(calls("stage_pay", amount=60), says("Too late."))
    stage.ask("pay")
    clock.advance(31 * 24 * 3600)
    assert stage.go_on() == "Too late."
    assert "nobody approved it in time" in str(stage.history)


def test_losses_at_each_write_change_nothing_for_a_safe_agent() -> None:
    stage = stage_of(helper)
    stage.model(says("Nice."))
    assert stage.ask_through_losses("?") == "Nice."


def test_loss_that_changes_the_answer_is_told_with_its_place() -> None:
    times = iter(range(100))

    @agent("stage_forgetful", tools=[find])
    async def forgetful(ctx: AgentContext) -> AsyncIterator[str]:
        yield f"{next(times)}"
        await ctx.step("one", lambda: 1)
        yield f" {next(times)}"

    with pytest.raises(AssertionError, match=r"lost at write \d+ of \d+ the answer is"):
        stage_of(forgetful).ask_through_losses("?")


def test_lost_process_raises_and_the_next_one_goes_on() -> None:
    stage = stage_of({"name": "A"})
    stage.model(calls("stage_look", order="7"), says("Here."))
    with pytest.raises(ProcessLost):
        stage.ask("?", lost_at=2)
    assert stage.go_on() == "Here."


def test_script_that_ends_says_what_the_model_was_asked() -> None:
    with pytest.raises(AssertionError, match=r"asked for turn 1.*last message is .*anything"):
        stage_of({"name": "A"}).ask("anything")


def test_failing_model_fails_the_run() -> None:
    stage = stage_of({"name": "A"})
    stage.model(fails("No quota."))
    with pytest.raises(Exception, match="No quota"):
        stage.ask("?")


def test_wrong_events_are_shown_beside_the_expected_ones() -> None:
    stage = stage_of({"name": "A"})
    stage.model(says("Hi."))
    stage.ask("?")
    with pytest.raises(AssertionError, match=r"token:Hi\.\nand not\n  status, \.\.\."):
        stage.assert_events("status", ...)


def test_structured_output_and_principal() -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    stage = Stage({"name": "A", "responseSchema": schema}, user=Principal("org", "bob"))
    stage.model(says('{"ok": true}'))
    stage.ask("?")
    assert stage.output == {"ok": True}


def test_frozen_clock_is_the_time_of_millrace(frozen_clock: FrozenClock) -> None:
    assert current_time().startswith("2026-01-01T12:00:00")
    frozen_clock.advance(3600)
    assert current_time().startswith("2026-01-01T13:00:00")
    assert time.time() == 1767272400
