"""LangGraph graphs in our loop: streamed, with questions and live messages, and killed at each write."""

import asyncio
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from millrace.errors import ToolError
from millrace.frameworks import extra
from millrace.testing import ProcessLost, Stage
from tests.agent.code.playing import Stage as AsyncStage
from tests.effort import effort
from tests.frameworks.guide import example

pytestmark = pytest.mark.skipif(find_spec("langgraph") is None, reason="LangGraph is not installed")


@pytest.fixture
def graphs() -> Any:
    """The module with the graphs, whose import takes a second."""
    made = import_module("tests.frameworks.graphs")
    made.done.clear()
    return made


def test_official_graph_streams_and_its_tools_are_steps(graphs: Any) -> None:
    stage = Stage(
        graphs.langgraph_agent("calculator", graphs.calculator(graphs.FakeModel(answer=graphs.sums)))
    )
    assert stage.ask("Add 3 and 4, double it.") == "The result is 14. "
    assert [one["token"] for one in stage.events if one["type"] == "token"][:2] == ["The ", "result "]
    shown = [one["name"].removeprefix("step__") for one in stage.events if one["type"] == "tool_call"]
    assert shown == ["llm_call", "add", "tool_node", "llm_call", "multiply", "tool_node", "llm_call"]
    results = {one["name"]: one["summary"] for one in stage.events if one["type"] == "tool_result"}
    assert (results["step__add"], results["step__multiply"]) == ("7", "14")
    assert stage._budget.usage()["input"] == 30


def test_state_lasts_from_run_to_run(graphs: Any) -> None:
    model = graphs.FakeModel(answer=lambda messages: "yes")
    stage = Stage(graphs.langgraph_agent("calculator", graphs.calculator(model)))
    stage.ask("Am I first?")
    stage.ask("And now?")
    assert model.asked == [["Am I first?"], ["Am I first?", "And now?"]]
    checkpoints = [key for _, key in stage.values.known if key.startswith("c/")]
    assert len(checkpoints) == 1  # of each run the last one is kept


CALLS = {"model": 3, "add": 1, "multiply": 1}


def lost_at_each_write(done: Any, make: Any, question: str) -> Any:
    """Play a run with its process lost at each of its writes; yield the stages after the next process."""
    stage = Stage(make())
    stage.ask(question)
    assert stage._control is not None
    for lost_at in range(1, stage._control.writes + 1, effort(4, 1)):
        done.clear()
        stage = Stage(make())
        try:
            stage.ask(question, lost_at=lost_at)
        except ProcessLost:
            stage.go_on()
        yield lost_at, stage


def test_process_that_takes_over_goes_on_from_the_last_finished_node(graphs: Any) -> None:
    def make() -> Any:
        return graphs.langgraph_agent("calculator", graphs.calculator(graphs.FakeModel(answer=graphs.sums)))

    count = 0
    for _, stage in lost_at_each_write(graphs.done, make, "Add 3 and 4, double it."):
        assert stage.text == "The result is 14. "
        assert sum((graphs.done - Counter(CALLS)).values()) <= 2, graphs.done  # of the node that was at work
        assert all(graphs.done[name] >= times for name, times in CALLS.items())
        count += 1
    assert count >= 4


def test_tool_that_must_not_be_repeated_ends_the_run_where_it_was_interrupted(graphs: Any) -> None:
    refused = 0
    graph = graphs.calculator(graphs.FakeModel(answer=graphs.sums))
    stage = Stage(graphs.langgraph_agent("calculator", graph, once=["add"]))
    stage.ask("Add 3 and 4, double it.")
    assert stage._control is not None
    for lost_at in range(1, stage._control.writes + 1, effort(4, 1)):
        graphs.done.clear()
        stage = Stage(graphs.langgraph_agent("calculator", graph, once=["add"]))
        try:
            try:
                stage.ask("Add 3 and 4, double it.", lost_at=lost_at)
            except ProcessLost:
                stage.go_on()
        except ToolError:
            refused += 1
        assert graphs.done["add"] <= 1
    assert refused


