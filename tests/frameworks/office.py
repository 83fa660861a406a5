"""Agents of the OpenAI Agents SDK whose models answer by their input."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from agents import Agent, GuardrailFunctionOutput, RunConfig, function_tool, handoff, input_guardrail
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call
from agents.usage import Usage
from pydantic import BaseModel

from millrace.frameworks.openai_agents import openai_agent
from tests.agent.code.playing import Stage

QUIET = RunConfig(tracing_disabled=True)


def items(call: ModelCall, kind: str) -> list[Any]:
    assert isinstance(call.input, list)
    return [one for one in call.input if isinstance(one, dict) and one.get("type") == kind]


def said_by_users(call: ModelCall) -> list[str]:
    assert isinstance(call.input, list)
    return [str(one["content"]) for one in call.input if isinstance(one, dict) and one.get("role") == "user"]


class Office:
    """A triage agent that hands over to a clerk with two tools; its models answer by what they are sent."""

    def __init__(self, *, ask: bool = False, as_object: bool = False) -> None:
        self.done: Counter[str] = Counter()
        self.asked: list[list[str]] = []

        @function_tool
        def weather(city: str) -> str:
            """Return the weather."""
            self.done["weather"] += 1
            return f"sunny in {city}"

        @function_tool(needs_approval=ask)
        async def pay(amount: int) -> dict[str, int]:
            """Pay."""
            self.done["pay"] += 1
            return {"paid": amount}

        self.clerk = Agent(name="Clerk", model=self.model(self._clerk), tools=[weather, pay])
        over = handoff(self.clerk) if as_object else self.clerk
        self.triage = Agent(name="Triage", model=self.model(self._triage), handoffs=[over])

    def model(self, answer: Callable[[ModelCall], Any]) -> ScriptedModel:
        return ScriptedModel([ModelStep.respond(answer)] * 20, default_usage=Usage(1, 10, total_tokens=15))

    def _triage(self, call: ModelCall) -> Any:
        self.done["Triage"] += 1
        return [function_call("transfer_to_clerk", {}, call_id="over")]

    def _clerk(self, call: ModelCall) -> Any:
        self.done["Clerk"] += 1
        self.asked.append(said_by_users(call))
        results = items(call, "function_call_output")
        if len(results) == 1:  # that of the handoff
            return [assistant_message("I see. "), function_call("weather", {"city": "Tokyo"}, call_id="one")]
        if len(results) == 2:
            return [function_call("pay", {"amount": 7}, call_id="two")]
        return [assistant_message(f"It is {results[1]['output']}: {results[2]['output']}")]

    def stage(self, **more: Any) -> Stage:
        return Stage(openai_agent("office", self.triage, run_config=QUIET, **more))


class Endless:
    """An agent whose model waits to be stopped."""

    def __init__(self) -> None:
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self.agent = Agent(name="Endless", model=ScriptedModel([ModelStep.respond(self._answer)]))

    async def _answer(self, call: ModelCall) -> Any:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@input_guardrail
async def homework(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
    """Refuses all."""
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)


def json_sayer(seen: list[Any]) -> Agent[Any]:
    """An agent that answers with JSON, and notes the context that its instructions get."""

    def instructions(context: Any, agent: Any) -> str:
        seen.append(context.context)
        return "Answer."

    model = ScriptedModel([[assistant_message('{"city": "Kyoto"}')]])
    return Agent(name="Typed", instructions=instructions, output_type=City, model=model)


class City(BaseModel):
    """An output."""

    city: str
