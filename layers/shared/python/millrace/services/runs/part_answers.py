"""Answers to a waiting run that arrive as a client's next run."""

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
    """Answer calls of the run that waits in a slot, and return the part of the run that gets `name`.

    Return its stream and the event after which it begins, or the calls for which the run still waits. Return
    None if nothing here concerns the run: `results` of a client's tools are also sent as mere history.

    If `name` is already known, the answers change nothing and the same part is returned. Raises `NotFound`
    for `answers` to unknown calls, otherwise as `answer_call` does.
    """
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
