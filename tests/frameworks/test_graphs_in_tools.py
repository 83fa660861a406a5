"""Graphs that are run by the tools of a graph."""

from importlib.util import find_spec
from typing import Any

import pytest

from tests.frameworks.test_langgraph import graphs, lost_at_each_write

__all__ = ["graphs"]

pytestmark = pytest.mark.skipif(find_spec("langgraph") is None, reason="LangGraph is not installed")


def test_text_of_a_graph_inside_a_tool_is_neither_lost_nor_said_twice(graphs: Any) -> None:
    whole = "I heard left. I heard right. I heard both. That is all. "
    made = lost_at_each_write(
        graphs.done, lambda: graphs.langgraph_agent("guide", graphs.guide_in_a_tool()), "Speak."
    )
    count = 0
    for lost_at, stage in made:
        assert stage.text == whole, lost_at
        count += 1
    assert count >= 2
