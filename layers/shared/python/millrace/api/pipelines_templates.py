"""Pipeline templates over HTTP: listed, and made into pipelines."""

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from millrace.services.pipelines.registry.pipelines import Pipelines
from millrace.services.pipelines.registry.template_catalog import TEMPLATES, template


class TemplateArguments(BaseModel):
    """The arguments of a template; `name` is the new pipeline's, if it shall have another."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1)] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


def add_templates(router: APIRouter, pipelines: Pipelines, Caller: Any) -> None:
    """Definitions for the common cases."""

    @router.get("/templates", summary="Definitions for the common cases, with parameters")
    async def list_templates(who: Caller) -> dict[str, Any]:
        who.require("pipelines:read")
        return {"items": [one.to_public() for one in TEMPLATES]}

    @router.get("/templates/{template_id}", summary="Read a template")
    async def get_template(who: Caller, template_id: str) -> dict[str, Any]:
        who.require("pipelines:read")
        return template(template_id).to_public()

    @router.post(
        "/templates/{template_id}/pipelines", status_code=201, summary="Create a pipeline from a template"
    )
    async def create_from_template(
        who: Caller, template_id: str, response: Response, arguments: TemplateArguments | None = None
    ) -> dict[str, Any]:
        who.require("pipelines:write")
        arguments = arguments or TemplateArguments()
        definition = template(template_id).fill(arguments.parameters)
        made = await pipelines.create(who, definition | ({"name": arguments.name} if arguments.name else {}))
        response.headers["location"] = f"/api/streaming/pipelines/{made.id}"
        return await pipelines.written(who, made)
