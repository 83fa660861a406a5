"""Control of an agent that works for another one or for a flow's step (see `agent.control.RunControl`).

Its turns and results are steps of the run.
"""

from collections.abc import Collection, Sequence
from typing import Literal

from millrace.agent.budget import Budget
from millrace.agent.history import open_calls
from millrace.agent.model import Block
from millrace.agent.output import Output
from millrace.domain.conversations import StoredMessage, WorkPosition
from millrace.domain.runs import Progress
from millrace.domain.summaries import Summary
from millrace.errors import ProviderError
from millrace.services.runs.lost_usage import with_usage
from millrace.services.runs.run_work import RunWork


class NestedControl:
    """Keeps the messages of a piece of work.

    `stored` are those of an earlier process; `parent` tags its events.
    """

    most_messages: int | None = None

    def __init__(
        self, session: RunWork, work: str, parent: str, budget: Budget, stored: Sequence[StoredMessage] = ()
    ) -> None:
        self._session = session
        self._work = work
        self._parent = parent
        self._budget = budget
        self._messages = list(stored)

    def begin(self, task: str) -> list[StoredMessage]:
        """Return the history to continue from: the task, or the stored messages."""
        if not self._messages:
            self.add("user", [{"text": task}])
        return list(self._messages)

    @property
    def finished(self) -> bool:
        """The agent has given its answer in an earlier process."""
        last = self._messages[-1] if self._messages else None
        return last is not None and last.role == "assistant" and not open_calls(last.content)

    def answer(self) -> str:
        """Return the text of the last message that the agent wrote."""
        said = [message for message in self._messages if message.role == "assistant"]
        return "".join(block.get("text", "") for block in said[-1].content) if said else ""

    # --- agent.control.RunControl ------------------------------------------------------------------

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        """See `RunControl`."""
        message = self._message(role, content, interrupted)
        self._session.keep_nested(message, self._parent)
        return message

    def add_result(self, block: Block) -> StoredMessage:
        """See `RunControl`."""
        message = self._message("user", [block])
        self._session.keep_nested(message, self._parent, block["toolResult"]["toolUseId"])
        return message

    def _message(
        self, role: Literal["user", "assistant"], content: list[Block], interrupted: bool = False
    ) -> StoredMessage:
        last = self._messages[-1].position if self._messages else None
        number = last.number + 1 if last else 0
        position = WorkPosition(self._work, number, used=with_usage(Progress(), self._budget).to_item())
        message = self._session.nested_message(position, self._parent, role, content, interrupted=interrupted)
        self._messages.append(message)
        return message

    async def store(self, begin: Collection[str] = (), wait: Collection[str] = ()) -> None:
        """See `RunControl`."""
        await self._session.store(begin, wait)

    def check_time(self) -> None:
        """See `RunControl`."""
        self._session.check_time()

    def postpone(self, error: ProviderError) -> None:
        """See `RunControl`."""
        self._session.postpone(error)

    async def keep_summary(self, summary: Summary) -> None:
        """See `RunControl`. A process that continues from the stored messages summarizes them again."""

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """See `RunControl`. Live messages are for the run's own agent."""
        await self._session.store_results()
        return []

    async def limit_reached(self, agent_id: str) -> str | None:
        """See `RunControl`."""
        return await self._session.limit_reached(agent_id)

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        """See `RunControl`."""
        return True
