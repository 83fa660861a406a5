"""Options of a message for its own run: tools that its client runs, an earlier history, instructions."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from millrace.domain.access import Principal
from millrace.domain.projection import project
from millrace.domain.run_definitions import ClientTool, EarlierMessage
from millrace.errors import Conflict, InvalidRequest
from millrace.services.runs.client_tools import TOOLS_BYTES
from millrace.services.runs.run_options import MOST_EARLIER, RunOptions
from millrace.services.runs.waiting_calls import list_in_conversation, list_waiting
from millrace.settings import Settings
from millrace.stores.bus import BusEvent
from millrace.stores.connect import Stores
from tests.services.asking import AGENT, Queue, call, give, go_on, hire, run_of, tool_results, waiting_calls
from tests.services.scripted import Talk, says, text_of

MAP = ClientTool("show_map", "Shows a map.", {"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture
async def talk(settings: Settings) -> AsyncIterator[Talk]:
    made = Talk(settings, Stores.connect(settings))
    await hire(made, instructions="Be brief.")
    Queue(made)
    yield made
    await made.platform.close()


async def say(talk: Talk, content: str = "Where is Rome?", **options: Any) -> list[dict[str, Any]]:
    said = await talk.say(content, agent_id=AGENT, options=RunOptions(**options))
    return [one.event for one in said]


def texts_of(turn: dict[str, Any]) -> list[str]:
    return [block["text"] for block in turn["content"]]


async def test_client_tool_waits_for_its_client_and_its_result_goes_to_the_model(talk: Talk) -> None:
    talk.models.turns = [[call("show_map", city="Rome")], says("There it is.")]
    said = await say(talk, client_tools=[MAP])
    assert [event["type"] for event in said][-3:] == ["tool_call", "approval_requested", "waiting"]
    assert said[-3]["client"] is True
    assert said[-1]["calls"][0]["kind"] == "client"
    [asked] = await waiting_calls(talk)
    assert (asked.name, asked.arguments) == ("show_map", {"city": "Rome"})
    await give(talk, asked.call_id, "answer", by=talk.caller, content="shown")
    rest = await go_on(talk)
    assert [event["token"] for event in rest if event["type"] == "token"] == ["There it is."]
    assert await tool_results(talk) == ["shown"]
    # The process that went on knows the tools from the run's definition alone.
    assert [spec.name for spec in talk.models.requests[-1].tools] == ["show_map"]


async def test_call_of_a_client_tool_is_shown_whole_to_viewers_who_see_no_other_tool(talk: Talk) -> None:
    talk.models.turns = [[call("show_map", city="Rome")]]
    said = await say(talk, client_tools=[MAP])
    for event in said[-3:-1]:
        assert project(event, "answer") == event
        assert event["arguments"] == {"city": "Rome"}


async def test_call_of_a_client_tool_is_no_news_for_people(talk: Talk) -> None:
    published: list[str] = []

    async def put(events: list[BusEvent]) -> None:
        published.extend(event.kind for event in events)

    talk.stores.bus.put = put  # type: ignore[method-assign]
    talk.models.turns = [[call("show_map", city="Rome")]]
    await say(talk, client_tools=[MAP])
    assert "run:tool_started" in published
    assert "approval:requested" not in published
    boss = Principal(talk.slot.organization, "boss", frozenset({"chat", "observe"}))
    assert await list_waiting(talk.stores, boss, 10, None) == ([], None)
    assert len(await list_in_conversation(talk.stores, talk.caller, talk.slot)) == 1


async def test_client_tool_that_failed_is_told_to_the_model_with_its_reason(talk: Talk) -> None:
    talk.models.turns = [[call("show_map", city="Rome")], says("Sorry.")]
    await say(talk, client_tools=[MAP])
    [asked] = await waiting_calls(talk)
    await give(talk, asked.call_id, "reject", by=talk.caller, reason="no map of Rome")
    await go_on(talk)
    assert await tool_results(talk) == ["show_map failed. Reason: no map of Rome"]


@pytest.mark.parametrize(
    "tools",
    [
        [MAP, MAP],
        [ClientTool("calculator", "", {})],
        [ClientTool(f"tool_{n}", "", {}) for n in range(128)],
        [
            ClientTool(f"tool_{n}", "", {"description": "x" * 16_000})
            for n in range(TOOLS_BYTES // 16_000 + 1)
        ],
        [ClientTool("large", "", {"description": "x" * 17_000})],
    ],
    ids=["twice", "the agent's own", "too many", "too large together", "too large"],
)
async def test_client_tools_that_the_agent_cannot_have_begin_no_run(
    talk: Talk, tools: list[ClientTool]
) -> None:
    await hire(talk, "calculator", id="accountant")
    with pytest.raises(InvalidRequest) as error:
        await talk.say("Go.", agent_id="accountant", options=RunOptions(client_tools=tools))
    assert error.value.code == "invalid_tool"
    assert not (await talk.stores.leases.peek(talk.slot)).newest()


async def test_earlier_messages_begin_the_history_and_stay_in_it(talk: Talk) -> None:
    talk.models.turns = [says("Blue."), says("Yes.")]
    earlier = [
        EarlierMessage("user", [{"text": "My color is blue."}]),
        EarlierMessage("assistant", [{"text": "Noted."}]),
    ]
    await say(talk, "Which is it?", earlier=earlier)
    await say(talk, "Sure?", earlier=earlier)
    expected = ["My color is blue.", "Noted.", "Which is it?", "Blue.", "Sure?"]
    assert [text for turn in talk.models.requests[-1].messages for text in texts_of(turn)] == expected
    assert [text_of(message) for message in await talk.messages()] == [*expected, "Yes."]
    assert (await run_of(talk)).previous_id


async def test_long_earlier_history_fits_the_first_write_and_loses_nothing(talk: Talk) -> None:
    said = [EarlierMessage("user", [{"text": f"word {n}"}]) for n in range(3 * MOST_EARLIER)]
    await say(talk, "And?", earlier=said)
    whole = "\n".join(text_of(message) for message in await talk.messages())
    assert all(f"word {n}\n" in f"{whole}\n" for n in range(3 * MOST_EARLIER))
    assert len(await talk.messages()) == MOST_EARLIER + 3


async def test_instructions_and_limit_of_a_message_hold_for_its_run_alone(talk: Talk) -> None:
    await say(talk, instructions="Speak Latin.", max_tokens=5)
    await say(talk)
    first, second = talk.models.requests
    assert (first.system, first.max_tokens) == ("Be brief.\n\nSpeak Latin.", 5)
    assert second.system == "Be brief."
    assert second.max_tokens > 5


async def test_run_id_of_a_client_is_used_once(talk: Talk) -> None:
    await say(talk, run_id="run_mine")
    assert (await run_of(talk)).id == "run_mine"
    with pytest.raises(Conflict) as error:
        await say(talk, run_id="run_mine")
    assert error.value.code == "run_id_used"
