"""Pipeline templates over HTTP: list them, and create pipelines from them."""

from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from millrace.api.json_route import Caller, JsonRouter
from millrace.api.operation import Answer
from millrace.services.pipelines.registry.pipelines import Pipelines
from millrace.services.pipelines.registry.template_catalog import TEMPLATES, template

CREATED = Answer("WrittenPipeline", headers=("location",))


class TemplateArguments(BaseModel):
    """The arguments of a template. `name` is the name of the new pipeline, if it should have another one."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1)] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


def add_templates(router: JsonRouter, pipelines: Pipelines) -> None:
    """Add the routes of templates, which are definitions for common cases."""

    @router.operation(
        "GET",
        "/templates",
        "List templates: definitions for common cases, with parameters",
        "pipelines:read",
        answers={200: "PipelineTemplatePage"},
    )
    async def list_templates() -> dict[str, Any]:
        return {"items": [one.to_public() for one in TEMPLATES]}

    @router.operation(
        "GET",
        "/templates/{template_id}",
        "Read a template",
        "pipelines:read",
        answers={200: "PipelineTemplate"},
        errors=("template_not_found",),
    )
    async def get_template(template_id: str) -> dict[str, Any]:
        return template(template_id).to_public()

    @router.operation(
        "POST",
        "/templates/{template_id}/pipelines",
        "Create a pipeline from a template",
        "pipelines:write",
        answers={201: CREATED},
        errors=(
            "template_not_found",
            "invalid_parameter",
            "too_many_pipelines",
            "invalid_definition",
            "unknown_secret",
        ),
        body=TemplateArguments,
        body_required=False,
    )
    async def create_from_template(
        caller: Caller, template_id: str, response: Response, arguments: TemplateArguments | None = None
    ) -> dict[str, Any]:
        arguments = arguments or TemplateArguments()
        definition = template(template_id).fill(arguments.parameters)
        made = await pipelines.create(
            caller, definition | ({"name": arguments.name} if arguments.name else {})
        )
        response.headers["location"] = f"/api/streaming/pipelines/{made.id}"
        return await pipelines.written(caller, made)
