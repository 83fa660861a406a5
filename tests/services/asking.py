"""Conversations with an agent whose tools ask people first, and whose model says what a test tells it."""

import uuid
from typing import Any

from millrace.agent.model import ToolCall
from millrace.domain.agents import Agent
from tests.services.scripted import Talk

AGENT = "clerk"


class Till:
    """A tool `refund` that counts what it does."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, float]] = []

    def refund(self, order: str, amount: float) -> str:
        """Refunds an order.

        Args:
            order: The order's number.
            amount: US dollars.
        """
        self.paid.append((order, amount))
        return f"paid {amount:g} for {order}"


def call(tool: str, /, **arguments: Any) -> ToolCall:
    """A call of a tool."""
    return ToolCall(f"call_{uuid.uuid4().hex[:8]}", tool, arguments)


async def hire(talk: Talk, *tools: Any, **settings: Any) -> Agent:
    """Make the agent with these tools."""
    made = Agent.model_validate({"id": AGENT, "name": "Clerk", "model": "echo:", "tools": tools} | settings)
    await talk.stores.agents.create(talk.slot.organization, made)
    return made
