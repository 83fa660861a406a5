"""Real runs, from the request to the spans at an endpoint: with sub-agents, approvals and processes that
die."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import orjson
import pytest

from millrace.agent.model import Delta, ModelRequest, Text
from millrace.agent.tools.function import tool
from millrace.agent.tools.tool import ToolContext
from millrace.domain.events import Event
from millrace.domain.traces import context_of, set_traceparent, span_id
from millrace.services.runs.run_events import missed_end
from millrace.settings import Settings
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.runs import stream_of
from tests.aws import Aws
from tests.fakes.otlp import Collector, attributes_of, collecting
from tests.services.asking import ASKING, Till, ask, call, clock, give, go_on, hire, queue, run_of, talk, till
from tests.services.durable import environment
from tests.services.mortal import Blow, Killed, Mortal
from tests.services.scripted import Talk, says
from tests.services.test_durability import Shop, Worker
from tests.services.test_nested_asking import hire_another, refund
from tests.services.traces.exporting import TIME, Exporting, failed

__all__ = ["clock", "environment", "queue", "talk", "till"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def on_bus(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events that runs put on the bus. Those that a process has in hand die with it."""
    kept: list[Event] = []

    async def put(bus: EventBus, events: list[BusEvent]) -> None:
        if getattr(bus._aws, "dead", False):
            raise Killed
        kept.extend(orjson.loads(one.detail) for one in events)

    monkeypatch.setattr(EventBus, "put", put)
    return kept


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


async def export(aws: Aws, collector: Collector, events: list[Event], **settings: Any) -> None:
    """Export events in two batches, each of which comes twice."""
    exporting = Exporting.to(aws, collector.url, **settings)
    middle = len(events) // 2
    for part in (events[middle:], events[:middle]):
        batch = exporting.batch(*part, *part)
        assert failed(batch, await exporting.exporter().export(batch, TIME)) == []
    await asyncio.to_thread(exporting.stores.aws.close)


async def test_run_with_a_sub_agent_and_an_approval_is_one_tree(
    talk: Talk, till: Till, on_bus: list[Event], aws_environment: Aws, collector: Collector
) -> None:
    asked, wanted = call("ask_payer", task="Pay 80."), refund()
    talk.models.turns = [[asked], [*says("I ask."), wanted], says("Paid."), says("All done.")]
    await hire_another(talk, "payer", ASKING)
    await hire(talk, "agent:payer")
    set_traceparent(f"00-{TRACE}-00f067aa0ba902b7-01")
    await ask(talk)
    set_traceparent("")
    await give(talk, wanted.id, "approve")
    await go_on(talk)
    await export(aws_environment, collector, on_bus)

    run = await run_of(talk)
    organization = talk.slot.organization
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert Counter(span.name for span in collector.spans) == {
        "invoke_agent Clerk": 1,
        "invoke_agent payer": 1,
        "execute_tool refund": 1,
        "wait_for_approval refund": 1,
        "chat echo": 4,
    }
    root, payer = collector.named("invoke_agent Clerk"), collector.named("invoke_agent payer")
    assert root.span_id == span_id(organization, run.id)
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    below = Counter(span.name for span in collector.spans if span.parent_span_id == payer.span_id)
    assert below == {"execute_tool refund": 1, "wait_for_approval refund": 1, "chat echo": 2}
    waited = collector.named("wait_for_approval refund")
    reported = attributes_of(waited)
    assert (reported["millrace.approval.decision"], "millrace.duration_unknown" in reported) == (
        "approve",
        False,
    )
    assert "Refund" not in str(collector.spans)
    assert "All done" not in str(collector.spans)


