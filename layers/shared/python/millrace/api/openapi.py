"""The OpenAPI document of the whole platform: FastAPI's own for the management API, and the endpoint tables
of the streamed functions."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from millrace.api.endpoint import Endpoint

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "requestId"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "requestId": {"type": "string"},
            },
            "additionalProperties": True,
        }
    },
}


def whole_document(app: FastAPI, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """One document for everything that the platform serves."""
    document = app.openapi()
    tables = list(endpoints)
    for endpoint in tables:
        document["paths"].setdefault(endpoint.path, {})[endpoint.method.lower()] = endpoint.openapi()
    parts = document.setdefault("components", {})
    parts.setdefault("schemas", {}).update(_schemas(tables) | {"Error": ERROR})
    shown = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    parts["responses"] = {"Error": {"description": "What went wrong, and what to do", "content": shown}}
    parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    document["security"] = [{"bearer": []}]
    return document


def _schemas(endpoints: list[Endpoint]) -> dict[str, Any]:
    bodies = {endpoint.body for endpoint in endpoints if endpoint.body}
    ordered = sorted(bodies, key=lambda body: body.__name__)
    _, schema = models_json_schema(
        [(body, "validation") for body in ordered], ref_template="#/components/schemas/{model}"
    )
    return dict(schema["$defs"])
