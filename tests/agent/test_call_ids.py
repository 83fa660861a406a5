"""Calls are added to the history with ids and names that every server accepts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.call_ids import NO_NAME, accept_call, known_name, portable_id
from millrace.agent.model import ToolCall

TOOLS = ["weather", "get_time", "Search"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("weather", "weather"),
        (" weather\n", "weather"),
        ("functions.weather", "weather"),
        ("default_api:weather", "weather"),
        ("tools/weather", "weather"),
        ("weather<|channel|>commentary", "weather"),
        ("weather<｜tool▁sep｜>", "weather"),
        ("Weather", "weather"),
        ("search", "Search"),
        ("wether", "wether"),
        ("find the weather!", "find_the_weather"),
        ("", NO_NAME),
        ("天気", NO_NAME),
        ("x" * 100, "x" * 64),
    ],
)
def test_name_is_that_of_the_tool_that_is_meant_else_valid(written: str, name: str) -> None:
    assert known_name(written, TOOLS) == name


@given(st.lists(st.text(max_size=80) | st.sampled_from(["c1", "functions.weather:0", ""]), max_size=8))
def test_ids_are_valid_and_unique(ids: list[str]) -> None:
    used = {"c1"}
    accepted = [accept_call(ToolCall(id, "weather", {}), TOOLS, used).id for id in ids]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id) for id in accepted)
    assert len({*accepted, "c1"}) == len(ids) + 1


def test_good_id_stays() -> None:
    assert accept_call(ToolCall("toolu_01", "weather", {}), TOOLS, set()).id == "toolu_01"


@given(st.text(max_size=100))
def test_portable_id_is_the_same_every_time(id: str) -> None:
    assert portable_id(id) == portable_id(id)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", portable_id(id))
