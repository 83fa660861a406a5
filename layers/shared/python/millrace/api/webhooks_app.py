"""The app of the webhooks function: anybody may call it; a pipeline's signature check decides."""

from typing import Any

from fastapi import FastAPI, Request, Response

from millrace.api.errors import HANDLERS
from millrace.api.hops import Hops
from millrace.errors import TooLarge
from millrace.services.pipelines.backpressure import Backpressure
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.push import Ingest
from millrace.services.pipelines.intake.webhooks import MAX_BODY, Challenge, Webhooks
from millrace.settings import Settings
from millrace.stores.secrets import SecretStore


def create_app(settings: Settings, context: PipelineContext | None = None) -> FastAPI:
    """The app; clients that every request needs are made now, in init."""
    context = context or PipelineContext.connect(settings)
    context.warm()
    secrets = SecretStore(context.aws, context.dynamo, settings.secrets_table, settings.secrets_key_id)
    webhooks = Webhooks(context, Ingest(context, Backpressure(context)), secrets)
    app = FastAPI(title="Millrace webhooks", openapi_url=None, redirect_slashes=False)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(Hops, limit=settings.hop_limit)

    @app.post("/hooks/{pipeline_id}", status_code=202, summary="Events for a pipeline")
    async def receive(pipeline_id: str, request: Request, response: Response) -> dict[str, Any]:
        body = await request.body()
        if len(body) > MAX_BODY:
            raise TooLarge(f"The body must not exceed {MAX_BODY // 1024} KB.")
        found = await webhooks.receive(pipeline_id, dict(request.headers), body)
        if isinstance(found, Challenge):
            response.status_code = 200
            return {"challenge": found.text}
        return {"accepted": len(found), "ids": found}

    return app
