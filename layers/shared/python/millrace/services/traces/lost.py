"""Spans that the end of a run adds from its log.

These have no event of their own, or their event was not on the bus yet when a process died. The log is
written before the bus, so the end of a run with more than one process adds the tool calls and approvals in
the log. Their spans have the same ids as the first time.
"""

from millrace.domain.events import Event, LogEntry
from millrace.domain.flows import AGENT_PREFIX
from millrace.domain.record import split_id
from millrace.domain.runs import Run
from millrace.errors import NotFound
from millrace.services.runs.run_events import RunEvents
from millrace.services.runs.run_pump import MOST_PER_EVENT
from millrace.services.traces.logged import cut_off_calls, step_spans
from millrace.services.traces.spans import Span, span_of
from millrace.stores.bus import EventBus
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of

ENDS = frozenset({"run:completed", "run:error"})


async def spans_of_log(stores: Stores, event: Event) -> list[Span]:
    """Return the spans in a run's log, if the event is its end and some may be missing.

    That is the case for a flow, and for a run whose first process may not have reported all. There are none
    for a deleted run or after the log has expired (24 hours).
    """
    if event["type"] not in ENDS:
        return []
    is_flow = event["agentId"].startswith(AGENT_PREFIX)
    # Other processes number their events from the log's position on; the first one begins with 1.
    taken_over = split_id(event["id"])[1] >= MOST_PER_EVENT
    if not (is_flow or taken_over):
        return []
    organization, run_id = event["organization"], event["runId"]
    try:
        run = await stores.runs.get(organization, run_id)
    except NotFound:
        return []
    log = await stores.log.read(stream_of(organization, run_id))
    found = list(step_spans(event, log)) if is_flow else []
    if taken_over:
        found += filter(None, map(span_of, _reported(run, log, stores.bus)))
        found += cut_off_calls(run, event, log)
    return found


def _reported(run: Run, log: list[LogEntry], bus: EventBus) -> list[Event]:
    """Return the events that a run's processes create from its log."""
    at = [0]
    events = RunEvents(bus, run, lambda: at[0])
    for entry in log:
        at[0] = entry.at
        if entry.event.get("parent") and entry.event.get("agentId"):
            events.note_sub_agent(entry.event["parent"], entry.event["agentId"])
        if entry.type == "approval_requested":
            events.note_request(entry.event["callId"], entry.at)
        if entry.at and entry.type != "token":
            events.watch(entry.event)
    return events.collected()
