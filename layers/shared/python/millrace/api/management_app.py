"""The app of the management function: FastAPI, buffered through Mangum."""

from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response

from millrace import __version__
from millrace.api.agent_parts import parts_router
from millrace.api.agents import agents_router
from millrace.api.api_events import ApiEvents
from millrace.api.api_keys import api_keys_router
from millrace.api.audit import audit_router
from millrace.api.auth import Authenticator
from millrace.api.erasures import erasures_router
from millrace.api.errors import HANDLERS, error_response
from millrace.api.exports import exports_router
from millrace.api.hops import Hops
from millrace.api.json_route import JsonRouter
from millrace.api.key_uses import KeyUses
from millrace.api.limits import limits_router
from millrace.api.operation import ANY_TOKEN
from millrace.api.pipelines import pipelines_router
from millrace.api.retention import retention_router
from millrace.api.revocations import revocations_router
from millrace.services.agents import Agents
from millrace.services.api_keys import ApiKeys
from millrace.services.erasures import Erasures
from millrace.services.exports.exports import Exports
from millrace.services.limits import ManagedLimits
from millrace.services.pipelines.context import PipelineContext
from millrace.services.retention import Retention
from millrace.services.revocations import Revocations
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.connect import Stores


def create_app(settings: Settings, platform: Platform | None = None) -> FastAPI:
    """Create the app. Clients that every request needs are created now, during init."""
    platform = platform or Platform.make(settings)
    for service in ("dynamodb", "events"):
        platform.stores.aws.client(service)
    app = empty_app(settings, platform.stores)
    app.add_middleware(KeyUses, keys=platform.stores.api_keys)
    app.add_middleware(ApiEvents, bus=platform.stores.bus, clock=platform.stores.clock)
    app.include_router(agents_router(Agents(platform)))
    app.include_router(parts_router(settings))
    app.include_router(limits_router(ManagedLimits(platform.stores.limits, platform.stores.clock)))
    app.include_router(erasures_router(Erasures(platform.stores)))
    app.include_router(exports_router(Exports(platform.stores)))
    app.include_router(retention_router(Retention(platform.stores)))
    app.include_router(audit_router(platform.stores.audit))
    app.include_router(revocations_router(Revocations(platform.stores.limits, platform.stores.clock)))
    app.include_router(api_keys_router(ApiKeys(platform.stores.api_keys, platform.stores.clock)))
    app.include_router(pipelines_router(PipelineContext.connect(settings, platform.stores.aws)))

    app.include_router(_about(settings, platform, app))
    return app


def empty_app(settings: Settings, stores: Stores) -> FastAPI:
    """Create the app without operations: with authentication and error handlers."""
    app = FastAPI(title="Millrace", version=__version__, openapi_url=None, redirect_slashes=False)
    app.state.auth = Authenticator(settings, stores)
    for kind, handler in (*HANDLERS.items(), (RequestValidationError, on_invalid)):
        app.add_exception_handler(kind, handler)
    app.add_middleware(Hops, limit=settings.hop_limit)
    return app


def _about(settings: Settings, platform: Platform, app: FastAPI) -> JsonRouter:
    """Return the router of the operations about the API itself."""
    router = JsonRouter()

    @router.operation(
        "GET",
        "/api/health",
        "Check that the API answers; needs no token",
        ANY_TOKEN,
        answers={200: "Health"},
        credential="none",
    )
    async def get_api_health() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @router.operation(
        "GET", "/api/openapi.json", "Read this document", ANY_TOKEN, answers={200: "OpenApiDocument"}
    )
    async def get_openapi() -> Response:
        return JSONResponse(document(settings, platform, app))

    return router


@cache
def document(settings: Settings, platform: Platform, app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of all functions, which is created when first requested."""
    from millrace.api.openapi import streamed_endpoints, whole_document

    return whole_document(app, streamed_endpoints(settings, platform))


async def on_invalid(request: Request, error: Exception) -> Response:
    """Return FastAPI's validation errors in our form."""
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if errors and errors[0]["type"] == "json_invalid":
        why = errors[0].get("ctx", {}).get("error", "")
        return error_response(request, 422, "invalid_json", f"The body is not JSON: {why}.")
    fields = [
        {"path": ".".join(str(part) for part in one["loc"][1:]), "message": one["msg"]} for one in errors
    ]
    first = f"{fields[0]['path'] or 'body'}: {fields[0]['message']}."
    return error_response(request, 422, "invalid_request", first, fields=fields)
