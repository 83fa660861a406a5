"""The loop's interface to its run, which stores messages, delivers live messages and may end the loop."""

from collections.abc import Collection
from typing import Literal, Protocol

from millrace.agent.model import Block
from millrace.agent.output import Output
from millrace.domain.conversations import StoredMessage
from millrace.domain.summaries import Summary
from millrace.errors import ProviderError


class RunControl(Protocol):
    """The run, as far as the loop needs it. A history of more than `most_messages` messages is summarized
    even if they are short (None: never), since older messages would not be read again."""

    most_messages: int | None

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        """Keep a message that the loop has made, to be stored with the next write."""
        ...

    def add_result(self, block: Block) -> StoredMessage:
        """Keep the result of a tool call and start storing it, without waiting."""
        ...

    async def store(self, begin: Collection[str] = (), wait: Collection[str] = ()) -> None:
        """Store what was kept, before the loop continues. `begin` are the calls of the last turn that start
        now, `wait` those that do not start yet."""
        ...

    def check_time(self) -> None:
        """Raise `Suspended` if another process is to continue from this step."""
        ...

    def postpone(self, error: ProviderError) -> None:
        """Raise `Suspended` if the model is to be asked again later."""
        ...

    async def keep_summary(self, summary: Summary) -> None:
        """Store a summary, with which the history begins from now on."""
        ...

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """Return the live messages for this iteration, in order. They are already reported and kept."""
        ...

    async def limit_reached(self, agent_id: str) -> str | None:
        """Return the finish reason if no more model calls may be made: the organization has reached a limit,
        or the agent was stopped."""
        ...

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        """End the run and return true, or return false if live messages have arrived and need another
        iteration."""
        ...