# --- nodes that speak -----------------------------------------------------------------------------------


def test_text_is_neither_lost_nor_repeated(graphs: Any) -> None:
    whole = "I heard left. I heard right. I heard both. "
    for lost_at, stage in lost_at_each_write(
        graphs.done, lambda: graphs.langgraph_agent("speakers", graphs.speakers()), "Speak."
    ):
        assert stage.text == whole, lost_at


def test_graph_inside_a_graph_says_nothing_twice(graphs: Any) -> None:
    whole = "I am first. I am second. I am third. "
    played = lost_at_each_write(
        graphs.done, lambda: graphs.langgraph_agent("nested", graphs.nested()), "Speak."
    )
    for lost_at, stage in played:
        assert stage.text == whole, lost_at


def test_tools_run_side_by_side_and_may_call_others(graphs: Any) -> None:
    stage = Stage(graphs.langgraph_agent("waiter", graphs.side_by_side()))
    assert stage.ask("Wait.") == "left right "
    shown = [one["name"] for one in stage.events if one["type"] == "tool_call"]
    assert shown.count("step__wait") == 2
    assert shown.count("step__inner") == 2


def test_nodes_stream_writes_are_events(graphs: Any) -> None:
    stage = Stage(graphs.langgraph_agent("speakers", graphs.speakers()))
    stage.ask("Speak.")
    said = [one for one in stage.events if one["type"] in ("status", "thinking")]
    assert [one.get("message") or one["text"] for one in said] == ["Left", '{"found":3}', "hm"]


def test_only_chosen_nodes_say_the_answer(graphs: Any) -> None:
    stage = Stage(graphs.langgraph_agent("speakers", graphs.speakers(), answer_nodes=["last"]))
    assert stage.ask("Speak.") == "I heard both. "


# --- people -----------------------------------------------------------------------------------------------


def approving(graphs: Any) -> Stage:
    return Stage(
        graphs.langgraph_agent(
            "approval",
            graphs.approval(),
            input=lambda ctx: {"action_details": ctx.message, "status": "pending"},
            output=lambda state: state["status"],
        )
    )


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"decision": "answer", "content": "true"}, "approved"),
        ({"decision": "answer", "content": "false"}, "rejected"),
        ({"decision": "reject"}, "rejected"),
    ],
)
def test_interrupt_is_a_question_and_its_answer_resumes_the_graph(
    graphs: Any, answer: Any, status: str
) -> None:
    stage = approving(graphs)
    stage.ask("Transfer $500")
    assert stage.finish_reason == "waiting"
    assert [one.prompt for one in stage.waiting] == ["Approve this action?"]
    assert stage.answer(**answer) == status


def test_reviewed_tool_waits_for_its_approval(graphs: Any) -> None:
    """The middleware of LangChain that has people review calls."""
    paid: list[int] = []
    stage = Stage(graphs.langgraph_agent("payer", graphs.payer(paid)))
    stage.ask("Pay 5 and 6.")
    assert stage.waiting[0].prompt.startswith("May pay(amount=5) be called?")
    assert stage.waiting[0].options == ["approve", "reject"]
    stage.answer(decision="answer", content="approve")
    assert stage.waiting[0].prompt.startswith("May pay(amount=6) be called?")
    assert stage.answer(decision="answer", content="reject") == "Done. "
    assert paid == [5]


def test_live_message_reaches_the_next_call_of_the_model(graphs: Any) -> None:
    model = graphs.FakeModel(answer=graphs.sums)
    stage = Stage(graphs.langgraph_agent("calculator", graphs.calculator(model)))
    stage.send_live("be quick")
    assert stage.ask("Add 3 and 4, double it.") == "The result is 14. "
    assert model.asked == [["Add 3 and 4, double it."], *[["Add 3 and 4, double it.", "be quick"]] * 2]


