"""The ways in which models write into their text what belongs elsewhere: their thinking, and calls of tools.

A server that knows its model takes both out; many do not. The dialect of a well-known model is guessed by its
name, and an agent may name it (`dialect`, `startsInThinking`).
"""

import re

from msgspec import Struct
from msgspec.structs import replace

from millrace.agent.raw_calls import Fences
from millrace.agent.thinking_tags import Markers
from millrace.domain.agents import Agent, DialectName


class TextDialect(Struct, frozen=True):
    """`markers` enclose thinking, beside the tags that are known of every model; `calls` enclose calls."""

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
# The first match wins: a distilled R1 writes as the model that it was distilled into.
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
"""Behind these no text holds what belongs elsewhere."""


def guess(model: str) -> DialectName:
    """The dialect of a model by its name; `plain` where it is not known."""
    if model.startswith(_PROVIDERS_THAT_READ):
        return "plain"
    name = _name(model)
    return next((dialect for pattern, dialect in _KNOWN if re.search(pattern, name)), "plain")


def _name(model: str) -> str:
    """The model's name at its provider: the name of a server says nothing of its models."""
    return (model.partition(":")[2] or model).lower()


def dialect_of(agent: Agent) -> TextDialect:
    """The dialect of an agent's model: its own, or that of the model's name."""
    dialect = DIALECTS[agent.dialect or guess(agent.model)]
    starts = agent.starts_in_thinking
    if starts is None:
        starts = agent.dialect is None and bool(_STARTS_IN_THINKING.search(_name(agent.model)))
    return replace(dialect, starts_in_thinking=starts)
