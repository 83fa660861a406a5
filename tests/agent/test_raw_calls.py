"""Calls in a model's text are parsed in bounded time, since a page that a model reads may tell it what to
write."""

import time

import pytest

from millrace.agent.output import OutputFormat
from millrace.agent.raw_calls import calls_in
from millrace.errors import InvalidRequest

LENGTH = 60_000


@pytest.mark.parametrize(
    ("head", "repeated", "end"),
    [
        ("<tool_call>f\n", "<arg_key>a</arg_key><arg_value>b</arg_value>", "and"),
        ("<tool_call>f\n", "<arg_key>", "</arg_value>"),
        ("", "<|tool_call_begin|>", ""),
        ("", "<｜tool▁call▁begin｜>", ""),
        ("<|channel|>", "to=", ""),
        ("<|channel|>", "to=a ", ""),
        ("[TOOL_CALLS]", "a", ""),
        ("[TOOL_CALLS]", "f{}", "a"),
        ('<invoke name="f">', "<parameter name=", ""),
        ("", "<function=", ""),
    ],
)
def test_block_without_a_call_is_given_up_at_once(head: str, repeated: str, end: str) -> None:
    begun = time.process_time()
    assert calls_in(head + repeated * (LENGTH // len(repeated)) + end, {})
    assert time.process_time() - begun < 1, "its square takes minutes, and some took the power of two"


@pytest.mark.parametrize("text", ["```" + "\n" * LENGTH, "```\n" * 2 + "\n" * LENGTH])
def test_code_block_that_is_empty_is_read_at_once(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(InvalidRequest):
        OutputFormat({}, lambda value: None).read(text)
    assert time.process_time() - begun < 1
