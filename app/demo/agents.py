"""An agent in code, which needs no language model and no key."""

import re
from collections.abc import AsyncIterator
from typing import Any

from demo.tools import order_status, refund
from millrace.app import AgentContext, ToolError, agent, log, status

NUMBER = re.compile(r"\bA-\d{4}\b")


@agent(
    "shop",
    name="Shop (demo)",
    description="An agent in code, in app/demo. It says where orders are, and refunds them once you approve.",
    tools=[order_status, refund],
    starters=["Where is my order A-1001?", "Refund A-1002, please."],
)
async def shop(ctx: AgentContext) -> AsyncIterator[Any]:
    """Answer by rules."""
    found = NUMBER.search(ctx.message)
    if found is None:
        yield "Which order is it? Try A-1001."
        return
    wanted = refund if "refund" in ctx.message.lower() else order_status
    yield status("Looking the order up ...")
    try:
        answer = await ctx.call_tool(wanted, order=found[0])
    except ToolError as error:
        yield error.message
        return
    yield log(f"Tool output: {len(answer)} characters")
    for word in answer.split(" "):
        yield f"{word} "
