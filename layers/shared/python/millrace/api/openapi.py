"""The OpenAPI document of the whole platform, created from the operations that its functions declare."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from millrace.api import a2a_app, command_center_app, conversation_app, flows_app, voice_app, webhooks_app
from millrace.api.endpoint import Endpoint
from millrace.api.json_route import JsonRoute, operation_of
from millrace.api.openapi_operation import error_responses, operation_object
from millrace.api.openapi_texts import ABOUT, PARAMETERS, SECURITY_SCHEMES, TAGS
from millrace.api.operation import Operation, Parameter
from millrace.api.schemas.catalog import EXAMPLES, MODELS
from millrace.domain.wire import WireModel
from millrace.services.command_center.record import Recorder
from millrace.services.flows.manage import Flows
from millrace.services.flows.steps import no_pipelines
from millrace.services.pipelines.context import PipelineContext
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.speech.engines import Engines, SpeechConfig
from millrace.stores.speech_stops import SpeechStops
from millrace.stores.tickets import TicketStore

Json = dict[str, Any]


def streamed_endpoints(settings: Settings, platform: Platform) -> list[Endpoint]:
    """Return the endpoints of all functions without FastAPI. None of their handlers is called."""
    stores = platform.stores
    engines = Engines(SpeechConfig(), stores.aws, lambda: platform.http.models)
    tickets = TicketStore(stores.aws, settings.tickets_table, stores.clock)
    return [
        *conversation_app.endpoints(platform),
        *a2a_app.endpoints(platform),
        *command_center_app.endpoints(Recorder.connect(settings)),
        *flows_app.endpoints(Flows.connect(platform, no_pipelines)),
        *voice_app.endpoints(engines, stores, tickets, SpeechStops(stores.aws, "", stores.clock)),
        *webhooks_app.endpoints(PipelineContext.connect(settings, stores.aws)),
    ]


def declared(app: FastAPI, endpoints: Iterable[Endpoint]) -> list[tuple[str, Operation]]:
    """Return every operation with its id: those of the management API and those of the endpoint tables."""
    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    functions = [route.endpoint for route in routes if isinstance(route, JsonRoute)]
    _build_all(WireModel)
    paths = app.openapi()["paths"]
    return [
        *((function.__name__, _with_parameters(operation_of(function), paths)) for function in functions),
        *((endpoint.handler.__name__, endpoint) for endpoint in endpoints),
    ]


def _build_all(model: type[BaseModel]) -> None:
    """Build a model and the models that inherit from it: pydantic can write a default into a schema only if
    the default's own model was built."""
    model.model_rebuild()
    for kind in model.__subclasses__():
        _build_all(kind)


def _with_parameters(operation: Operation, paths: Json) -> Operation:
    """Return the operation with the parameters that FastAPI read from the signature of its function."""
    found = paths[operation.path][operation.method.lower()].get("parameters", [])
    read = tuple(
        Parameter(one["name"], one.get("description") or PARAMETERS[one["name"]], one["schema"], one["in"])
        for one in found
        if one["in"] != "path"
    )
    return replace(operation, parameters=read)


def whole_document(app: FastAPI, endpoints: Iterable[Endpoint]) -> Json:
    """Return one document for everything that the platform serves."""
    operations = declared(app, endpoints)
    schemas = Schemas([operation for _, operation in operations])
    paths: Json = {}
    for name, operation in operations:
        written = operation_object(operation, name, schemas.reference)
        paths.setdefault(operation.path, {})[operation.method.lower()] = written
    return {
        "openapi": "3.1.0",
        "info": app.openapi()["info"]
        | {"description": ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": "/", "description": "The deployment that serves this document"}],
        "tags": [{"name": name, "description": about} for _, name, about in TAGS if about],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": error_responses((operation for _, operation in operations), schemas.reference),
            "securitySchemes": SECURITY_SCHEMES,
        },
        "security": [{"bearer": []}],
    }


class Schemas:
    """The schemas of all models that operations name. A model whose schema differs for input is included
    twice, as `Thing` and `ThingInput`."""

    def __init__(self, operations: list[Operation]) -> None:
        inputs = {_model(operation.body) for operation in operations if operation.body is not None}
        outputs = {MODELS["Error"]} | {_model(name) for name in _named(operations)}
        wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
            *((model, "validation") for model in sorted(inputs, key=_name)),
            *((model, "serialization") for model in sorted(outputs, key=_name)),
        ]
        references, schema = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
        self._references = {key[0]: _renamed(found) for key, found in references.items()}
        self.components = {_plain(name): _renamed(found) for name, found in sorted(schema["$defs"].items())}
        for name, example in EXAMPLES.items():
            self.components[name]["examples"] = [example]

    def reference(self, model: type[BaseModel] | str) -> Json:
        """Return a reference to the schema of a model, which may be given by its name."""
        found: Json = self._references[_model(model)]
        return found


def _named(operations: list[Operation]) -> set[str]:
    answers = [operation.answer(status) for operation in operations for status in operation.answers]
    return {name for answer in answers for name in (answer.model, answer.events) if name}


def _model(given: type[BaseModel] | str) -> type[BaseModel]:
    return MODELS[given] if isinstance(given, str) else given


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _plain(name: str) -> str:
    return name.removesuffix("-Output").replace("-Input", "Input")


def _renamed(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _plain(value) if key == "$ref" else _renamed(value) for key, value in part.items()}
    return [_renamed(each) for each in part] if isinstance(part, list) else part
