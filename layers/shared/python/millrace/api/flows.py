"""Definitions of flows over HTTP."""

from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.endpoint import Endpoint, read_body, whole_number
from millrace.api.operation import EMPTY, Answer, Parameter
from millrace.api.parameters import CURSOR, UNCHANGED_SINCE, WRITE, limit, write_options
from millrace.domain.access import Principal
from millrace.domain.flows import Flow, FlowReplacement, NewFlow
from millrace.errors import InvalidRequest
from millrace.services.flows.manage import Flows
from millrace.services.search import LONGEST_QUERY

BASE = "/api/flows"
PAGE = 50
SEARCH = Parameter(
    "q", "Words of the name or the description", {"type": "string", "maxLength": LONGEST_QUERY}
)
DEFINITION_ERRORS = (
    "agent_not_found",
    "flow_too_large",
    "invalid_definition",
    "invalid_expression",
    "invalid_name",
    "invalid_schema",
    "invalid_step",
    "no_pipelines",
    "pipeline_not_found",
    "unknown_tool",
)


class FlowsApi(Struct, frozen=True):
    """The endpoints of flow definitions."""

    flows: Flows

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        one = BASE + "/{name}"
        return [
            Endpoint(
                "GET",
                BASE,
                "List flows",
                "chat",
                self.list_flows,
                parameters=(limit(100, PAGE), CURSOR, SEARCH),
                answers={200: "FlowPage"},
            ),
            Endpoint(
                "POST",
                BASE,
                "Create a flow",
                "agents:write",
                self.create_flow,
                body=NewFlow,
                answers={201: Answer("Flow", headers=("location",))},
                errors=("flow_exists", *DEFINITION_ERRORS),
            ),
            Endpoint(
                "GET",
                one,
                "Read a flow",
                "chat",
                self.get_flow,
                answers={200: "FlowView"},
                errors=("flow_not_found",),
            ),
            Endpoint(
                "PUT",
                one,
                "Replace a flow, or create it",
                "agents:write",
                self.put_flow,
                body=FlowReplacement,
                parameters=WRITE,
                answers={200: "Flow", 201: "Flow"},
                errors=("changed", "flow_exists", "flow_not_found", "id_mismatch", *DEFINITION_ERRORS),
            ),
            Endpoint(
                "DELETE",
                one,
                "Delete a flow",
                "agents:write",
                self.delete_flow,
                parameters=(UNCHANGED_SINCE,),
                answers={204: EMPTY},
                errors=("changed", "flow_not_found"),
            ),
        ]

    async def list_flows(self, request: Request, caller: Principal) -> Response:
        most = whole_number(request, "limit", PAGE, 1, 100)
        after = from_cursor(request.query_params.get("cursor"), "name") or {"name": ""}
        found, last = await self.flows.definitions.find(caller, _query(request), most, after["name"])
        more = to_cursor({"name": last}) if last else None
        return JSONResponse({"items": [_view(flow, caller) for flow in found], "nextCursor": more})

    async def create_flow(self, request: Request, caller: Principal) -> Response:
        made = await self.flows.definitions.create(caller, await read_body(request, NewFlow))
        return JSONResponse(made.to_wire(), 201, {"location": f"{BASE}/{made.name}"})

    async def get_flow(self, request: Request, caller: Principal) -> Response:
        found = await self.flows.store.get(caller.organization, request.path_params["name"])
        return JSONResponse(_view(found, caller))

    async def put_flow(self, request: Request, caller: Principal) -> Response:
        given, options = await read_body(request, FlowReplacement), write_options(request)
        flow, is_new = await self.flows.definitions.put(caller, request.path_params["name"], given, options)
        return JSONResponse(flow.to_wire(), 201 if is_new else 200)

    async def delete_flow(self, request: Request, caller: Principal) -> Response:
        unchanged_since = request.query_params.get(UNCHANGED_SINCE.name)
        await self.flows.definitions.delete(caller, request.path_params["name"], unchanged_since)
        return Response(status_code=204)


def _view(flow: Flow, caller: Principal) -> dict[str, Any]:
    """Return the flow, or only its summary: steps contain instructions and definitions that are not for every
    user."""
    seen = caller.may("agents:read") or caller.may("agents:write")
    return flow.to_wire() if seen else flow.summary()


def _query(request: Request) -> str:
    """Return the words to search for. Raises `InvalidRequest`."""
    query = request.query_params.get("q", "")
    if len(query) > LONGEST_QUERY:
        raise InvalidRequest(f"q must not exceed {LONGEST_QUERY} characters.", code="invalid_query")
    return query