def test_live_message_is_answered_once_wherever_the_process_is_lost(graphs: Any) -> None:
    def run(lost_at: int | None) -> tuple[Stage, list[list[str]]]:
        model = graphs.FakeModel(answer=graphs.sums)
        stage = Stage(graphs.langgraph_agent("calculator", graphs.calculator(model)))
        stage.send_live("be quick")
        try:
            stage.ask("Sum.", lost_at=lost_at)
        except ProcessLost:
            stage.go_on()
        return stage, model.asked

    whole, _ = run(None)
    assert whole._control is not None
    for lost_at in range(1, whole._control.writes + 1, effort(4, 1)):
        stage, asked = run(lost_at)
        assert asked[-1] == ["Sum.", "be quick"], lost_at
        assert stage.text == "The result is 14. "


def test_live_message_for_a_graph_without_a_place_for_it_is_a_message_of_its_own(graphs: Any) -> None:
    model = graphs.FakeModel(answer=lambda messages: f"You said {messages[-1].text}.")
    stage = Stage(graphs.langgraph_agent("echo", graphs.create_agent(model, tools=[])))
    stage.send_live("and this")
    assert stage.ask("First") == "You said First. You said and this. "
    assert model.asked == [["First"], ["First", "and this"]]


async def test_stop_cancels_the_call_of_the_model(graphs: Any) -> None:
    model = graphs.FakeModel(answer=lambda messages: "One two three", hold=True)
    stage = AsyncStage(graphs.langgraph_agent("endless", graphs.create_agent(model, tools=[])))
    asking = asyncio.create_task(stage.ask("Go on."))
    async with asyncio.timeout(30):
        await model.held.wait()
        while not stage.of("token"):  # noqa: ASYNC110 - what the model has said is on its way
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
        await model.ended.wait()
    assert stage.text == "One "


# --- the rest ---------------------------------------------------------------------------------------------


class Memory:
    """`ctx.store`, in memory."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    async def get(self, key: str, default: Any = None) -> Any:
        return self.known.get(key, default)

    async def put(self, key: str, value: Any) -> None:
        assert isinstance(value, bytes)
        assert len(key.encode()) <= 512
        self.known[key] = value

    async def delete(self, *keys: str) -> None:
        for key in keys:
            self.known.pop(key, None)

    async def list(self, prefix: str = "", *, after: str = "", limit: int = 250) -> list[str]:
        return sorted(key for key in self.known if key.startswith(prefix) and key > after)[:limit]


async def test_checkpointer_passes_the_official_conformance_suite(graphs: Any) -> None:
    report = await graphs.conformance(Memory)
    assert {name: one.failures for name, one in report.results.items() if not one.passed} == {}
    assert len(report.results) == 8


def test_graph_without_messages_says_what_it_needs(graphs: Any) -> None:
    with pytest.raises(ValueError, match="input=lambda ctx"):
        graphs.langgraph_agent("approval", graphs.approval())


def test_user_and_conversation_are_in_the_configuration(graphs: Any) -> None:
    stage = Stage(
        graphs.langgraph_agent(
            "told",
            graphs.configured(),
            config=lambda ctx: {"configurable": {"more": 1}},
            output=lambda state: state["messages"][-1].text,
        ),
        user="ann",
    )
    assert stage.ask("Who am I?") == "ann conversation 1"


def test_example_of_the_guide_runs() -> None:
    stage = Stage(example("LangGraph")["serve"])
    assert stage.ask("A table, please.") == "I book the table. "
    assert [one.prompt for one in stage.waiting] == ["Book the table for 7 pm?"]
    assert stage.answer(decision="answer", content="true") == "I book the table. It is booked."


def test_framework_that_is_not_installed_is_named_with_its_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"LangGraph .*pip install 'millrace\[langgraph\]'"):
        with extra("langgraph", "LangGraph"):
            import_module("no_such_framework")
