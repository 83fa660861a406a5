"""The queue of live messages, which the run drains into its history."""

from collections.abc import Callable

from millrace.domain import events
from millrace.domain.clock import iso
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event
from millrace.domain.runs import MAX_WAITING, Run
from millrace.services.runs.lease_writer import LeaseWriter
from millrace.stores.dynamo import ConditionFailed
from millrace.stores.injections import Injection, InjectionStore

# So many current and as many expired ones are 32 deletes in one transaction, together with up to 32 messages
# and the log: fewer than DynamoDB's 100 items.
DRAINED_AT_ONCE = 16


class LiveMessages:
    """The live messages of one run.

    `drained` counts those that have left the queue, including expired ones.
    """

    def __init__(
        self,
        store: InjectionStore,
        run: Run,
        writer: LeaseWriter,
        emit: Callable[[Event], None],
        pending_live_messages: bool,
        drained: int = 0,
    ) -> None:
        self.drained = drained
        self._checked = 0
        self._store = store
        self._run = run
        self._writer = writer
        self._emit = emit
        self._pending_live_messages = pending_live_messages

    async def some_wait(self) -> bool:
        """Return whether a message waits that has not expired. Takes one read."""
        fresh, _ = await self._store.waiting(self._run.slot)
        return bool(fresh)

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """Drain the queue with one read, and a write only if some wait.

        The first iteration needs no read, because pending ones were read before the run began. Neither does
        an iteration before which tool results are stored, if that write has not shown a new message.
        """
        if iteration == 1 and not self._pending_live_messages:
            return []
        stored, lease = await self._writer.save_results(), self._writer.lease
        if stored and iteration > 1 and lease.accepted == self._checked:
            return []
        self._checked = lease.accepted
        fresh, expired = await self._store.waiting(self._run.slot)
        drained: list[StoredMessage] = []
        withdrawn = 0
        while fresh or expired:
            batch, expired_batch = fresh[:DRAINED_AT_ONCE], expired[:DRAINED_AT_ONCE]
            fresh, expired = fresh[DRAINED_AT_ONCE:], expired[DRAINED_AT_ONCE:]
            try:
                drained += await self._drain_batch(batch, expired_batch, iteration)
            except ConditionFailed:  # one was withdrawn in the meantime, so read again
                withdrawn += 1
                # No more can be withdrawn than may wait, so something else refuses the write permanently.
                if withdrawn > MAX_WAITING:
                    raise
                fresh, expired = await self._store.waiting(self._run.slot)
        if self._writer.many_unsaved:
            async with self._writer.lock:
                await self._writer.save([], [])
        return drained

    async def _drain_batch(
        self, batch: list[Injection], expired_batch: list[Injection], iteration: int
    ) -> list[StoredMessage]:
        live = [self._live_message(one) for one in batch]
        async with self._writer.lock:
            await self._writer.save(live, batch + expired_batch)
        self.drained += len(batch) + len(expired_batch)
        for one in batch:
            self._emit(events.injected(one.id, one.content, iteration))
        return live

    def _live_message(self, one: Injection) -> StoredMessage:
        return StoredMessage(
            id=one.id,
            role="user",
            content=one.blocks,
            created_at=iso(one.created_ms),
            run_id=self._run.id,
            injected=True,
            visibility=self._run.visibility,
            created_by=one.created_by,
        )
