"""The control of a loop without a run, in memory only."""

from collections.abc import Collection
from typing import Any, Literal

from millrace.agent.output import Output
from millrace.domain.clock import iso
from millrace.domain.conversations import StoredMessage
from millrace.domain.ids import new_id
from millrace.domain.summaries import Summary
from millrace.errors import ProviderError


class LoopControl:
    """See `agent.control.RunControl`."""

    most_messages: int | None = None

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._messages: list[StoredMessage] = []

    def question(self, task: str) -> StoredMessage:
        """The message that starts the loop."""
        return self.add("user", [{"text": task}])

    def add(
        self, role: Literal["user", "assistant"], content: list[dict[str, Any]], *, interrupted: bool = False
    ) -> StoredMessage:
        message = StoredMessage(new_id("msg"), role, content, iso(0), self._run_id, interrupted=interrupted)
        self._messages.append(message)
        return message

    def add_result(self, block: dict[str, Any]) -> StoredMessage:
        return self.add("user", [block])

    async def store(self, begin: Collection[str] = (), wait: Collection[str] = ()) -> None: ...

    def check_time(self) -> None: ...

    def postpone(self, error: ProviderError) -> None: ...

    async def keep_summary(self, summary: Summary) -> None: ...

    async def drain(self, iteration: int) -> list[StoredMessage]:
        return []

    async def limit_reached(self, agent_id: str) -> str | None:
        return None

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        return True
