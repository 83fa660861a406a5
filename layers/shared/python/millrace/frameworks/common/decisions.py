"""Approvals that a framework asks for, as our questions: the run waits for them without a process."""

from collections.abc import Mapping
from typing import Any

from millrace.app import AgentContext, ToolError
from millrace.domain.approvals import ASK_USER

APPROVE, REJECT = "approve", "reject"
_SHOWN = 3_000


def asking(approvers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the tool by which an agent asks, with the people who may answer: by default the run's user."""
    return {"name": ASK_USER} | ({"approvers": dict(approvers)} if approvers else {})


async def decision_on(ctx: AgentContext, tool: str, arguments: str) -> tuple[bool, str]:
    """Return whether a person allows a call, whose arguments are JSON, and the reason if not."""
    question = f"May {tool} be called with {arguments[:_SHOWN]}?"
    try:
        answer = await ctx.ask_user(question, [APPROVE, REJECT])
    except ToolError as error:
        return False, error.message
    given = str(answer.value).strip()
    return (
        given == APPROVE,
        "The call was rejected." if given == REJECT else f"The call was rejected: {given}",
    )
