"""The end of a run: its last events, messages, final state and lease, all in one transaction.

A run is ended by its own process, or by another one that detects that this process died (see `lease_record`).
"""

from collections.abc import Sequence

from msgspec.structs import replace

from millrace.domain.conversations import Conversation, StoredMessage
from millrace.domain.events import Event, LogEntry
from millrace.domain.ids import new_ulid
from millrace.domain.runs import LeaseRecord, Run
from millrace.stores.conversation_items import is_deleting
from millrace.stores.conversations import ConversationStore
from millrace.stores.dynamo import ConditionFailed, Item, TransactItem, check_that
from millrace.stores.event_log import EventLog, number
from millrace.stores.lease_record import (
    IS_HOLDER,
    Lease,
    LeaseLost,
    holder_values,
    lease_key,
    released,
    still_held,
    to_lease,
)
from millrace.stores.messages import MessageStore
from millrace.stores.run_definitions import RunDefinitionStore
from millrace.stores.runs import RunStore, stream_of


class LiveMessagesPending(Exception):
    """The run cannot end yet, because `accepted` live messages have been accepted in total."""

    def __init__(self, accepted: int) -> None:
        super().__init__(accepted)
        self.accepted = accepted


class RunEndStore:
    """The transactions that end runs."""

    def __init__(
        self,
        conversations: ConversationStore,
        messages: MessageStore,
        runs: RunStore,
        definitions: RunDefinitionStore,
        log: EventLog,
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._runs = runs
        self._definitions = definitions
        self._log = log
        self._table = conversations.table

    async def end(
        self,
        lease: Lease,
        run: Run,
        events: list[LogEntry],
        messages: list[StoredMessage],
        *,
        accepted: int | None,
        more: Sequence[TransactItem] = (),
    ) -> None:
        """End the run of a lease, together with the writes in `more`.

        With `accepted`, only if that is the number of accepted live messages and no stop was requested.
        Raises `LeaseLost`, `Stopping` or `LiveMessagesPending`.
        """
        condition = IS_HOLDER
        values: Item = holder_values(lease) | {"messages": lease.messages + len(messages)}
        if accepted is not None:
            condition += " AND accepted = :accepted AND attribute_not_exists(stopReason)"
            values["accepted"] = accepted
        heads, parts = self._messages.puts(run.slot, lease.messages + 1, messages, lease.holder)
        writes = [
            released(self._table, run.slot, condition, values),
            *self._log.puts(lease.stream, events),
            *heads,
            *self._final(run),
            *more,
        ]
        try:
            await self._messages.transact(still_held(self._table, lease), writes, parts)
        except ConditionFailed as error:
            if is_deleting(error):
                raise LeaseLost(lease.run.id) from error
            if 0 not in error.items:
                raise
            record = to_lease(error.items[0])
            lease.check_may_go_on(record)
            raise LiveMessagesPending(record.accepted) from error

    async def give_up(
        self,
        run: Run,
        lost: LeaseRecord,
        events: Sequence[Event],
        messages: list[StoredMessage],
        more: Sequence[TransactItem] = (),
    ) -> bool:
        """End a run whose holder has died, with its last `events` and the writes in `more`.

        The events are numbered above all that the holder may have sent out. Return False if another process
        ended the run, or the holder is back.
        """
        seen: Item = {"run": lost.run_id, "until": lost.until_ms, "seen": lost.seq}
        condition = "runId = :run AND untilMs = :until AND seq = :seen AND "
        if lost.holder:
            condition, seen = condition + "holder = :holder", seen | {"holder": lost.holder}
        else:
            condition += "attribute_not_exists(holder)"
        stream, after = stream_of(run.slot.organization, run.id), lost.messages
        logged = number(lost.reserved, list(events))
        # A new writer id, so that these parts do not collide with any that the dead process has written under
        # its nonce.
        heads, parts = self._messages.puts(run.slot, after + 1, messages, new_ulid())
        writes = [
            released(self._table, run.slot, condition, seen | {"messages": after + len(messages)}),
            *self._log.puts(stream, logged),
            *heads,
            *self._final(replace(run, last_seq=logged[-1].seq)),
            *more,
        ]
        still_lost = check_that(self._table, lease_key(run.slot), condition, **seen)
        try:
            await self._messages.transact(still_lost, writes, parts)
        except ConditionFailed as error:
            if 0 in error.items or is_deleting(error):
                return False
            raise
        return True

    def _final(self, run: Run) -> list[TransactItem]:
        touches = self._conversations.touches(run.slot, _ended(run), titled=False, active=None)
        return [self._runs.put(run), *self._definitions.delete(run.slot, run.id), *touches]


def _ended(run: Run) -> Conversation:
    return Conversation(
        id=run.slot.conversation_id,
        agent_id=run.agent_id,
        title="",
        created_at=run.started_at,
        updated_at=run.ended_at or run.started_at,
        created_by=run.owner,
    )
