"""Fitting: any history is sent within the limit, valid, and with the first and the last question."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from millrace.agent.budget import Budget
from millrace.agent.context.compaction import Summarizer
from millrace.agent.context.context import Context
from millrace.agent.estimate import prompt_tokens
from millrace.agent.history import result_block, to_turns
from millrace.agent.model import ModelRequest
from millrace.agent.model_calls import ModelCalls
from millrace.agent.providers.bedrock import converse_request
from millrace.domain.agents import AgentLimits
from millrace.domain.conversations import StoredMessage
from millrace.domain.summaries import Summary, summarized
from tests.agent.context.windowed import WindowedModel
from tests.fakes.strict_models import check_converse

WINDOW = 3_000
sizes = st.sampled_from([1, 20, 300, 2_000, 30_000])


@st.composite
def histories(draw: st.DrawFn) -> list[StoredMessage]:
    """Rounds of questions, calls, results in one message or several, live messages and answers."""
    made: list[StoredMessage] = []

    def add(role: Any, *content: dict[str, Any], **more: Any) -> None:
        made.append(StoredMessage(f"msg_{len(made)}", role, list(content), "", **more))

    for number in range(draw(st.integers(1, 8))):
        add("user", {"text": f"Question {number} " + "q" * draw(st.sampled_from([1, 50, 400]))})
        for round in range(draw(st.integers(0, 3))):
            ids = [f"c_{number}_{round}_{at}" for at in range(draw(st.integers(1, 3)))]
            add("assistant", *({"toolUse": {"toolUseId": id, "name": "look", "input": {}}} for id in ids))
            results = [result_block(id, True, "r" * draw(sizes)) for id in ids]
            if draw(st.booleans()):
                add("user", *results)
            else:
                for one in results:
                    add("user", one)
            if draw(st.booleans()):
                add("user", {"text": "Live."}, injected=True)
        add("assistant", {"text": "a" * draw(st.sampled_from([1, 100, 1_000]))})
    add("user", {"text": "The last question"})
    return made


@settings(max_examples=60, deadline=None)
@given(histories())
def test_any_history_fits_and_is_valid(history: list[StoredMessage]) -> None:
    asyncio.run(fit(history))


async def fit(history: list[StoredMessage]) -> None:
    kept: list[Summary] = []

    async def keep(summary: Summary) -> None:
        kept.append(summary)

    model = WindowedModel(WINDOW)
    calls = ModelCalls(Budget(AgentLimits()), lambda *_: None)
    context = Context(WINDOW, Summarizer(model, "m", "openai:m", calls, WINDOW), lambda event: None, keep)
    request = ModelRequest("m", "Be brief.", [], max_tokens=context.output_tokens(8_192, 0))
    fitted = await context.fit(history, request)
    sent = replace(request, messages=to_turns(fitted))
    check_converse(converse_request(sent))
    assert prompt_tokens(sent) + sent.max_tokens <= WINDOW
    assert "The last question" in str(sent.messages[-1])
    assert "Question 0" in str(sent.messages[0])
    assert model.refusals == 0
    if kept:
        again = summarized(history, kept[-1])
        assert [one.id for one in again] == [one.id for one in fitted], "the next run begins as this one"
