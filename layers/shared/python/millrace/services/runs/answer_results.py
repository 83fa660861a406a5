"""Tool results that a client sends with its history, which answer the run that waits for them."""

from collections.abc import Callable, Mapping, Sequence

from millrace.domain.access import Principal
from millrace.domain.approvals import GivenAnswer, Kind, WaitingCall
from millrace.domain.events import LogEntry
from millrace.domain.runs import Run
from millrace.errors import InvalidRequest, NotFound
from millrace.services.runs.access import authorize_run
from millrace.services.runs.answers import answer_call
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of

ToAnswer = Callable[[Kind, str, str], GivenAnswer]
"""Creates the answer to a call from its kind, its id and the text of its result."""


async def answer_results(
    stores: Stores, caller: Principal, run_id: str, results: Mapping[str, str], to_answer: ToAnswer
) -> tuple[Run, int] | None:
    """Answer the calls of a run. Return the run, and the number of the event with which it waited for them.

    Return None if the run has no such calls or the caller may not read it; then the results are only history.
    Repeating this changes nothing and returns the same event. Raises `InvalidRequest` if calls would remain
    for which the run waits, otherwise as `answer_call` does.
    """
    try:
        run = await authorize_run(stores, caller, run_id)
    except NotFound:
        return None
    calls = {call.call_id: call for call in await stores.approvals.of_run(run.slot, run.id)}
    known = {id: text for id, text in results.items() if id in calls}
    after = await _waited_at(stores, run, known)
    if not known or after is None:
        return None
    _check_all(list(calls.values()), known)
    for id, text in known.items():
        await answer_call(stores, caller, run.id, to_answer(calls[id].kind, id, text))
    return run, after


def _check_all(calls: Sequence[WaitingCall], known: Mapping[str, str]) -> None:
    left = [call.call_id for call in calls if call.state == "waiting" and call.call_id not in known]
    if left:
        raise InvalidRequest(
            f"The agent waits for the results of all its calls; {', '.join(left)} are missing.",
            code="invalid_answer",
        )


async def _waited_at(stores: Stores, run: Run, results: Mapping[str, str]) -> int | None:
    """Return the number of the event with which the run waited for these calls, or None."""
    events = await stores.log.read(stream_of(run.slot.organization, run.id))
    found = [entry.seq for entry in events if entry.type == "waiting" and _asks(entry, results)]
    if found:
        return found[-1]
    # A run may wait longer than its events are kept.
    lease = await stores.leases.peek(run.slot)
    return lease.seq if lease.run_id == run.id and lease.parked == "waiting" else None


def _asks(entry: LogEntry, results: Mapping[str, str]) -> bool:
    return any(call["callId"] in results for call in entry.event["calls"])
