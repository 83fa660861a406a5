"""The steering of a loop: where its messages are kept, and who else may end its run."""

from collections.abc import Collection
from typing import Literal, Protocol

from millrace.agent.model import Block
from millrace.agent.output import Output
from millrace.domain.conversations import StoredMessage
from millrace.domain.summaries import Summary
from millrace.errors import ProviderError


class RunControl(Protocol):
    """The services that the loop needs of its run. A history of more than `most_messages` is summarized
    however small they are (None: never), since what is older would not be read again."""

    most_messages: int | None

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        """Keeps a message that the loop has made."""
        ...

    def add_result(self, block: Block) -> StoredMessage:
        """Keeps the result of a tool call, and has it stored at once, beside what the loop does next."""
        ...

    async def store(self, begin: Collection[str] = (), wait: Collection[str] = ()) -> None:
        """Stores what was kept before the loop goes on, and of the last turn's calls which begin now and
        which do not yet."""
        ...

    def check_time(self) -> None:
        """Raises `Suspended` when another process is to go on from this step."""
        ...

    def postpone(self, error: ProviderError) -> None:
        """Raises `Suspended` when the model is to be asked again later."""
        ...

    async def keep_summary(self, summary: Summary) -> None:
        """Stores a summary, with which the history begins from now on."""
        ...

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """The live messages for this iteration, in order; they have been announced and kept."""
        ...

    async def limit_reached(self, agent_id: str) -> str | None:
        """The finish reason where no more model calls may be made: a limit of the organization's is reached,
        or the agent was stopped."""
        ...

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        """Ends the run, or says that live messages have come meanwhile and another iteration is due."""
        ...
