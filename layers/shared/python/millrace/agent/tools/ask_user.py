"""The built-in tool `ask_user`: the model asks, the run waits, and the user's answer is the tool's result."""

from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from millrace.agent.tools.function import read_arguments, schema_of
from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from millrace.domain.approvals import ASK_USER
from millrace.errors import InvalidRequest


class Question(BaseModel):
    """The arguments from the model."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    question: str = Field(min_length=1, max_length=4000, description="The question, in full.")
    options: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="The answers to choose from, where there are only a few.",
    )
    answer_schema: dict[str, Any] | None = Field(
        default=None,
        alias="schema",
        description="JSON Schema of the answer, where it is more than a text.",
    )


async def _only_asked(arguments: dict[str, Any], context: ToolContext) -> ToolResult:
    raise InvalidRequest(
        "Only the run of an agent can ask questions, because nothing else can wait for the answer."
    )


def read_question(arguments: dict[str, Any]) -> Question:
    """Return the question of a call. Raises `InvalidRequest`, which the model can read."""
    return read_arguments(Question, arguments)


@cache
def ask_user() -> Tool:
    """Return the tool, created when an agent first needs it: its schema takes longer than most of an init."""
    return Tool(
        name=ASK_USER,
        description="Asks the user a question and waits for the answer, which may take days. Use it when you "
        "cannot continue without a decision or a fact that only the user has.",
        parameters=schema_of(Question),
        run=_only_asked,
    )
