"""The streams of runs that several resources have."""

from collections.abc import Mapping
from typing import Any

from millrace.client.calls import Request, given, path
from millrace.client.follow import Cursor, Plan
from millrace.client.state import is_end
from millrace.domain.events import Detail


def run_plan(first: Request, detail: Detail | None, through_waiting: bool) -> Plan:
    """A stream of one run, whatever request begins it. It ends with the run, or where that waits for
    people."""
    query = given(detail=detail)

    def resume(cursor: Cursor) -> Request | None:
        run_id = cursor.run_id or (cursor.last_id or "").rpartition(".")[0]
        return Request("GET", path("/api/runs/{}/stream", run_id), query) if run_id else None

    return Plan(first, resume, is_end if through_waiting else is_pause)


def is_pause(event: Mapping[str, Any]) -> bool:
    """Return whether a stream of a run ends here, at least for now."""
    return event["type"] == "waiting" or is_end(event)


def never(event: Mapping[str, Any]) -> bool:
    """The end of streams that only their server, or their caller, ends."""
    return False


def again(request: Request) -> Plan:
    """A stream that the same GET goes on with, to which the server says when it has ended."""
    return Plan(request, lambda cursor: request, never)
