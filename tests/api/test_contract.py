"""The contract itself: the document is complete, codes have one status each, and violations are detected."""

import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from millrace.api.endpoint import Endpoint
from millrace.api.json_route import JsonRoute
from millrace.api.operation import ANY_TOKEN, EMPTY
from millrace.api.schemas.catalog import EXAMPLES
from millrace.api.streamed_app import public_app
from millrace.domain.access import Principal
from tests.contract import DOCUMENT, answer_problems, validator
from tests.serving import served

OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
SCHEMAS = DOCUMENT["components"]["schemas"]


# --- the document ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_operation_is_complete(name: str, operation: dict[str, Any]) -> None:
    """Every success has a schema unless it is empty, every error lists its codes, and nothing is unnamed."""
    assert operation["summary"][0].isupper()
    assert len(operation["tags"]) == 1
    assert operation["security"] or operation["operationId"] in ("get_api_health", "receive_webhook")
    assert all(parameter["description"] for parameter in operation["parameters"])
    success = {status: found for status, found in operation["responses"].items() if status < "300"}
    assert success
    for status, found in success.items():
        assert bool(found.get("content")) == (status != "204")
        assert all(media["schema"] for media in found.get("content", {}).values())
    errors = {status for status in operation["responses"] if status >= "400"}
    assert {"500", "503"} <= errors
    assert ({"401"} if operation["security"] else set()) <= errors
    assert ({"413", "415", "422"} if "requestBody" in operation else set()) <= errors


def test_names_of_schemas_are_plain() -> None:
    """Two models of one name would get the names of their modules."""
    assert [name for name in SCHEMAS if not name.isalnum()] == []


@pytest.mark.parametrize("name", ["RunEvent", "CommandCenterEvent"])
def test_events_are_told_apart_by_their_type(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["discriminator"]["propertyName"] == "type"
    kinds = {each["$ref"].rpartition("/")[2] for each in schema["oneOf"]}
    assert set(schema["discriminator"]["mapping"].values()) == {
        f"#/components/schemas/{one}" for one in kinds
    }
    assert all(SCHEMAS[one]["properties"]["type"]["const"] for one in kinds)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_valid(name: str) -> None:
    assert SCHEMAS[name]["examples"] == [EXAMPLES[name]]
    found = validator(json.dumps({"$ref": f"#/components/schemas/{name}"}))
    assert [error.message for error in found.iter_errors(EXAMPLES[name])] == []


# --- what checks the answers -----------------------------------------------------------------------

RUN = "/api/runs/{run_id}"
STREAM = "text/event-stream; charset=utf-8"
AN_ERROR = {"code": "run_not_found", "message": "No run has this id.", "requestId": "r"}


def refusal(**changes: Any) -> bytes:
    return json.dumps({"error": AN_ERROR | changes}).encode()


@pytest.mark.parametrize(
    ("path", "status", "kind", "body", "problem"),
    [
        (RUN, 404, "application/json", refusal(), ""),
        (RUN, 404, "application/json", refusal(code="unheard_of"), "unheard_of"),
        (RUN, 404, "application/json", refusal(requestId=None), "None is not of type"),
        (RUN, 404, "text/html", b"<p>", "text/html"),
        (RUN, 418, "application/json", refusal(), "status"),
        (RUN, 200, "application/json", b"{}", "required"),
        (f"{RUN}/stream", 200, STREAM, b'retry: 1000\n\ndata: {"type":"token","token":"a"}\n\n', ""),
        (f"{RUN}/stream", 200, STREAM, b'data: {"type":"token","text":"a"}\n\n', "'token' is a required"),
        (f"{RUN}/stream", 200, STREAM, b'data: {"type":"surprise"}\n\n', "type is not documented"),
        (f"{RUN}/stream", 200, STREAM, b'data: {"type":"surpr', ""),
        (f"{RUN}/stream", 204, "", b"", ""),
        (f"{RUN}/stream", 204, "", b"x", "body"),
    ],
)
def test_answer_that_is_not_as_declared_is_a_problem(
    path: str, status: int, kind: str, body: bytes, problem: str
) -> None:
    found = list(answer_problems("GET", path, status, kind, body))
    assert problem in "".join(found) if problem else not found, found


def test_served_app_that_breaks_its_contract_fails_its_test() -> None:
    async def get_run(request: Request) -> Response:
        return JSONResponse({"id": "run_1"})

    with (
        pytest.raises(AssertionError, match="conversationId"),
        served(Starlette(routes=[Route(RUN, get_run)])) as url,
    ):
        assert httpx.get(f"{url}/api/runs/run_1").status_code == 200


# --- declarations ----------------------------------------------------------------------------------


async def nothing(request: Request, caller: Principal) -> Response:
    return Response(status_code=204)


def test_app_without_tokens_takes_no_operation_that_needs_one() -> None:
    guarded = Endpoint("GET", "/guarded", "Guard", ANY_TOKEN, nothing, answers={204: EMPTY})
    with pytest.raises(ValueError, match="/guarded"):
        public_app([guarded], 8)


def test_route_that_declares_nothing_is_refused() -> None:
    async def undeclared() -> None: ...

    with pytest.raises(KeyError):
        JsonRoute("/undeclared", undeclared)
