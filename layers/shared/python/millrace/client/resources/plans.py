"""The kinds of streams that several resources share."""

from collections.abc import Mapping
from typing import Any

from millrace.client.calls import Request, given, path
from millrace.client.follow import Cursor, Plan
from millrace.client.state import is_end
from millrace.domain.events import Detail


def run_plan(first: Request, detail: Detail | None, through_waiting: bool) -> Plan:
    """Return the plan for a stream of one run, whichever request starts it. It ends with the run, or when the
    run waits for people."""
    query = given(detail=detail)

    def resume(cursor: Cursor) -> Request | None:
        run_id = cursor.run_id or (cursor.last_id or "").rpartition(".")[0]
        return Request("GET", path("/api/runs/{}/stream", run_id), query) if run_id else None

    return Plan(first, resume, is_end if through_waiting else is_pause)


def is_pause(event: Mapping[str, Any]) -> bool:
    """Return whether a stream of a run ends here, at least for now."""
    return event["type"] == "waiting" or is_end(event)


def never(event: Mapping[str, Any]) -> bool:
    """Return false: only the server or the caller ends the stream."""
    return False


def again(request: Request) -> Plan:
    """Return the plan for a stream that the same GET continues, and whose end the server announces."""
    return Plan(request, lambda cursor: request, never)
