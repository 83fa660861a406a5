"""The MCP server's lists and its tools that answer immediately. The SDK handles the versions of the protocol
and checks input and output. Nothing is kept between two requests."""

from typing import Any

import anyio
import orjson
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_one
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
    ToolExecution,
)
from starlette.requests import Request

from millrace import __version__
from millrace.api.audited import noted_method
from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.mcp_tools import FixedTool, FixedTools
from millrace.domain.access import Principal, missing_scope
from millrace.domain.agents import Agent
from millrace.errors import Forbidden, MillraceError
from millrace.protocols.mcp.calls import RequestId
from millrace.protocols.mcp.tool_names import tool_name
from millrace.services.agents import Agents
from millrace.services.pipelines.context import PipelineContext
from millrace.services.runs.platform import Platform

Json = dict[str, Any]
PAGE = 50
INSTRUCTIONS = (
    "Tools named ask_... are agents: give them a message, and the conversationId of an earlier answer to "
    "continue it. Agents may wait for a person; the tool answer_approval answers for that person."
)
AGENT_INPUT: Json = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "minLength": 1, "description": "the task or question for the agent"},
        "conversationId": {
            "type": "string",
            "maxLength": 128,
            "description": "the conversation to continue; without it a new one begins",
        },
    },
    "required": ["message"],
    "additionalProperties": False,
}
AGENT_OUTPUT: Json = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("answer", "conversationId", "runId")},
    "required": ["answer", "conversationId", "runId"],
}


class _Exchange:
    """The SDK's view of one request. Nothing can be sent while it is being answered."""

    can_send_request = False

    def __init__(self, request: Request, request_id: RequestId) -> None:
        headers = request.headers
        self.transport = TransportContext(kind="streamable-http", can_send_request=False, headers=headers)
        self.request_id = request_id
        self.message_metadata = ServerMessageMetadata(request_context=request)
        self.cancel_requested = anyio.Event()

    async def send_raw_request(self, method: str, params: Any, opts: Any = None) -> Json:
        """See `DispatchContext`."""
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Any, opts: Any = None) -> None:
        """See `DispatchContext`."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """See `DispatchContext`."""


class McpServer:
    """The MCP server."""

    def __init__(self, platform: Platform, context: PipelineContext) -> None:
        self._agents = Agents(platform)
        self._tools = {tool.name: tool for tool in FixedTools(platform, context).all()}
        self._server: Server[Any] = Server(
            "millrace",
            version=__version__,
            title="Millrace",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )

    async def answer(
        self, request: Request, message: Json, version: str, client: Any = None, capabilities: Any = None
    ) -> Json:
        """Return the result of a request. Raises `MCPError`, pydantic's `ValidationError`, or
        `MillraceError`."""
        connection = Connection.from_envelope(version, client, capabilities)
        exchange = _Exchange(request, message["id"])
        return await serve_one(
            self._server,
            exchange,
            message["method"],
            message.get("params"),
            connection=connection,
            lifespan_state={},
        )

    async def _list_tools(
        self, context: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        caller: Principal = _caller(context)
        after = (from_cursor(params.cursor if params else None, "id") or {"id": ""})["id"]
        fixed = [] if after else [_fixed(tool) for tool in self._tools.values() if caller.may(tool.scope)]
        if not caller.may("chat"):
            return ListToolsResult(tools=fixed)
        agents, more = await self._agents.page(caller, after, PAGE)
        cursor = to_cursor({"id": more}) if more else None
        return ListToolsResult(tools=[*map(_ask, agents), *fixed], next_cursor=cursor)

    async def _call_tool(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams
    ) -> CallToolResult:
        tool, caller = self._tools.get(params.name), _caller(context)
        if tool is None:
            raise unknown_tool(params.name)
        if not caller.may(tool.scope):
            raise missing_scope(caller, tool.scope)
        try:
            found = await self._run(context.request, caller, tool, params.arguments)
        except Forbidden:
            raise
        except MillraceError as error:
            return CallToolResult(content=[_text(f"{error.message} ({error.code})")], is_error=True)
        return CallToolResult(content=[_text(orjson.dumps(found).decode())], structured_content=found)

    async def _run(self, request: Any, caller: Principal, tool: FixedTool, arguments: Any) -> Json:
        if not tool.audited:
            return await tool.run(caller, arguments)
        given = arguments if isinstance(arguments, dict) else {}
        ids = {name: given[name] for name in _IDS if isinstance(given.get(name), str)}
        method = f"tools/call {tool.name}"
        return await noted_method(request, caller, method, ids, lambda: tool.run(caller, arguments))


_IDS = ("runId", "callId", "pipelineId")


def _caller(context: ServerRequestContext[Any]) -> Principal:
    assert isinstance(context.request, Request)
    caller: Principal = context.request.state.caller
    return caller


def unknown_tool(name: str) -> MCPError:
    """Return the error for the name of a tool that does not exist."""
    return MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {name[:200]}. tools/list names them.")


def _text(text: str) -> TextContent:
    return TextContent(text=text)


def _fixed(tool: FixedTool) -> Tool:
    return Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.arguments.model_json_schema(by_alias=True),
        annotations=ToolAnnotations(
            read_only_hint=tool.reads, idempotent_hint=tool.reads or tool.repeats, open_world_hint=False
        ),
    )


def _ask(agent: Agent) -> Tool:
    schema = agent.response_schema
    # Versions before 2026-07-28 accept only objects.
    output = schema if schema is not None and schema.get("type") == "object" else None
    return Tool(
        name=tool_name(agent.id),
        title=agent.name,
        description=agent.description or f"Ask the agent {agent.name}.",
        input_schema=AGENT_INPUT,
        output_schema=AGENT_OUTPUT if schema is None else output,
        execution=ToolExecution(task_support="optional"),
    )
