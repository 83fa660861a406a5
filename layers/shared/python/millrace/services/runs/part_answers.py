"""Answers to a waiting run in the name of a client's next run."""

from collections.abc import Sequence

from millrace.domain.access import Principal
from millrace.domain.approvals import GivenAnswer, WaitingCall
from millrace.domain.conversations import Slot
from millrace.domain.event_ids import EventId
from millrace.errors import NotFound
from millrace.services.runs.answers import answer_call
from millrace.services.runs.converse import RunStream, rejoin
from millrace.stores.connect import Stores


async def answer_part(
    stores: Stores,
    caller: Principal,
    slot: Slot,
    name: str,
    *,
    answers: Sequence[GivenAnswer],
    results: Sequence[GivenAnswer],
    deadline: float | None,
) -> tuple[RunStream, int] | list[WaitingCall] | None:
    """Answer calls of the run that waits in a slot, and give what follows a name: its stream, and the event
    after which it begins; or the calls for which the run still waits. None where nothing of it is asked
    here: `results` of a client's tools are also sent as a mere part of its history.

    A repetition (`name` is known) answers again, which changes nothing, and gives the same part. Raises
    `NotFound` for `answers` to calls that are unknown, else as `answer_call`."""
    begins = await stores.run_names.get(caller, name)
    if begins is None:
        lease = await stores.leases.peek(slot)
        if lease.run_id is None or lease.parked != "waiting":
            if answers:
                raise NotFound("No call is waiting for an answer in this thread.", code="call_not_found")
            return None
        begins = EventId(lease.run_id, lease.seq)
    run_id = begins.run_id or ""
    calls = await stores.approvals.of_run(slot, run_id)
    asked = {call.call_id for call in calls if call.kind == "client"}
    wanted = [*answers, *(one for one in results if one.call_id in asked)]
    if not wanted:
        return None
    begins = await stores.run_names.put(caller, name, begins)
    for given in wanted:
        await answer_call(stores, caller, run_id, given)
    given_now = {one.call_id for one in wanted}
    if left := [call for call in calls if call.state == "waiting" and call.call_id not in given_now]:
        return left
    stream = await rejoin(stores, caller, run_id, begins.seq, deadline)
    if stream is None:
        raise NotFound("The run has ended, and its events have expired.", code="run_expired")
    return stream, begins.seq
