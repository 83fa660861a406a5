"""Messages to a conversation whose run waits for people."""

import asyncio
import logging

from millrace.domain.approvals import Answer, WaitingCall
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.runs import ANSWERED
from millrace.errors import Conflict, MillraceError
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed
from millrace.stores.idempotency import Marker
from millrace.stores.injections import Injection

log = logging.getLogger(__name__)
RETRY_SECONDS = 0.1


async def run_waiting(stores: Stores, slot: Slot, run_id: str) -> Conflict:
    """Return the error for a message to a waiting run, with its calls."""
    calls = [
        {"callId": call.call_id, "kind": call.kind, "name": _shown_name(call)}
        for call in await _waiting(stores, slot, run_id)
    ]
    return Conflict(
        "The run waits for answers. Answer the calls, stop the run, or send the message with ifBusy inject: "
        "the message is then the reply, and the calls count as rejected.",
        code="run_waiting",
        runId=run_id,
        calls=calls,
    )


async def reply_to_waiting(
    stores: Stores, slot: Slot, run_id: str, live: Injection, marker: Marker | None
) -> bool:
    """Accept a message as the user's reply: it rejects the waiting calls and becomes a live message of the
    run.

    All of this is one transaction. Return False if the run does not wait (any more), so that its state has to
    be read again. Raises `Repeated` or `TooManyRequests`.
    """
    calls = await _waiting(stores, slot, run_id)
    now = stores.clock()
    answer = Answer("reject", live.created_by, iso(now), reason=live.content)
    # The write of an answer that is too late would be refused, together with the whole transaction.
    writes = [stores.approvals.answered(call, answer, now) for call in calls if call.expires_ms > now]
    try:
        await stores.injections.accept_reply(slot, live, run_id, marker, writes)
    except ConditionFailed:
        await asyncio.sleep(RETRY_SECONDS)
        return False
    await _go_on_soon(stores, slot, run_id)
    return True


async def _go_on_soon(stores: Stores, slot: Slot, run_id: str) -> None:
    """Let the run continue, now or with the check of every minute.

    Errors are only logged: the message is accepted, so its sender must not get an error.
    """
    try:
        await stores.run_queue.enqueue(slot.organization, run_id, reason=ANSWERED)
    except MillraceError as error:
        log.warning("run %s has a reply and was not queued: %s", run_id, error.message)


async def _waiting(stores: Stores, slot: Slot, run_id: str) -> list[WaitingCall]:
    return [call for call in await stores.approvals.of_run(slot, run_id) if call.state == "waiting"]


def _shown_name(call: WaitingCall) -> str | None:
    return None if call.kind == "approval" and call.visibility == "answer" else call.name
