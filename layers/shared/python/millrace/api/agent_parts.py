"""The tools and model providers that agents can use, over HTTP: for editors."""

from typing import Any

from millrace.agent.providers.registry import provider_names
from millrace.agent.tools.builtin import known_tools, tool_names
from millrace.api.json_route import JsonRouter
from millrace.api.operation import any_of
from millrace.settings import Settings


def parts_router(settings: Settings) -> JsonRouter:
    """Return the router with the route."""
    router = JsonRouter()

    @router.operation(
        "GET",
        "/api/agent-parts",
        "List the tools and model providers that agents can use",
        any_of("agents:read", "agents:write"),
        answers={200: "AgentParts"},
    )
    async def list_agent_parts() -> dict[str, Any]:
        tools = [
            {"name": one.name, "description": one.description, "parameters": one.parameters}
            for one in known_tools(tool_names())
        ]
        return {
            "tools": tools,
            "defaultModel": settings.default_model,
            "providers": provider_names(settings),
        }

    return router
