"""The control of a loop whose messages are kept in memory (see `agent.control.RunControl`)."""

from collections.abc import Callable, Collection
from typing import Literal

from millrace.agent.model import Block
from millrace.agent.output import Output
from millrace.domain.clock import iso
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event, injected
from millrace.domain.ids import new_id
from millrace.domain.summaries import Summary
from millrace.errors import ProviderError


class ProcessLost(BaseException):
    """The process is lost: nothing that it does afterwards has an effect."""


class MemoryControl:
    """Keeps messages in a list, where the next process finds them. The process is lost at the write
    `lost_at`, counted from 1. `live` are the waiting live messages."""

    most_messages: int | None = None

    def __init__(
        self,
        run_id: str,
        history: list[StoredMessage],
        live: list[str],
        emit: Callable[[Event], None],
        clock: Callable[[], int],
        lost_at: int | None = None,
    ) -> None:
        self.history = history
        self.not_begun: set[str] = set()
        self.writes = 0
        self.output: Output | None = None
        self._run_id = run_id
        self._live = live
        self._emit = emit
        self._clock = clock
        self._lost_at = lost_at

    def _write(self) -> None:
        self.writes += 1
        if self._lost_at is not None and self.writes >= self._lost_at:
            raise ProcessLost

    def message(self, role: Literal["user", "assistant"], content: list[Block]) -> StoredMessage:
        """Return a message of the run, without keeping it."""
        return StoredMessage(new_id("msg"), role, content, iso(self._clock()), self._run_id)

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        """See `RunControl`."""
        self._write()
        message = self.message(role, content)
        message.interrupted = interrupted
        self.history.append(message)
        return message

    def add_result(self, block: Block) -> StoredMessage:
        """See `RunControl`."""
        self.not_begun.discard(block["toolResult"]["toolUseId"])
        return self.add("user", [block])

    async def store(self, begin: Collection[str] = (), wait: Collection[str] = ()) -> None:
        """See `RunControl`."""
        self._write()
        self.not_begun = (self.not_begun - set(begin)) | set(wait)

    def check_time(self) -> None:
        """See `RunControl`."""

    def postpone(self, error: ProviderError) -> None:
        """See `RunControl`."""

    async def keep_summary(self, summary: Summary) -> None:
        """See `RunControl`."""

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """See `RunControl`."""
        drained = []
        while self._live:
            message = self.message("user", [{"text": self._live.pop(0)}])
            message.injected = True
            self.history.append(message)
            drained.append(message)
            self._emit(injected(message.id, message.content[0]["text"], iteration))
        return drained

    async def limit_reached(self, agent_id: str) -> str | None:
        """See `RunControl`."""
        return None

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        """See `RunControl`."""
        self.output = output
        return not self._live
