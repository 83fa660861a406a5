"""Past and present runs: a list, the events of one with their times, and its model calls."""

from collections.abc import Mapping
from typing import get_args

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.cursors import from_cursor, number_from_cursor, to_cursor
from millrace.api.endpoint import Endpoint, whole_number
from millrace.api.operation import Parameter
from millrace.api.parameters import CURSOR, detail, limit
from millrace.api.resume import detail_of
from millrace.domain.access import Principal
from millrace.domain.clock import from_iso, iso
from millrace.domain.projection import capped
from millrace.domain.runs import RunState
from millrace.errors import InvalidRequest
from millrace.services.runs.access import authorize_run
from millrace.services.runs.replay import list_runs, timed_events
from millrace.stores.connect import Stores
from millrace.stores.dynamo import Dynamo
from millrace.stores.runs import RunFilter, RunPosition

PAGE = 50
BATCHES = 200
STATES = get_args(RunState)
FILTERS = (
    Parameter("agentId", "Only runs of this agent"),
    Parameter("state", "Only runs in this state", {"type": "string", "enum": list(STATES)}),
    Parameter("conversationId", "Only runs of this conversation, for those who may read it"),
    Parameter("user", "Only runs in this user's conversations, or of messages of this user"),
    Parameter("since", "Only runs that started at this time (ISO 8601) or later"),
    Parameter("until", "Only runs that started at this time (ISO 8601) or before"),
)


class Runs(Struct, frozen=True):
    """The endpoints of runs."""

    stores: Stores
    events_table: str

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        base = "/api/runs"
        one = base + "/{run_id}"
        return [
            Endpoint(
                "GET",
                base,
                "List runs, latest first: your own, or with the scope `observe` the organization's",
                "chat",
                self.list_runs,
                parameters=(*FILTERS, limit(100, PAGE), CURSOR),
                answers={200: "RunPage"},
                errors=("conversation_not_found", "invalid_id", "invalid_time"),
            ),
            Endpoint(
                "GET",
                one + "/events",
                "Read a run's events with their times (kept for 24 hours)",
                "chat",
                self.list_run_events,
                parameters=(limit(1000, BATCHES), CURSOR, detail("steps")),
                answers={200: "TimedEventPage"},
                errors=("run_not_found",),
            ),
            Endpoint(
                "GET",
                one + "/model-calls",
                "List a run's latest model calls with tokens, cost and times (24 hours, 500 calls)",
                "chat",
                self.list_model_calls,
                answers={200: "ModelCallList"},
                errors=("run_not_found",),
            ),
        ]

    async def list_runs(self, request: Request, caller: Principal) -> Response:
        wanted = _filter(request.query_params)
        most = whole_number(request, "limit", PAGE, 1, 100)
        start = from_cursor(request.query_params.get("cursor"), "startedAt", "id")
        after = RunPosition(start["startedAt"], start["id"]) if start else None
        found, following = await list_runs(self.stores, caller, wanted, most, after)
        more = to_cursor({"startedAt": following.started_at, "id": following.run_id}) if following else None
        return JSONResponse({"items": [run.to_wire() for run in found], "nextCursor": more})

    async def list_run_events(self, request: Request, caller: Principal) -> Response:
        run = await authorize_run(self.stores, caller, request.path_params["run_id"])
        most = whole_number(request, "limit", BATCHES, 1, 1000)
        after = number_from_cursor(request.query_params.get("cursor"), "after") or 0
        shown = capped(detail_of(request), run.visibility)
        found, following = await timed_events(self.stores, run, after, most, shown)
        more = to_cursor({"after": str(following)}) if following else None
        return JSONResponse({"items": found, "nextCursor": more})

    async def list_model_calls(self, request: Request, caller: Principal) -> Response:
        run = await authorize_run(self.stores, caller, request.path_params["run_id"])
        from millrace.stores.record import RecordStore

        records = RecordStore(Dynamo(self.stores.aws), self.events_table)
        calls = await records.model_calls(caller.organization, run.id)
        return JSONResponse({"items": calls})


def _filter(query: Mapping[str, str]) -> RunFilter:
    """Return the filter. Raises `InvalidRequest` for an unknown state or an invalid time."""
    state = query.get("state") or None
    if state is not None and state not in STATES:
        raise InvalidRequest(f"state must be one of {', '.join(STATES)}.", code="invalid_query")
    return RunFilter(
        query.get("agentId") or None,
        state,
        query.get("conversationId") or None,
        query.get("user") or None,
        _time(query.get("since")),
        _time(query.get("until")),
    )


def _time(text: str | None) -> str | None:
    return iso(from_iso(text)) if text else None
