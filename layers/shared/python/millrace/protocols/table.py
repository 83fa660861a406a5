"""The table of protocols, one row each. Their code is imported when a client uses them."""

from collections.abc import Mapping

import orjson

from millrace.protocols.protocol import Projection, StreamProtocol, View

NATIVE = StreamProtocol("native", heartbeat=b'data: {"type":"heartbeat"}\n\n')
"""Events as they are logged, by `native.encoding.NativeEncoder`."""


def _ag_ui(view: View, options: Mapping[str, str]) -> Projection:
    from millrace.protocols.ag_ui.encoding import AgUiProjection

    return AgUiProjection(
        options["threadId"],
        options["runId"],
        view.detail,
        before=orjson.loads(options.get("before", "[]")),
        opening="opening" in options,
    )


AG_UI = StreamProtocol("ag_ui", project=_ag_ui, detail="full")
"""Options: `threadId` and `runId`, the client's own; `before`, the messages before the run as JSON;
`opening`, to begin with a snapshot of them."""
A2A = StreamProtocol("a2a")
"""Updates of tasks, by `a2a.projection.TaskProjection`. Streams begin with the current state of the task."""


def _openai_chat(view: View, options: Mapping[str, str]) -> Projection:
    from millrace.protocols.openai.chat import ChatProjection

    return ChatProjection(
        view.run,
        view.detail,
        int(options.get("after", 0)),
        usage="usage" in options,
        structured="structured" in options,
    )


OPENAI_CHAT = StreamProtocol("openai_chat", project=_openai_chat, detail="full")
"""Options: `after`, the number of the event after which the completion begins; `usage`; `structured`."""


def _openai_responses(view: View, options: Mapping[str, str]) -> Projection:
    from millrace.protocols.openai.responses import ResponseProjection

    return ResponseProjection(view.run, view.detail, int(options.get("after", 0)))


OPENAI_RESPONSES = StreamProtocol("openai_responses", project=_openai_responses, detail="full")
"""Option: `after`, the number of the event after which the response begins."""


def _mcp(view: View, options: Mapping[str, str]) -> Projection:
    from millrace.protocols.mcp.calls import parse_call
    from millrace.protocols.mcp.encoding import McpProjection

    return McpProjection(view, parse_call(options["call"]))


MCP = StreamProtocol("mcp", project=_mcp, detail="full")
"""Option: `call`, the text of the call that the run answers."""


def _ai_sdk(view: View, options: Mapping[str, str]) -> Projection:
    from millrace.protocols.ai_sdk.encoding import AiSdkProjection

    return AiSdkProjection(view, 7 if options.get("ai") == "7" else 6)


AI_SDK = StreamProtocol(
    "ai_sdk", project=_ai_sdk, detail="full", headers={"x-vercel-ai-ui-message-stream": "v1"}
)
"""Option: `ai`, the client's version if it is 7."""
PROTOCOLS: tuple[StreamProtocol, ...] = (NATIVE, AG_UI, OPENAI_CHAT, OPENAI_RESPONSES, A2A, MCP, AI_SDK)
