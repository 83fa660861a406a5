"""The OpenAPI document of the whole platform: FastAPI's own for the management API, and the endpoint tables
of the streamed functions."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from millrace.api import command_center_app, conversation_app, flows_app, voice_app
from millrace.api.endpoint import Endpoint
from millrace.api.tickets import callers
from millrace.services.command_center.record import Recorder
from millrace.services.flows.manage import Flows
from millrace.services.flows.steps import no_pipelines
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.speech.engines import Engines, SpeechConfig

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


def streamed_endpoints(settings: Settings, platform: Platform) -> list[Endpoint]:
    """The tables of all streamed functions; nothing in them is called."""
    stores = platform.stores
    who = callers(settings, stores)
    engines = Engines(SpeechConfig(), stores.aws, lambda: platform.http.models)
    return [
        *conversation_app.endpoints(platform, who),
        *command_center_app.endpoints(Recorder.connect(settings), who),
        *flows_app.endpoints(Flows.connect(platform, no_pipelines), who),
        *voice_app.endpoints(engines, stores, who),
    ]


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
