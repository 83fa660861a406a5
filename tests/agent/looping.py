"""Conversations of an agent loop with a provider, without a store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from millrace.agent.budget import Budget
from millrace.agent.emitter import Emitter
from millrace.agent.loop import AgentLoop
from millrace.agent.model import Provider
from millrace.agent.output import Output
from millrace.agent.tools.tool import Tool
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.agents import Agent
from millrace.domain.conversations import StoredMessage
from millrace.domain.summaries import Summary, summarized
from millrace.services.runs.output_format import output_format
from tests.agent.control import LoopControl
from tests.agent.tools.contexts import context


class Control(LoopControl):
    output: Output | None = None
    summary: Summary | None = None

    async def keep_summary(self, summary: Summary) -> None:
        self.summary = summary

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        self.output = output
        return True


class Conversation:
    """A conversation, with any models; `events` are those of the last run."""

    def __init__(self, *tools: Tool) -> None:
        self.history: list[StoredMessage] = []
        self.events: list[dict[str, Any]] = []
        self.output: Output | None = None
        self.summary: Summary | None = None
        self.used: list[dict[str, int]] = []
        self._tools = tools

    async def ask(self, question: str, provider: Provider, model: str, **agent: Any) -> str:
        """Runs the agent; returns the finish reason."""
        self.events = []
        self.output = None
        nested = Control("run")

        @asynccontextmanager
        async def toolbox() -> AsyncIterator[Toolbox]:
            yield Toolbox(self._tools)

        loop = AgentLoop(
            made := Agent(**{"id": "a", "name": "A", "model": f"openai:{model}"} | agent),
            provider,
            model,
            toolbox,
            context(),
            Emitter(self.events.append),
            nested,
            budget := Budget(made.limits),
            lambda *_: None,
            output=output_format(made.response_schema),
        )
        try:
            history = summarized(self.history, self.summary)
            return await loop.run([*history, nested.question(question)])
        finally:
            self.history += nested._messages
            self.output = nested.output
            self.summary = nested.summary or self.summary
            self.used.append(budget.usage())

    def text(self) -> str:
        """The tokens of the last run."""
        return "".join(event["token"] for event in self.events if event["type"] == "token")

    def thoughts(self) -> str:
        return "".join(event["text"] for event in self.events if event["type"] == "thinking")