async def test_texts_and_the_user_are_told_where_they_are_asked_for(
    talk: Talk, on_bus: list[Event], aws_environment: Aws, collector: Collector
) -> None:
    talk.models.turns = [says("All ", "done.")]
    await hire(talk)
    await ask(talk, "Please do it.")
    await export(aws_environment, collector, on_bus, otlp_texts="true")
    reported = attributes_of(collector.named("invoke_agent Clerk"))
    assert orjson.loads(reported["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Please do it."}]}
    ]
    assert orjson.loads(reported["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "All done."}]}
    ]
    assert reported["user.id"] == "user"


class Dying(Shop):
    """A run whose first process dies in its second payment, with all that it has not told the bus."""

    died = False

    def tools(self) -> dict[str, Any]:
        async def pay(context: ToolContext) -> str:
            """Pays."""
            if context.call_id == "pay-2" and not self.died:
                self.died = self.aws.dead = True
                raise Killed
            self.paid[context.call_id] += 1
            return "paid"

        return super().tools() | {"pay": tool(pay)}


async def test_run_that_another_process_took_over_is_one_trace_with_each_tool_call_once(
    environment: Settings,
    monkeypatch: pytest.MonkeyPatch,
    on_bus: list[Event],
    aws_environment: Aws,
    collector: Collector,
) -> None:
    aws = Mortal(environment.region, [])
    world = Dying(environment, aws)
    run = await world.play(monkeypatch)
    assert aws.deaths == 1
    # Whatever the first process had told, it may as well have told nothing but its beginning.
    kinds = ("run:tool_completed", "run:llm_call")
    reported = [event for event in on_bus if event["type"] not in kinds or event.get("callId") == "pay-2"]
    # The look of every minute did not see the end, and tells it once more.
    await export(aws_environment, collector, [*reported, missed_end(run)])
    organization = run.slot.organization
    assert {span.trace_id for span in collector.spans} == {context_of(organization, run.id, "").trace_id}
    names = {span.span_id: span.name for span in collector.spans}
    tools = Counter(name for name in names.values() if name.startswith("execute_tool"))
    assert tools == {"execute_tool check_stock": 1, "execute_tool pay": 2}
    assert list(names.values()).count("invoke_agent Worker") == 1
    await asyncio.to_thread(aws.close)
    await asyncio.to_thread(world.others.aws.close)


class CutOff(Worker):
    """A model whose first answer is cut off: its process dies when something of it is in the log."""

    world: "Interrupted"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        if not self.world.died:
            yield Text("I begin to ")
            await self.world.heard()
            self.world.died = self.world.aws.dead = True
            raise Killed
        async for delta in super().stream(request):
            yield delta


class Interrupted(Shop):
    """A run whose first process dies within its first model call."""

    models = CutOff
    died = False

    async def heard(self) -> None:
        """Wait until the log has something of the answer."""
        slot = self.talk.slot
        for _ in range(6000):
            run_id = (
                await self.others.leases.peek(slot)
            ).run_id or ""  # the model is asked before it is stored
            log = await self.others.log.read(stream_of(slot.organization, run_id))
            if any(one.type == "token" for one in log):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("nothing was logged")


async def test_model_call_that_a_kill_cut_off_has_a_span(
    environment: Settings,
    monkeypatch: pytest.MonkeyPatch,
    on_bus: list[Event],
    aws_environment: Aws,
    collector: Collector,
) -> None:
    aws = Mortal(environment.region, [])
    world = Interrupted(environment, aws)
    monkeypatch.setattr(CutOff, "world", world, raising=False)
    run = await world.play(monkeypatch)
    assert aws.deaths == 1
    await export(aws_environment, collector, [*on_bus, missed_end(run)])
    by_id = {span.span_id: span for span in collector.spans if span.name.startswith("chat")}
    lost = [one for one in by_id.values() if attributes_of(one).get("error.type") == "process_lost"]
    assert len(by_id) == 4, "one that was cut off, and three of the other process"
    [cut_off] = lost
    assert cut_off.parent_span_id == span_id(run.slot.organization, run.id)
    assert cut_off.start_time_unix_nano <= cut_off.end_time_unix_nano
    reported = attributes_of(cut_off)
    assert reported["gen_ai.usage.output_tokens"] > 0
    assert reported["millrace.usage.estimated"] is True
    await asyncio.to_thread(aws.close)
    await asyncio.to_thread(world.others.aws.close)


async def test_run_that_its_processes_did_not_survive_has_its_spans_and_its_error(
    environment: Settings,
    monkeypatch: pytest.MonkeyPatch,
    on_bus: list[Event],
    aws_environment: Aws,
    collector: Collector,
) -> None:
    aws = Mortal(environment.region, [[Blow(2, "kill before")] for _ in range(3)])
    world = Shop(environment, aws)
    run = await world.play(monkeypatch)
    assert run.state == "failed"
    await export(aws_environment, collector, [*on_bus, missed_end(run)])
    reported = attributes_of(next(span for span in collector.spans if span.name == "invoke_agent Worker"))
    assert reported["error.type"] == "step_keeps_failing"
    await asyncio.to_thread(aws.close)
    await asyncio.to_thread(world.others.aws.close)
