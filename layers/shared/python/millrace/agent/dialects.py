"""The dialects in which models write thinking and tool calls into their text.

A server that knows its model removes both; many do not. The dialect of a well-known model is guessed from its
name, and an agent may set it (`dialect`, `startsInThinking`).
"""

import re

from msgspec import Struct
from msgspec.structs import replace

from millrace.agent.raw_calls import Fences
from millrace.agent.thinking_tags import Markers
from millrace.domain.agents import Agent, DialectName


class TextDialect(Struct, frozen=True):
    """A dialect. `markers` enclose thinking, in addition to the tags that are recognized for every model;
    `calls` enclose tool calls."""

    markers: Markers = ()
    calls: Fences = ()
    harmony: bool = False
    starts_in_thinking: bool = False


PLAIN = TextDialect()
DIALECTS: dict[DialectName, TextDialect] = {
    "plain": PLAIN,
    "harmony": TextDialect(harmony=True),
    "hermes": TextDialect(calls=(("<tool_call>", "</tool_call>"),)),
    "mistral": TextDialect(markers=(("[THINK]", "[/THINK]"),), calls=(("[TOOL_CALLS]", ""),)),
    "llama": TextDialect(calls=(("<|python_tag|>", "<|eom_id|>"), ("<function=", "</function>"))),
    "deepseek": TextDialect(
        calls=(
            ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
            ("<｜DSML｜function_calls>", "</｜DSML｜function_calls>"),
        )
    ),
    "kimi": TextDialect(
        markers=(("◁think▷", "◁/think▷"),),
        calls=(("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),),
    ),
    "minimax": TextDialect(calls=(("<minimax:tool_call>", "</minimax:tool_call>"),)),
}
# The first match wins: a distilled R1 writes like R1, not like the model whose weights it has.
_KNOWN: tuple[tuple[str, DialectName], ...] = (
    (r"gpt-oss", "harmony"),
    (r"deepseek-r1-distill-(qwen|llama)", "hermes"),
    (r"deepseek", "deepseek"),
    (r"qwen|qwq|hermes|\bglm\b|chatglm", "hermes"),
    (r"mistral|mixtral|ministral|magistral|devstral|codestral|pixtral", "mistral"),
    (r"llama-?[34]", "llama"),
    (r"kimi|moonshot", "kimi"),
    (r"minimax", "minimax"),
)
_STARTS_IN_THINKING = re.compile(r"deepseek-r1|qwq|qwen3.*thinking|glm-z1")
_PROVIDERS_THAT_READ = ("anthropic:", "demo:", "echo:")
"""Providers whose text never contains thinking or tool calls."""


def guess(model: str) -> DialectName:
    """Return the dialect of a model by its name; `plain` if it is not known."""
    if model.startswith(_PROVIDERS_THAT_READ):
        return "plain"
    name = _name(model)
    return next((dialect for pattern, dialect in _KNOWN if re.search(pattern, name)), "plain")


def _name(model: str) -> str:
    """Return the model's name at its provider. The name of a server says nothing about its models."""
    return (model.partition(":")[2] or model).lower()


def dialect_of(agent: Agent) -> TextDialect:
    """Return the dialect of an agent's model: the agent's setting, or that of the model's name."""
    dialect = DIALECTS[agent.dialect or guess(agent.model)]
    starts = agent.starts_in_thinking
    if starts is None:
        starts = agent.dialect is None and bool(_STARTS_IN_THINKING.search(_name(agent.model)))
    return replace(dialect, starts_in_thinking=starts)
