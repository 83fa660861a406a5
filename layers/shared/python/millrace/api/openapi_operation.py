"""Writes an operation as an OpenAPI operation object."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from millrace.api.error_codes import ERROR_CODES
from millrace.api.openapi_texts import HEADERS, PATH_PARAMETERS, STATUSES, TAGS, WHOLE_NUMBERS
from millrace.api.operation import JSON, Answer, Operation, Parameter

Json = dict[str, Any]
Reference = Callable[[Any], Json]
"""Returns the schema of a model."""
EVENT_STREAM = "text/event-stream"
RESPONSES = "#/components/responses/"
READS = frozenset({"GET", "HEAD"})
ALWAYS = ("internal", "unavailable")
TOKEN_ERRORS = (
    "token_missing",
    "token_invalid",
    "token_expired",
    "token_revoked",
    "organization_missing",
    "api_key_invalid",
)
BODY_ERRORS = (
    "invalid_request",
    "invalid_json",
    "invalid_encoding",
    "too_large",
    "unsupported_encoding",
    "unsupported_media_type",
)
PARAMETER_ERRORS = ("invalid_query", "invalid_request", "invalid_cursor")
_USUAL: dict[int, frozenset[str]] = {
    401: frozenset(TOKEN_ERRORS),
    403: frozenset({"missing_scope", "organization_erased"}),
    409: frozenset({"loop"}),
    413: frozenset({"too_large"}),
    415: frozenset({"unsupported_encoding", "unsupported_media_type"}),
    422: frozenset({"invalid_request", "invalid_json", "invalid_encoding"}),
    500: frozenset({"internal"}),
    503: frozenset({"unavailable"}),
}


def operation_object(operation: Operation, name: str, schema_of: Reference) -> Json:
    """Return the operation object."""
    answers = {
        str(status): _success(status, operation.answer(status), schema_of) for status in operation.answers
    }
    errors = {
        str(status): {"$ref": RESPONSES + _response_name(error)}
        for status, error in errors_of(operation).items()
    }
    found: Json = {
        "operationId": name,
        "tags": [next(tag for prefix, tag, _ in TAGS if operation.path.startswith(prefix))],
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": answers | errors,
        "security": security(operation),
    }
    if operation.body is not None:
        content = {kind: {"schema": _body(operation, kind, schema_of)} for kind in operation.body_media}
        found["requestBody"] = {"required": operation.body_required, "content": content}
    return found


def error_responses(operations: Iterable[Operation], schema_of: Reference) -> Json:
    """Return the error responses of all operations by name; operations share them."""
    found = {error for operation in operations for error in errors_of(operation).values()}
    return {_response_name(error): _error(error, schema_of) for error in sorted(found)}


def security(operation: Operation) -> list[Json]:
    """Return the alternatives, each a credential with the scopes that its user needs. A public operation has
    none."""
    return [{credential: list(scopes)} for credential in credentials(operation) for scopes in operation.needs]


def credentials(operation: Operation) -> tuple[str, ...]:
    """Return the security schemes that identify a caller. Tickets are only for GET."""
    if operation.credential == "none":
        return ()
    if operation.credential == "ticket":
        return ("ticket",)
    both = operation.credential == "either" and operation.method == "GET"
    return ("bearer", "ticket") if both else ("bearer",)


class ErrorResponse(NamedTuple):
    """An error status with its codes. If `is_open`, codes of other systems are possible too."""

    status: int
    codes: tuple[str, ...]
    is_open: bool


def errors_of(operation: Operation) -> dict[int, ErrorResponse]:
    """Return the errors that an operation can have, including those that all such operations have."""
    by_status: dict[int, list[str]] = {status: [] for status in operation.open_errors}
    for code in sorted({*operation.errors, *ALWAYS, *_general(operation)}):
        by_status.setdefault(ERROR_CODES[code].status, []).append(code)
    return {
        status: ErrorResponse(status, tuple(codes), status in operation.open_errors)
        for status, codes in sorted(by_status.items())
    }


def _general(operation: Operation) -> Iterator[str]:
    known_by = credentials(operation)
    if known_by:
        yield from TOKEN_ERRORS
        yield "organization_erased"
    if "ticket" in known_by:
        yield from ("ticket_invalid", "not_configured")
    if any(operation.needs):
        yield "missing_scope"
    if operation.method not in READS:
        yield "loop"
    if operation.body is not None:
        yield from BODY_ERRORS
    if operation.parameters or any(name in WHOLE_NUMBERS for name in _path_names(operation)):
        yield from PARAMETER_ERRORS


def _path_names(operation: Operation) -> list[str]:
    return [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]


def _parameters(operation: Operation) -> list[Json]:
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name],
            "schema": {"type": "integer" if name in WHOLE_NUMBERS else "string"},
        }
        for name in _path_names(operation)
    ]
    declared = [_parameter(parameter) for parameter in operation.parameters]
    return [*in_path, *declared]


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": False,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _body(operation: Operation, kind: str, schema_of: Reference) -> Json:
    return {"type": "string"} if kind == "application/x-ndjson" else schema_of(operation.body)


def _success(status: int, answer: Answer, schema_of: Reference) -> Json:
    content: Json = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in answer.media}
    if answer.model:
        content[JSON] = {"schema": schema_of(answer.model)}
    if answer.events:
        content[EVENT_STREAM] = {"schema": schema_of(answer.events)}
    found: Json = {"description": STATUSES[status]}
    if answer.headers:
        found["headers"] = {name: _header(name) for name in answer.headers}
    return found | ({"content": content} if content else {})


def _response_name(error: ErrorResponse) -> str:
    """Return the name of a response from its status and codes. Codes that most operations have are left
    out."""
    usual = _USUAL.get(error.status, frozenset())
    special = [code for code in error.codes if code not in usual]
    words = "Or".join(code.title().replace("_", "") for code in special)
    if usual - set(error.codes):
        words += "Only"
    return f"Error{error.status}{words}" + ("OrAnother" if error.is_open else "")


def _error(error: ErrorResponse, schema_of: Reference) -> Json:
    meanings = [f"- `{code}`: {ERROR_CODES[code].meaning}" for code in error.codes]
    if error.is_open:
        meanings.append("- other codes: those of the model's server, a tool or a step")
    headers = ["x-request-id", *(["retry-after"] if error.status in (429, 503) else [])]
    code: Json = {"type": "string", "enum": list(error.codes)}
    narrowed = {"properties": {"error": {"properties": {"code": code}}}}
    schema = schema_of("Error") if error.is_open else {"allOf": [schema_of("Error"), narrowed]}
    return {
        "description": "\n".join((f"{STATUSES[error.status]}.", "", *meanings)),
        "headers": {name: _header(name) for name in headers},
        "content": {JSON: {"schema": schema}},
    }


def _header(name: str) -> Json:
    return {"description": HEADERS[name], "schema": {"type": "string"}}
